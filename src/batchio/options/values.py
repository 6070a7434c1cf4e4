"""Values of options: from text, from Python, and back to text for people.

One reader for every surface: a string is read the same way whether it was typed,
stands in a script, or was passed by a Python caller. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from batchio.core.arrays import Array, TaskIds, parse_array
from batchio.core.sizes import (
    CPU_FORMS,
    SIZE_FORMS,
    Span,
    format_bytes,
    format_cpu,
    format_dollars,
    format_duration,
    parse_cpu,
    parse_disk,
    parse_dollars,
    parse_duration,
    parse_memory,
)
from batchio.errors import UsageError
from batchio.options.codes import parse_codes
from batchio.options.texts import unpassable

if TYPE_CHECKING:
    from batchio.options.schema import Kind, Option

COMMAND_LINE: Final = "command line"
TRUE_WORDS: Final = frozenset(("true", "yes", "on", "1"))
FALSE_WORDS: Final = frozenset(("false", "no", "off", "0"))

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES: Final = {"\\n": "\n", "\\t": "\t", "\\0": "\0", "\\\\": "\\"}


class Clear:
    """The value of an option that a script clears: lower layers are ignored."""

    def __repr__(self) -> str:
        return "CLEAR"


CLEAR: Final = Clear()


def parse_value(option: Option, text: str, where: str | None = None) -> Any:
    """Return the typed value of `text`.

    Args:
        where: for the message: "hello.sh:3", COMMAND_LINE, or None.

    Raises:
        UsageError: the text is empty, or not a value of this option.
    """
    if is_empty(option, text):
        hint = "leave out the option"
        if option.for_calls:
            hint += f", or ignore it wherever it is set: --ignore {option.name}"
        raise located(option, "the value is empty", where, hint)
    try:
        value = _TEXT[option.kind](text, option)
        return _checked(option, value, text)
    except UsageError as err:
        raise located(option, err.message, where, err.hint) from None


def is_empty(option: Option, text: str) -> bool:
    """Return whether a text says nothing; for some options blanks do say something."""
    if option.kind in ("delimiter", "values"):
        return not text
    return not text.replace(",", " ").strip() if option.kind == "words" else not text.strip()


def validate(option: Option, value: Any, where: str | None = None) -> Any:
    """Return the typed value of what a Python caller or a configuration file gives.

    Equal to what `parse_value` makes of the same thing typed. A plain number for a
    duration is seconds, for memory bytes, for disk GiB.

    Raises:
        UsageError: not a value of this option.
    """
    if isinstance(value, str) and option.kind != "object":
        return parse_value(option, value, where)
    if hasattr(value, "__fspath__") and option.kind in ("path", "paths", "text"):
        return parse_value(option, str(value.__fspath__()), where)
    try:
        return _checked(option, _PYTHON[option.kind](value, option), repr(value))
    except UsageError as err:
        raise located(option, err.message, where, err.hint) from None


def located(option: Option, message: str, where: str | None, hint: str | None = None) -> UsageError:
    """Return a UsageError that names the option, the way it is spelled at that place."""
    if where == COMMAND_LINE:
        return UsageError(f"--{option.name}: {message}", hint=hint)
    name = option.name if where else option.name.replace("-", "_")  # a keyword argument
    return UsageError(f"{name}: {message}", where=where, hint=hint)


def show(option: Option, value: Any) -> str:
    """Return the value as a person would write it; names only where values are secret."""
    if value is None or value == ():
        return ""
    match option.kind:
        case "flag" | "tri":
            return "yes" if value else "no"
        case "size":
            return _show_span(value, format_bytes)
        case "cpu":
            return _show_span(value, format_cpu)
        case "disk":
            return format_bytes(value)
        case "duration":
            return format_duration(value)
        case "dollars":
            return format_dollars(value)
        case "paths" | "words":
            return ", ".join(value)
        case "pairs" if option.name.startswith("secret"):
            return ", ".join(f"{key}=***" for key in value)
        case "pairs":
            return ", ".join(f"{key}={text}" for key, text in value.items())
        case "codes":
            return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in value)
        case "values" if not isinstance(value, str):
            return f"{len(value)} values" if hasattr(value, "__len__") else "values"
        case "object":
            return f"{len(value)} items" if hasattr(value, "__len__") else "given"
        case "delimiter":
            return repr(value)[1:-1]
        case _:
            return str(value)


def split_values(text: str, delimiter: str | None = None) -> list[str]:
    """Return the values of --map-over-values: split at commas, or at the delimiter.

    One delimiter at the end ends the last value and begins no new one. Nothing is
    trimmed or unquoted.
    """
    by = delimiter or ","
    return text.removesuffix(by).split(by)


def parse_bool(text: str) -> bool:
    """Return the bool that a text means.

    Raises:
        UsageError: neither yes nor no.
    """
    word = text.strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise UsageError(f'"{text}" is neither true nor false')
    return word in TRUE_WORDS


# ---- from text ----------------------------------------------------------------------


def _integer(text: str, _option: Option) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise UsageError(f'"{text}" is not a whole number') from None


def _choice(text: str, option: Option) -> str:
    folded = text.strip().lower().replace("_", "-")
    for choice in option.choices:
        if choice.lower().replace("_", "-") == folded:
            return choice
    if option.others and text:
        return text
    raise UsageError(f'"{text}" is not one of {", ".join(option.choices)}')


def _variable(text: str, _option: Option) -> str:
    name = text.strip()
    if not _VARIABLE.fullmatch(name):
        raise UsageError(f'"{name}" is not a valid name of an environment variable')
    return name


def _pair(text: str, option: Option) -> dict[str, str | None]:
    """Return KEY and VAL of KEY=VAL; KEY alone has None: copied from the caller's environment."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not key:
        raise UsageError(f'"{text}" has no name before the =', hint="write KEY=value")
    if option.name == "tag":
        if not equals:
            raise UsageError(f'"{text}" has no value', hint=f"write {key}=value")
        return {key: value}
    return {_variable(key, option): value if equals else None}


def _delimiter(text: str, _option: Option) -> str:
    return re.sub(r"\\[nt0\\]", lambda match: _ESCAPES[match[0]], text)


_TEXT: Final[Mapping[Kind, Callable[[str, Option], Any]]] = {
    "flag": lambda text, _: parse_bool(text),
    "tri": lambda text, _: parse_bool(text),
    "integer": _integer,
    "text": lambda text, _: text,
    "variable": _variable,
    "choice": _choice,
    "size": lambda text, _: parse_memory(text),
    "disk": lambda text, _: parse_disk(text),
    "cpu": lambda text, _: parse_cpu(text),
    "duration": lambda text, _: parse_duration(text),
    "dollars": lambda text, _: parse_dollars(text),
    "path": lambda text, _: text,
    "paths": lambda text, _: (text,),
    "words": lambda text, _: tuple(text.replace(",", " ").split()),
    "pairs": _pair,
    "array": lambda text, _: parse_array(text),
    "codes": lambda text, _: parse_codes(text),
    "values": lambda text, _: text,
    "delimiter": _delimiter,
    "object": lambda text, _: text,
}


# ---- from Python --------------------------------------------------------------------


def _wrong(value: object, wanted: str) -> UsageError:
    return UsageError(f"{value!r} is not {wanted}")


def _py_bool(value: Any, _option: Option) -> bool:
    if isinstance(value, bool):
        return value
    raise _wrong(value, "True or False")


def _py_integer(value: Any, _option: Option) -> int:
    if not isinstance(value, bool) and hasattr(value, "__index__"):
        return int(value.__index__())
    raise _wrong(value, "a whole number")


def _py_number(value: Any, wanted: str, hint: str | None = None) -> float:
    try:
        if not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"{value!r} is not {wanted}", hint=hint)


def _py_duration(value: Any, _option: Option) -> float:
    if hasattr(value, "total_seconds"):
        return float(value.total_seconds())
    return _py_number(value, "a duration")


def _py_span(value: Any, parse: Callable[[str], Span], wanted: str, hint: str) -> Span:
    ends = value if isinstance(value, (tuple, list)) else (value,)
    if len(ends) not in (1, 2):
        raise UsageError(f"{value!r} is not {wanted}", hint=hint)
    texts = [
        end if isinstance(end, str) else f"{_py_number(end, wanted, hint):.15g}" for end in ends
    ]
    return parse("-".join(texts))


def _py_disk(value: Any, _option: Option) -> int:
    return parse_disk(f"{_py_number(value, 'a disk size'):.15g}")


def _py_many(value: Any, option: Option) -> tuple[str, ...]:
    if not isinstance(value, Iterable) or isinstance(value, (bytes, Mapping)):
        raise _wrong(value, "a list of strings")
    out: list[str] = []
    for item in value:
        if hasattr(item, "__fspath__"):
            out.append(str(item.__fspath__()))
        elif isinstance(item, str):
            out.append(item)
        else:
            raise _wrong(item, "a text")
    return tuple(out)


def _py_pairs(value: Any, option: Option) -> dict[str, str | None]:
    if isinstance(value, Mapping):
        for key, text in value.items():
            if text is None:
                raise UsageError(f"the value of {key} is None")
            if "=" in str(key):
                raise UsageError(f'"{key}" is not a variable name: it contains "="')
        items = [f"{key}={text}" for key, text in value.items()]
    else:
        items = list(_py_many(value, option))
    out: dict[str, str | None] = {}
    for item in items:
        out.update(_pair(item, option))
    return out


def _py_array(value: Any, option: Option) -> Array:
    if isinstance(value, Array):
        return value
    if isinstance(value, TaskIds):
        return Array(value)
    if hasattr(value, "__index__") and not isinstance(value, bool):
        return Array(TaskIds.of([value.__index__()]))
    if not isinstance(value, Iterable):
        raise _wrong(value, "a set of task ids")
    if isinstance(value, range):
        ids = TaskIds((value,))
    else:
        ids = TaskIds.of(_py_integer(item, option) for item in value)
    if not ids:
        raise UsageError("no task ids given")
    return Array(ids)


def _py_codes(value: Any, _option: Option) -> tuple[tuple[int, int], ...]:
    items = value if isinstance(value, Iterable) else (value,)
    parts = ["-".join(map(str, i)) if isinstance(i, tuple) else str(i) for i in items]
    return parse_codes(",".join(parts))


def _py_values(value: Any, _option: Option) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return value  # not copied: it may be long, or a generator
    raise _wrong(value, "a list of values")


def _py_text(value: Any, _option: Option) -> str:
    raise _wrong(value, "a text")


_PYTHON: Final[Mapping[Kind, Callable[[Any, Option], Any]]] = {
    "flag": _py_bool,
    "tri": _py_bool,
    "integer": _py_integer,
    "text": _py_text,
    "variable": _py_text,
    "choice": _py_text,
    "size": lambda v, _: _py_span(v, parse_memory, "a size", SIZE_FORMS),
    "disk": _py_disk,
    "cpu": lambda v, _: _py_span(v, parse_cpu, "a number of cores", CPU_FORMS),
    "duration": _py_duration,
    "dollars": lambda value, _: parse_dollars(str(value)),
    "path": _py_text,
    "paths": _py_many,
    "words": _py_many,
    "pairs": _py_pairs,
    "array": _py_array,
    "codes": _py_codes,
    "values": _py_values,
    "delimiter": _py_text,
    "object": lambda value, _: value,
}


def _checked(option: Option, value: Any, text: str) -> Any:
    """Return the value, when it is within the option's limits."""
    if option.kind in ("text", "path", "paths", "words", "pairs"):
        _passable(value)
    if option.kind not in ("integer", "duration", "dollars"):
        return value
    if reason := option.forbids.get(value):
        raise UsageError(reason)
    if option.minimum is not None and value < option.minimum:
        fraction = 0 < option.minimum < 1
        least = "above zero" if fraction else f"{option.minimum:g} or more"
        raise UsageError(f"must be {least}, not {text.strip()}")
    return value


def _passable(value: Any) -> None:
    """Refuse texts that no program can be given."""
    if isinstance(value, Mapping):
        _passable([*value, *value.values()])
    elif isinstance(value, (list, tuple)):
        for one in value:
            _passable(one)
    elif isinstance(value, str) and (why := unpassable(value)):
        raise UsageError(f"it contains {why}")


def _show_span(span: Span, one: Callable[[float], str]) -> str:
    low, high = one(span.low), one(span.high)
    return low if span.low == span.high else f"{low}-{high}"

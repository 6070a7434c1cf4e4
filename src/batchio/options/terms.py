"""The words of messages for callers in Python: `slots=4` where a command line has `--slots 4`.

Messages are written once, in the words of the command line. `python_terms` alone decides who
reads them: the command line enters `for_command_line`, and whoever else calls the API is a
program in Python.
"""

from __future__ import annotations

import functools
import re
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from batchio.errors import BatchioError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchio.options.schema import Option

F = TypeVar("F", bound="Callable[..., Any]")

_TYPED: Final[ContextVar[bool]] = ContextVar("batchio_typed", default=False)
"""Whether the caller is the command line."""

_FLAGS: Final = ("flag", "tri")

_NUMBER: Final = r"\S*\d\S*?(?: [KMGT]i?B)?(?=[,;.)]*(?:\s|$))"
_VALUE: Final = rf"""'[^']*'|"[^"]*"|[A-Z]{{3,}}|local|ssh|(?<=--ignore )[a-z,-]+|{_NUMBER}"""
_OPTION: Final = rf"--([a-z][a-z-]*[a-z])\b(?: ({_VALUE}))?"
_BLAMED: Final = r"^--([a-z][a-z-]*[a-z])(?: (.+?))? \(([^()]+)\): "
_COMMAND: Final = (
    r"(`?)batchio (run|status|wait|list|logs|explain|cancel|retry|recover)\b"
    r"((?: (?:--[a-z-]+|\[?[A-Z]{3,}\]?|[\w./:-]*[A-Z\d./][\w./:-]*(?<![.:])))*)\1"
)
_COROUTINE, _ASYNC_GENERATOR = 0x80, 0x200
"""Flags of a function's code, as `inspect` has them, which costs more to import than this room."""

_ARGUMENTS: Final = {"force": "force=True"}
"""Arguments of methods that are no options of a job."""
_SECRETS: Final = {"secret-env": 'secrets={"NAME": "…"}'}
_METHODS: Final[dict[str, dict[str, str]]] = {
    "logs": {"task": "task="},
    "cancel": {"task": ""},
    "retry": {"task": "", **_SECRETS},
    "recover": {"elsewhere": "elsewhere=True", "head": "head=", **_SECRETS},
}
"""Methods of `Job` by their command, and what stands for an option of it."""


@contextmanager
def for_command_line() -> Iterator[None]:
    """Leave messages as they are written: whoever reads them types commands."""
    token = _TYPED.set(True)
    try:
        yield
    finally:
        _TYPED.reset(token)


def is_command_line() -> bool:
    """Return whether the caller is the command line."""
    return _TYPED.get()


def python_terms(text: str) -> str:
    """Return a message in the words of its reader: unchanged on the command line."""
    if _TYPED.get() or not ("--" in text or "batchio " in text):
        return text
    text = text.replace("batchio run --help", "help(batchio.RunOptions)")
    text = re.sub(_BLAMED, _blamed, text)
    return re.sub(_OPTION, _keyword, re.sub(_COMMAND, _call, text))


def in_terms(function: F) -> F:
    """Word the errors of a verb for its caller; a decorator of what may be awaited or iterated."""
    flags = function.__code__.co_flags
    if flags & _ASYNC_GENERATOR:

        @functools.wraps(function)
        async def generator(*args: Any, **kwargs: Any) -> Any:
            try:
                async with aclosing(function(*args, **kwargs)) as items:
                    async for item in items:
                        yield item
            except BatchioError as err:
                _reword(err)
                raise

        return cast("F", generator)

    if flags & _COROUTINE:

        @functools.wraps(function)
        async def verb(*args: Any, **kwargs: Any) -> Any:
            try:
                return await function(*args, **kwargs)
            except BatchioError as err:
                _reword(err)
                raise

        return cast("F", verb)

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BatchioError as err:
            _reword(err)
            raise

    return cast("F", plain)


def _reword(err: BatchioError) -> None:
    err.message = python_terms(err.message)
    err.args = (err.message, *err.args[1:])
    err.hint = err.hint and python_terms(err.hint)


def _blamed(found: re.Match[str]) -> str:
    """Word the beginning of a warning, which names an option, its value, and who set it."""
    name, value, origin = found.groups()
    if not origin.startswith("argument "):
        return f"{name}{f' {value}' if value else ''} ({origin}): "
    option, keyword = _known(name), origin.removeprefix("argument ")
    if option is None or option[0].kind in _FLAGS:
        return f"{keyword}={not (option and option[1])}: "
    return f"{keyword}={_quoted(value or '')}: "


def _keyword(found: re.Match[str]) -> str:
    name, value = found.groups()
    option = _known(name)
    if option is None:
        return _ARGUMENTS.get(name, found[0])
    if option[0].kind in _FLAGS:
        return f"{option[0].keyword}={not option[1]}{f' {value}' if value else ''}"
    return f"{option[0].keyword}={_quoted(value or '')}"


def _known(name: str) -> tuple[Option, bool] | None:
    """Return the option of this name, and whether it is spelled --no-NAME; None for no option."""
    from batchio.options.table import find, find_opposite  # not for `batchio --help`

    option, negated = find(name), False
    if option is None:
        option, negated = find_opposite(name), True
    return (option, negated) if option and option.for_calls else None


def _quoted(value: str) -> str:
    """Return a value as a literal: numbers, words such as FOLDER and what is quoted stay."""
    if re.fullmatch(r"\d+ (?:items|values)|given", value):  # as `options.values.show` says it
        return "…"
    bare = not value or value[0] in "'\"" or (value.isupper() and value.isalpha())
    return value if bare or re.fullmatch(r"[\d.]+", value) else f'"{value}"'


def _call(found: re.Match[str]) -> str:
    tick, verb, rest = found.groups()
    words, told, ids, place = rest.split(), list[str](), list[str](), ""
    while words:
        word = words.pop(0)
        if word == "--workspace":
            place = words.pop(0)
        elif word.startswith("--"):
            known = _METHODS.get(verb, {}).get(word[2:])
            takes = known is not None and known[-1:] in ("", "=", "}")
            value = words.pop(0) if takes and words else ""
            if known is not None:
                told.append(known if known[-1:] not in ("", "=") else known + value)
        else:
            ids.append(word)
    return tick + _written(verb, ids, ", ".join(told), place) + tick


def _written(verb: str, ids: list[str], told: str, place: str) -> str:
    """Write the call that does what a command does."""
    if verb == "run":
        words = [word for word in ids if word != "[ARGUMENTS]"]
        shown = ", ".join(f'"{word}"' for word in words)
        return f"batchio.run([{shown}])" if len(words) > 1 else f"batchio.run({shown})"
    if verb == "list":
        return "batchio.list_jobs()"
    if verb in ("status", "wait") and ids:
        return f'batchio.{verb}("{ids[0]}")'
    if place:
        return f'{verb}() of batchio.open_job("{"".join(ids[:1])}", workspace={_quoted(place)})'
    return f"job.{verb}({told})"

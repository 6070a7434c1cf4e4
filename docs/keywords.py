"""src/batchio/options/keywords.py: the table of options as the type of keyword arguments."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from batchio.options.table import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchio.options.schema import Kind, Option

_TYPES: Final[Mapping[Kind, str]] = {
    "flag": "bool",
    "tri": "bool",
    "integer": "int",
    "text": "PathText",
    "choice": "str",
    "variable": "str",
    "size": "Amount | Sequence[Amount]",
    "disk": "Amount",
    "cpu": "Amount | Sequence[Amount]",
    "duration": "Amount | timedelta",
    "dollars": "Amount",
    "path": "PathText",
    "paths": "PathText | Iterable[PathText]",
    "words": "str | Iterable[str]",
    "pairs": "Mapping[str, object] | Iterable[str] | str",
    "array": "int | str | Iterable[int]",
    "codes": "int | str | Iterable[int | str | tuple[int, int]]",
    "values": "str | Iterable[object]",
    "delimiter": "str",
}
"""What `options.values.validate` understands of each kind."""

_HEAD: Final = '''\
"""The keyword arguments of `run` and `plan`, for editors and type checkers (PEP 692).

Written by make docs; change the rows of `options.table`, not this file. Imported by no program
that runs. To hand the arguments on through a function of yours:

    def submit(**options: Unpack[RunOptions]) -> Job: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta
    from logging import Logger
    from os import PathLike

PathText: TypeAlias = "str | PathLike[str]"
Amount: TypeAlias = "str | float"
"""Text with a unit ("8GiB", "10m"), or a number of the option's unit."""


class RunOptions(TypedDict, total=False):
    """Every option as a keyword argument; None is as good as not given."""

'''


def module() -> str:
    """Return the text of the module."""
    rows = [option for option in OPTIONS if option.for_calls]
    return _HEAD + "\n".join(line for option in rows for line in _entries(option)) + "\n"


def _entries(option: Option) -> Iterator[str]:
    """Yield a line for each spelling of an option; the first has the sentence about it."""
    first, *others = option.keywords
    yield from _wrapped(first, _annotation(option))
    said = option.help.replace("\\", r"\\").replace('"""', "")
    yield textwrap.fill(
        f'"""{said}"""', 96, initial_indent="    ", subsequent_indent="    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    for word in others:
        yield from _wrapped(word, _annotation(option))


def _wrapped(word: str, annotation: str) -> list[str]:
    """Return the lines of an entry, broken where ruff breaks them."""
    line = f"    {word}: {annotation}"
    if len(line) <= 100:
        return [line]
    return [f"    {word}: (", f"        {annotation}", "    )"]


def _annotation(option: Option) -> str:
    if option.choices and not option.others:
        choices = ", ".join(f'"{choice}"' for choice in option.choices)
        return f"Literal[{choices}] | None"
    return f"{option.annotation or _TYPES[option.kind]} | None"

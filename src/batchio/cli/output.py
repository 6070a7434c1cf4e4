"""The only writer of stdout: data and nothing else.

A table on a terminal is drawn; in a pipe it is aligned text. JSON is JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from batchio.cli.diagnostics import ExitCode
from batchio.cli.terminal import has_colour, is_terminal, visible, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MEASURED: Final = 1000
"""Rows that are looked at to find the widths of columns; longer tables are not drawn."""


class Cell(NamedTuple):
    """Text in a table, and its colour, which only repeats what the text says."""

    text: str
    colour: str = ""


class Column(NamedTuple):
    """A column: its title, and whether its cells stand to the right."""

    title: str
    right: bool = False


Row = tuple["Cell | str", ...]


def to_person() -> bool:
    """Whether a person reads stdout."""
    return is_terminal(sys.stdout)


def line(text: str = "") -> None:
    """One line of text."""
    write(text + "\n")


def write(text: str) -> None:
    """Text as it is; bytes that were never text go out as they came in.

    Raises:
        Exit: whoever read it is gone.
    """
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    except BrokenPipeError:
        raise reader_gone() from None


def flush() -> None:
    """Let everything written be seen now. Raises as `write` does."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise reader_gone() from None


def reader_gone() -> click.exceptions.Exit:
    """What to raise then; also keeps Python from complaining when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return click.exceptions.Exit(ExitCode.READER_GONE)


def json_value(value: Any) -> None:
    """One JSON value."""
    line(json.dumps(value, ensure_ascii=False, indent=2))


def json_lines(values: Iterable[Any]) -> None:
    """Each value as JSON on a line of its own."""
    for value in values:
        line(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def json_list(values: Iterable[Any]) -> None:
    """A JSON array, an element a line, without holding them all."""
    start = "["
    for value in values:
        write(f"{start}\n  {json.dumps(value, ensure_ascii=False)}")
        start = ","
    line("[]" if start == "[" else "\n]")


def table(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """A table; long ones are written as they come."""
    source = iter(rows)
    first = [_safe(row) for row in itertools.islice(source, MEASURED)]
    after = next(source, None)
    if to_person() and after is None:
        _draw(columns, first)
        return
    rest = () if after is None else map(_safe, itertools.chain((after,), source))
    for text in _aligned(columns, first, rest):
        line(text)


def _safe(row: Row) -> list[Cell]:
    return [
        Cell(visible(text).replace("\t", " "), colour)
        for text, colour in (cell if isinstance(cell, Cell) else Cell(cell) for cell in row)
    ]


def _aligned(
    columns: Sequence[Column], first: list[list[Cell]], rest: Iterable[list[Cell]]
) -> Iterator[str]:
    head = [Cell(column.title) for column in columns]
    widths = [max(width(row[at].text) for row in (head, *first)) for at in range(len(columns))]
    for row in itertools.chain((head,), first, rest):
        parts = []
        for column, cell, size in zip(columns, row, widths, strict=True):
            gap = " " * (size - width(cell.text))
            parts.append(gap + cell.text if column.right else cell.text + gap)
        yield "  ".join(parts).rstrip()


def _draw(columns: Sequence[Column], rows: Iterable[list[Cell]]) -> None:
    """With lines around it; text is never read as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table()
    for column in columns:
        drawn.add_column(
            Text(column.title), justify="right" if column.right else "left", overflow="fold"
        )
    for row in rows:
        drawn.add_row(*(Text(cell.text, style=cell.colour) for cell in row))
    flush()
    Console(no_color=not has_colour(sys.stdout), highlight=False, soft_wrap=False).print(drawn)

"""The only writer of stdout: data and nothing else.

A table on a terminal is drawn; in a pipe it is aligned text. JSON is JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import click

from batchio.cli.diagnostics import ExitCode, error, hint
from batchio.cli.terminal import has_colour, is_terminal, only_ascii, painted, visible, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Format = Literal["table", "json", "jsonl"]
"""The values of --format."""

MEASURED: Final = 1000
"""Number of rows that are read to find the widths of columns; longer tables are not drawn."""


GAP: Final = 2
"""Number of blanks between columns of plain text."""

DRAWN_GAP: Final = 3
"""Width of the blanks and the line between drawn columns."""

LAST: Final = 16
"""Least width to which the last cell of a row may be cut."""


class Cell(NamedTuple):
    """Text of a table's cell, and its colour, which only repeats what the text says."""

    text: str
    colour: str = ""


class Column(NamedTuple):
    """A column of a table: its title, and whether its cells are aligned to the right.

    `spare` columns are left out of a narrow terminal, those with 1 first; 0: never.
    """

    title: str
    right: bool = False
    spare: int = 0


Row = tuple["Cell | str", ...]


def to_person() -> bool:
    """Return whether stdout is a terminal, so that a person reads it."""
    return is_terminal(sys.stdout)


def line(text: str = "") -> None:
    """Write one line of text to stdout. Raises as `raw` does."""
    write(text + "\n")


def write(text: str) -> None:
    """Write text to stdout; its lone surrogates become the bytes they were. Raises as `raw`."""
    raw(text.encode("utf-8", "surrogateescape"))


def raw(data: bytes | bytearray) -> None:
    """Write bytes to stdout; report once that no more can be written, see `lost`.

    Raises:
        Exit: the reader of stdout has closed it.
    """
    try:
        sys.stdout.buffer.write(data)
    except OSError as err:
        _gone(err)


def flush() -> None:
    """Flush stdout, so that everything written is seen now. Raises as `raw` does."""
    try:
        sys.stdout.flush()
    except OSError as err:
        _gone(err)


def cannot_flush() -> int:
    """Flush stdout; return the exit code for output that could not be written, else 0."""
    try:
        flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    return lost()


_LOST: Final[list[OSError]] = []
"""Why standard output could not be written."""


def lost(*, excused: bool = False) -> int:
    """Return the exit code for output that could not be written: 0 when all was.

    Excused, as where the exit code says how a job ended, it will be 0 from here on.
    """
    if excused:
        _LOST.clear()
    return ExitCode.INFRASTRUCTURE if _LOST else 0


def _gone(err: OSError) -> None:
    """Send further output nowhere, after a failed write, and report the failure once.

    Otherwise Python would complain when it ends.

    Raises:
        Exit: the reader of stdout has closed it.
    """
    nobody = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, sys.stdout.fileno())
    os.close(nobody)
    if isinstance(err, BrokenPipeError):
        raise click.exceptions.Exit(ExitCode.READER_GONE) from None
    if not _LOST:
        error(f"cannot write to standard output: {err.strerror}")
    _LOST.append(err)


def json_value(value: Any) -> None:
    """Write one value as indented JSON."""
    line(json.dumps(value, ensure_ascii=False, indent=2))


def json_lines(values: Iterable[Any]) -> None:
    """Write each value as JSON on a line of its own."""
    for value in values:
        line(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def json_document(value: Any, form: Format) -> None:
    """Write one value as JSON: indented, or in one line for `jsonl`."""
    json_lines([value]) if form == "jsonl" else json_value(value)


def json_object(known: Mapping[str, Any], name: str, values: Iterable[Any]) -> None:
    """Write a JSON object: `known`, and a list `name`, of which not all is held in memory."""
    text = json.dumps(known, ensure_ascii=False, indent=2).removesuffix("\n}")
    write(f"{text},\n  {json.dumps(name)}: ")
    json_list(values)
    line("}")


def json_list(values: Iterable[Any]) -> None:
    """Write a JSON array, an element on each line, without holding all in memory."""
    array = JsonArray()
    for value in values:
        array.add(value)
    array.close()


class JsonArray:
    """A JSON array that is written as it grows."""

    def __init__(self) -> None:
        self._empty = True

    def add(self, value: Any) -> None:
        """Write one more element, on a line of its own."""
        write(f"{'[' if self._empty else ','}\n  {json.dumps(value, ensure_ascii=False)}")
        self._empty = False

    def close(self) -> None:
        """Write the end of the array."""
        line("[]" if self._empty else "\n]")


def table(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Write a table; rows beyond the first MEASURED are written as they come."""
    source = iter(rows)
    first = [_safe(row) for row in itertools.islice(source, MEASURED)]
    after = next(source, None)
    rest = () if after is None else map(_safe, itertools.chain((after,), source))
    widths = [
        max(width(text) for text in (column.title, *(row[at].text for row in first)))
        for at, column in enumerate(columns)
    ]
    room = shutil.get_terminal_size().columns if to_person() else None
    kept = list(range(len(columns))) if room is None else _kept(columns, widths, room)
    left_out = [column.title for at, column in enumerate(columns) if at not in kept]
    columns, widths = [columns[at] for at in kept], [widths[at] for at in kept]
    picked = ([row[at] for at in kept] for row in itertools.chain(first, rest))
    if room is not None and after is None and _needed(widths, DRAWN_GAP) + 1 <= room:
        _draw(columns, picked, room - _needed([*widths[:-1], 0], DRAWN_GAP) - 1)
    else:
        head = [Cell(column.title, "bold") for column in columns]
        for row in itertools.chain((head,), picked):
            line(_aligned(columns, widths, row, room))
    if left_out:
        flush()
        hint(
            f"this terminal is too narrow for the columns {', '.join(left_out)}; pipe the output "
            f"(| cat) or use --format json to see them"
        )


def _kept(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """Return the positions of the columns to show; without room, spare ones are left out."""
    kept = list(range(len(columns)))
    for _, at in sorted((column.spare, at) for at, column in enumerate(columns) if column.spare):
        if _needed([widths[i] for i in kept], GAP) > room:
            kept.remove(at)
    return kept


def _needed(widths: Sequence[int], gap: int) -> int:
    """Return the width in columns that a row needs; the last cell may be cut."""
    return sum(widths[:-1]) + min(widths[-1], LAST) + gap * len(widths)


def _safe(row: Row) -> list[Cell]:
    return [
        Cell(visible(text).replace("\t", " "), colour)
        for text, colour in (cell if isinstance(cell, Cell) else Cell(cell) for cell in row)
    ]


def _aligned(
    columns: Sequence[Column], widths: Sequence[int], row: Sequence[Cell], room: int | None
) -> str:
    """Return a row as aligned text; its last cell is cut to the `room` that is left."""
    out, used = "", 0
    for column, cell, size in zip(columns, row, widths, strict=True):
        text, last = cell.text, column is columns[-1]
        if last and room is not None:
            text = _cut(text, room - used)
        gap = " " * (size - width(text))
        shown = painted(text, cell.colour, sys.stdout)
        out += gap + shown if column.right else shown + ("" if last else gap)
        out += "" if last else " " * GAP
        used += size + GAP
    return out.rstrip()


def _cut(text: str, room: int) -> str:
    """Cut a text to the width `room`; wide characters count as if all were of equal width."""
    if width(text) <= room:
        return text
    more = "..." if only_ascii() else "…"
    fits = room * len(text) // width(text) - len(more)
    return text[:fits] + more if fits >= 0 and room > 1 else ""


def _draw(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], last: int) -> None:
    """Draw a table with lines, the last cells cut to the width `last`; no text is markup."""
    from rich.box import ASCII, HEAVY_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=ASCII if only_ascii() else HEAVY_HEAD)
    for column in columns:
        side: Literal["left", "right"] = "right" if column.right else "left"
        drawn.add_column(Text(column.title), justify=side, no_wrap=True)
    for *cells, end in rows:
        shown = [*cells, Cell(_cut(end.text, last), end.colour)]
        drawn.add_row(*(Text(cell.text, style=cell.colour) for cell in shown))
    flush()
    system: Literal["standard"] | None = "standard" if has_colour(sys.stdout) else None
    Console(color_system=system, highlight=False).print(drawn)

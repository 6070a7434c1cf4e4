"""A text to read, line by line, longer than the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio_tui.grid import Column, Grid
from batchio_tui.paint import width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio_tui.paint import Line, Piece


class Page(Grid):
    """Lines of text with a cursor."""

    COLUMNS = (Column("", 10, flexible=True),)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: list[Piece] = []
        """Text and style of each line."""

    @property
    def count(self) -> int:
        """Number of lines."""
        return len(self.lines)

    @property
    def page(self) -> int:
        """Number of lines on the screen: there is no line of titles."""
        return max(self.size.height, 1)

    def paint(self, width: int, height: int) -> list[Line]:
        """Return the lines on the screen."""
        return super().paint(width, height + 1)[1:]

    def cells(self, first: int, last: int) -> list[Sequence[Piece]]:
        """Return lines, each as the one cell of its row."""
        return [(line,) for line in self.lines[first:last]]


def parts(text: str, width: int) -> list[str]:
    """Return a text in parts of at most `width` columns."""
    if width_of(text) <= width:
        return [text]
    if text.isascii():
        return [text[at : at + width] for at in range(0, len(text), width)]
    found, left = [], text
    while left:
        sizes = range(min(width, len(left)), 0, -1)
        size = next((size for size in sizes if width_of(left[:size]) <= width), 1)
        found.append(left[:size])
        left = left[size:]
    return found


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Return a text in lines of at most `width` columns, broken at blanks where there are any."""
    lines, line = [], ""
    long = max(width - width_of(indent), 1)
    for word in (part for whole in text.split(" ") for part in parts(whole, long)):
        if line and width_of(line) + 1 + width_of(word) > width:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]

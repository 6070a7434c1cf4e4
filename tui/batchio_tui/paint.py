"""Painting lines of text: styles by name, cells that are cut with a sign, only what changed.

All that the dashboard shows is lines of pieces, each a text with the names of its styles. So
one place decides about colours, about terminals without UTF-8, and about which lines are drawn
again.
"""

from __future__ import annotations

import codecs
import locale
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.events import Resize

    Piece = tuple[str, str]
    """A text, and the names of its styles with blanks between."""
    Line = Sequence[Piece]

DARK: Final = {
    "good": "#7fb77e",
    "bad": "#e8746a",
    "busy": "#6fb3d2",
    "wait": "#d8b56a",
    "dim": "#7d8794",
    "faint": "#4a525d",
    "head": "#9aa5b1 bold",
    "key": "#d8b56a bold",
    "strong": "bold",
    "cursor": "on #2b3440",
    "away": "on #1d232b",
    "alert": "#14181d on #e8746a bold",
    "past": "#14181d on #d8b56a bold",
    "tab": "#14181d on #6fb3d2 bold",
    "found": "#14181d on #d8b56a",
}
LIGHT: Final = {
    "good": "#2f7d32",
    "bad": "#b3261e",
    "busy": "#0b6a94",
    "wait": "#8a5a00",
    "dim": "#5c6670",
    "faint": "#a3abb3",
    "head": "#4a545e bold",
    "key": "#8a5a00 bold",
    "strong": "bold",
    "cursor": "on #d7e3ee",
    "away": "on #ebeff3",
    "alert": "#ffffff on #b3261e bold",
    "past": "#ffffff on #8a5a00 bold",
    "tab": "#ffffff on #0b6a94 bold",
    "found": "#ffffff on #8a5a00",
}

PLAIN: Final = {
    **dict.fromkeys("✗×", "x"),
    **{"✓": "+", "▶": ">", "…": "~", "·": ".", "○": "o", "●": "*", "◌": "o", "‖": "=", "↻": "@"},
    **{"█": "#", "▓": "=", "░": "-", "▏": "|", "│": "|", "┃": "#", "─": "-", "▁": "_", "›": ">"},
    **dict.fromkeys("▂▃", "."),
    **dict.fromkeys("▄▅", "-"),
    **dict.fromkeys("▆▇", "="),
    **{"–": "-", "→": ">", "←": "<", "↑": "^", "↓": "v", "▲": "^", "▼": "v", "◆": "*"},
}
"""What stands for our signs where the terminal has no UTF-8."""


def has_utf8() -> bool:
    """Return whether the terminal's locale is a UTF-8 one."""
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    if next(filter(None, named), "") in ("C", "POSIX"):
        return False
    return codecs.lookup(locale.getpreferredencoding(do_setlocale=False)).name == "utf-8"


def in_ascii(text: str) -> str:
    """Return the text with ASCII alone, as wide as before: our signs by others, the rest by ?."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else PLAIN.get(c) or "?" * cell_len(c) for c in text)


def width_of(text: str) -> int:
    """Return how many columns the text takes."""
    return len(text) if text.isascii() else cell_len(text)


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """Return the text with exactly so many columns: padded, or cut with a sign at its end."""
    size = width_of(text)
    if size > width:
        return "" if width <= 0 else set_cell_size(text, width - 1) + "…"
    return " " * (width - size) + text if right else text + " " * (width - size)


@lru_cache(maxsize=512)
def _style(names: str, dark: bool) -> Style:
    table = DARK if dark else LIGHT
    return Style.combine([Style.null(), *(Style.parse(table[name]) for name in names.split())])


def pieces_wide(line: Line) -> int:
    """Return how many columns a line takes."""
    return sum(width_of(text) for text, _ in line)


def cut(line: Iterable[Piece], width: int) -> list[Piece]:
    """Return the line with at most so many columns; a sign ends what was cut."""
    out: list[Piece] = []
    left = width
    for text, names in line:
        size = width_of(text)
        if size > left:
            out.append((fitted(text, left), names))
            return out
        left -= size
        out.append((text, names))
    return out


def spread(left: Line, right: Line, width: int) -> Line:
    """Return a line with one part at each end; where both have no room, the left one is cut."""
    gap = width - pieces_wide(left) - pieces_wide(right)
    if gap >= 1 or not right:
        return [*left, (" " * max(gap, 0), ""), *right]
    room = width - pieces_wide(right) - 1
    return [*cut(left, room), (" ", ""), *right] if room > width // 2 else cut(left, width)


class Painted(Widget):
    """A widget that draws lines; `repaint` draws those again that differ from what is seen."""

    DEFAULT_CSS = "Painted { width: 1fr; height: 1fr; }"

    ascii = False
    """Whether signs are ASCII: set once by the application."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._seen: list[Line] = []
        self._unseen = True
        """Whether what is to be drawn was not made yet."""

    def paint(self, width: int, height: int) -> list[Line]:
        """Return the lines to draw, at most `height`, none wider than `width` columns."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Draw again the lines that have changed."""
        if not self.is_attached or not self.size:
            return
        before, self._seen = self._seen, self._made()
        if len(before) != len(self._seen):
            self.refresh()
            return
        width = self.size.width
        changed = [y for y, line in enumerate(self._seen) if line != before[y]]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def _made(self) -> list[Line]:
        width, height = self.size
        self._unseen = False
        lines = [tuple(cut(line, width)) for line in self.paint(width, height)[:height]]
        return [*lines, *[()] * (height - len(lines))]

    def on_resize(self, event: Resize) -> None:
        """Make all lines anew for another size."""
        self._unseen = True
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return line `y` as Textual draws it."""
        if self._unseen or len(self._seen) != self.size.height:
            self._seen = self._made()
        line = self._seen[y] if y < len(self._seen) else ()
        base, dark = self.rich_style, self.app.current_theme.dark
        shown = [
            Segment(in_ascii(text) if Painted.ascii else text, base + _style(names, dark))
            for text, names in line
        ]
        return Strip(shown).adjust_cell_length(self.size.width, base)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Return the columns it would like to have: all."""
        return container.width

"""A table of any number of rows of which only those on the screen are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from textual.geometry import Offset
from textual.message import Message

from batchio_tui.paint import fitted, width_of
from batchio_tui.view import View

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from textual import events

    from batchio_tui.paint import Line, Piece

GAP: Final = 2
"""Columns between two columns of the table."""


class Column(NamedTuple):
    """A column of a table."""

    title: str
    width: int
    """Columns of the screen; of a flexible one, the least."""
    right: bool = False
    flexible: bool = False
    """Whether it takes the room that is left."""
    spare: int = 0
    """Where room is short, the column with the highest number goes first; 0: never."""
    sort: str = ""
    """What to sort by for it; ""; it cannot be sorted by."""


class Grid(View, can_focus=True):
    """A table with a cursor that keeps its row's key when rows come, go and change places."""

    COLUMNS: Sequence[Column] = ()
    EMPTY: str = "nothing here"

    class Opened(Message):
        """The row under the cursor was chosen."""

        def __init__(self, grid: Grid) -> None:
            super().__init__()
            self.grid = grid

        @property
        def control(self) -> Grid:
            """The table."""
            return self.grid

    class Sorted(Message):
        """A column's title was clicked."""

        def __init__(self, grid: Grid, column: str) -> None:
            super().__init__()
            self.grid = grid
            self.column = column

        @property
        def control(self) -> Grid:
            """The table."""
            return self.grid

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor = 0
        """Number of the row under the cursor."""
        self.top = 0
        """Number of the first row on the screen."""
        self.marked: dict[Hashable, None] = {}
        """Keys of the rows that were marked, in that order."""
        self.order: tuple[str, bool] = ("", False)
        """The column that the table is sorted by, and whether backwards."""
        self._held: Hashable = None
        """Key of the row under the cursor."""

    # --- what a table of its kind says --------------------------------------------

    @property
    def count(self) -> int:
        """Number of rows."""
        raise NotImplementedError

    def cells(self, first: int, last: int) -> list[Sequence[Piece]]:
        """Return the cells of the rows from `first` until before `last`."""
        raise NotImplementedError

    def key(self, row: int) -> Hashable:
        """Return what the row is about, wherever it stands."""
        return row

    def find(self, key: Hashable) -> int | None:
        """Return the row that is about `key`; None: there is none now."""
        return key if isinstance(key, int) and key < self.count else None

    # --- the cursor ---------------------------------------------------------------

    @property
    def current(self) -> Hashable:
        """Key of the row under the cursor; None without rows."""
        return self.key(self.cursor) if self.cursor < self.count else None

    def settle(self) -> None:
        """Put the cursor where its row is now, and draw what has changed."""
        if self._held is not None and (row := self.find(self._held)) is not None:
            self.top += row - self.cursor
            self.cursor = row
        self.cursor = max(min(self.cursor, self.count - 1), 0)
        if self._held is None and self.cursor:
            self._held = self.current
        self._scroll()
        self.repaint()

    def move(self, row: int) -> None:
        """Put the cursor on a row: the nearest that there is."""
        self.cursor = max(min(row, self.count - 1), 0)
        self._held = self.current if self.cursor else None  # at the top one stays at the top
        self._scroll()
        self.repaint()
        self.place_cursor()

    def hold(self, key: Hashable) -> None:
        """Put the cursor on the row that is about `key`, as soon as there is one."""
        self._held = key
        self.settle()
        self.place_cursor()

    @property
    def page(self) -> int:
        """Number of rows on the screen."""
        return max(self.size.height - 1, 1)

    def _scroll(self) -> None:
        self.top = max(min(self.top, self.cursor), self.cursor - self.page + 1, 0)
        self.top = max(min(self.top, self.count - self.page), 0)

    def place_cursor(self) -> None:
        """Put the terminal's own cursor on the row, for braille displays and magnifiers."""
        if self.has_focus and self.is_attached:
            line = min(self.cursor - self.top + 1, max(self.size.height - 1, 0))
            self.app.cursor_position = self.content_region.offset + Offset(0, line)

    # --- drawing ------------------------------------------------------------------

    def columns(self, width: int) -> list[tuple[int, Column, int]]:
        """Return number, column and width of the columns that have room."""
        shown = list(enumerate(self.COLUMNS))
        while sum(c.width + GAP for _, c in shown) - GAP > width - 2:
            spare = max(shown, key=lambda one: one[1].spare)
            if not spare[1].spare:
                break
            shown.remove(spare)
        left = width - 2 - sum(c.width + GAP for _, c in shown) + GAP
        return [
            (at, column, max(column.width + (left if column.flexible else 0), 1))
            for at, column in shown
        ]

    def paint(self, width: int, height: int) -> list[Line]:
        """Return the line of titles and the rows on the screen."""
        shown = self.columns(width)
        last = min(self.top + height - 1, self.count)
        rows = self.cells(self.top, last)
        lines: list[Line] = [self._titles(shown)]
        for at, cells in enumerate(rows, self.top):
            lines.append(self._row(at, cells, shown))
        if not rows:
            lines += [[("  " + self.EMPTY, "dim")]]
        return [self._barred(line, y, width, height) for y, line in enumerate(lines)]

    def _titles(self, shown: list[tuple[int, Column, int]]) -> Line:
        sort, backwards = self.order
        line: list[Piece] = [(" ", "")]
        for _, column, width in shown:
            title = column.title
            if sort and column.sort == sort:
                title += "▼" if backwards else "▲"
            line += [(fitted(title, width, right=column.right), "head"), (" " * GAP, "")]
        return line[:-1]

    def _row(self, at: int, cells: Sequence[Piece], shown: list[tuple[int, Column, int]]) -> Line:
        here = at == self.cursor
        over = ("cursor" if self.has_focus else "away") if here else ""
        mark = "*" if self.marked and self.key(at) in self.marked else "›" if here else " "
        line: list[Piece] = [(mark, f"key {over}")]
        for number, column, width in shown:
            text, names = cells[number]
            line.append((fitted(text, width, right=column.right), f"{names} {over}"))
            line.append((" " * GAP, over))
        return line

    def _barred(self, line: Line, y: int, width: int, height: int) -> Line:
        """Return a line that fills the width, with its part of the scroll bar at its end."""
        over = "cursor" if self.has_focus else "away"
        here = bool(y) and y + self.top - 1 == self.cursor and self.count > 0
        filled, left = [], width - 1
        for text, names in line:
            piece = text if width_of(text) <= left else fitted(text, left)
            filled.append((piece, names))
            left -= width_of(piece)
        filled.append((" " * max(left, 0), over if here else ""))
        filled.append((self._bar(y, height), "faint"))
        return filled

    def _bar(self, y: int, height: int) -> str:
        if self.count <= self.page or not y:
            return " "
        room = height - 1
        size = max(room * self.page // self.count, 1)
        begin = (room - size) * self.top // max(self.count - self.page, 1)
        return "┃" if begin <= y - 1 < begin + size else " "

    # --- keys and mouse -----------------------------------------------------------

    def action_go(self, how: str) -> None:
        """Move the cursor: up, down, page_up, page_down, home or end."""
        steps = {"up": -1, "down": 1, "page_up": -self.page, "page_down": self.page}
        ends = {"home": 0, "end": self.count - 1}
        self.move(ends[how] if how in ends else self.cursor + steps[how])

    def action_open(self) -> None:
        """Open what the row is about."""
        if self.count:
            self.post_message(self.Opened(self))

    def action_mark(self) -> None:
        """Mark the row, or take the mark away, and go on to the next."""
        key = self.current
        if key is None:
            return
        if key in self.marked:
            del self.marked[key]
        else:
            self.marked[key] = None
        self.move(self.cursor + 1)

    def on_click(self, event: events.Click) -> None:
        """Move to the row that was clicked; a second click opens it."""
        if event.y == 0:
            self._sort_at(event.x)
            return
        row = self.top + event.y - 1
        if row >= self.count:
            return
        again = row == self.cursor and event.chain > 1
        self.move(row)
        if again:
            self.action_open()

    def _sort_at(self, x: int) -> None:
        at = 1
        for _, column, width in self.columns(self.size.width):
            if at <= x < at + width + GAP and column.sort:
                self.post_message(self.Sorted(self, column.sort))
            at += width + GAP

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move three rows down."""
        event.stop()
        self.move(self.cursor + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move three rows up."""
        event.stop()
        self.move(self.cursor - 3)

    def on_focus(self) -> None:
        """Show the cursor as the one that keys move."""
        self.repaint()
        self.place_cursor()

    def on_blur(self) -> None:
        """Show the cursor as one that waits."""
        self.repaint()

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor on the screen."""
        self._scroll()
        super().on_resize(event)
        self.call_after_refresh(self.place_cursor)

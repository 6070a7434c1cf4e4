"""What tasks printed: it follows while one is at the end, and stays where one is otherwise."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from batchio.errors import BatchioError, HeadGone
from batchio_tui import words
from batchio_tui.beside import beside
from batchio_tui.grid import Column, Grid
from batchio_tui.page import parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.api import Change, Job, Live, LogLine, LogPages
    from batchio_tui.paint import Line, Piece

TAIL: Final = 5000
"""Lines that are read of the past at first; what was printed before is read when one goes there."""
PAGE: Final = 200
"""Lines that are read at once, of those by number."""
MOST_PAGES: Final = 50
"""Pages that are kept."""
PAGES_S: Final = 0.5
"""Seconds between two looks for new lines, by number."""
MOST: Final = 200_000
"""Lines that are kept."""
MOST_SHOWN: Final = 4000
"""Characters of a line that are looked at to show it."""
SHIFT: Final = 16
"""Columns by which the lines move to the left or right."""
EVERY_S: Final = 0.1
"""Seconds between two looks at whether lines have come."""


class Logs(Grid):
    """Lines of all tasks, or of some."""

    COLUMNS = (
        Column("Task", 7, right=True),
        Column("When", 8, spare=1),
        Column("Line", 20, flexible=True),
    )
    EMPTY = "nothing was printed yet"

    def __init__(self, job: Job) -> None:
        super().__init__(id="logs")
        self._job = job
        self.lines: list[LogLine] = []
        """Lines that have been drawn."""
        self._come: deque[LogLine] = deque(maxlen=MOST)
        """Lines that will be drawn at the next look."""
        self.tasks: str | None = None
        """Ids of the tasks whose lines are shown; None: all."""
        self.node: int | None = None
        """Number of the node whose lines are shown; None: all."""
        self.sought = ""
        """What was searched for."""
        self.wrap = False
        self.shift = 0
        """Columns that are left out at the beginning of each line."""
        self._opened = False
        self._pages: LogPages | None = None
        """All lines by number, however many; None while the last ones are enough."""
        self._numbered = 0
        """Number of lines in `_pages` that have been counted here."""
        self._kept: dict[int, list[LogLine]] = {}
        """By page: its lines, as they were when it was read."""
        self._fresh: set[int] = set()
        """Pages that have not changed since, or are being read."""
        self._indexing = False
        self._share = 1.0
        """How much of all lines was read, to have them by number."""

    @property
    def count(self) -> int:
        """Number of lines that have been drawn."""
        return len(self.lines) if self._pages is None else self._numbered

    @property
    def line(self) -> LogLine | None:
        """The line under the cursor."""
        return self._at(self.cursor) if self.cursor < self.count else None

    @property
    def at_end(self) -> bool:
        """Whether new lines are followed."""
        return self.cursor >= self.count - 1

    @property
    def about(self) -> str:
        """How many lines are below, what was searched for, and whose lines are shown."""
        whose = f"task {self.tasks}" if self.tasks else "" if self.node is None else "one node"
        new = self.count - 1 - self.cursor
        follows = "follows" if new <= 0 else f"{words.number(new)} below"
        sought = f"/{self.sought}" if self.sought else ""
        reading = f"{self._share:.0%} of what was before" if self._share < 1 else ""
        follows = follows if self.count else ""  # first: where room is short, the rest is cut
        return "  ".join(filter(None, (follows, reading, sought, whose)))

    def on_mount(self) -> None:
        """Draw new lines as they come."""
        self.set_interval(EVERY_S, self._look)

    def follow(self, live: Live) -> None:
        """Show the logs of this job, when they are looked at."""
        super().follow(live)
        if self._opened:
            self.open(self.tasks, self.node)

    def open(self, tasks: str | None, node: int | None = None) -> None:
        """Show what these tasks, or this node, printed; None: all."""
        self.tasks, self.node, self._opened = tasks, node, True
        self.lines, self.shift = [], 0
        self._come.clear()
        self._pages, self._numbered, self._share, self._indexing = None, 0, 1.0, False
        self._forget()
        self.workers.cancel_group(self, "pages")
        self.move(0)
        self.post_message(self.Renewed())
        beside(self, "logs", self._read, exclusive=True)

    def renew(self, change: Change | None) -> None:
        """Begin to read when it is first seen."""
        if self.display and not self._opened:
            self.open(None)

    async def _read(self) -> None:
        try:
            async for line in self._job.logs(task=self.tasks, tail=TAIL, follow=True):
                if self.node is None or line.node == self.node:
                    self._come.append(line)
        except HeadGone:
            pass  # the lines above say so
        except (BatchioError, OSError) as err:
            self.notify(words.plain(str(err)), severity="error", markup=False)

    def _look(self) -> None:
        if self.display and self._come:
            following = self.at_end
            self.lines += self._come
            self._come.clear()
            spare = max(self.count - MOST, 0)
            del self.lines[:spare]
            self.top -= spare
            self.move(self.count - 1 if following else self.cursor - spare)
            self.post_message(self.Renewed())

    # --- what was before ----------------------------------------------------------

    def move(self, row: int) -> None:
        """Put the cursor on a line; near the first one, begin to read what was before."""
        super().move(row)
        if self.cursor < self.page and self.count >= TAIL and not self._indexing:
            self._indexing = True
            beside(self, "pages", self._number)

    async def _number(self) -> None:
        """Have all lines by number, and follow them so."""
        try:
            which = self._job.log_pages(task=self.tasks, node=self.node, at_once=True)
            async with which as pages:
                while (share := await pages.read()) < 1:
                    self._share = share
                    self.post_message(self.Renewed())
                self._share = 1.0
                await self._take(pages)
                while True:
                    await asyncio.sleep(PAGES_S)
                    if self.display and await pages.read() >= 1 and len(pages) != self._numbered:
                        self._grow(len(pages))
        except (BatchioError, OSError) as err:
            self.notify(words.plain(str(err)), severity="error", markup=False)

    async def _take(self, pages: LogPages) -> None:
        """Show lines by number from here on; the cursor stays on its line."""
        line, cursor, row = self.line, self.cursor, max(len(pages) - self.count + self.cursor, 0)
        first = max(row - TAIL, 0)  # lines that have come meanwhile are behind it
        for at, other in enumerate(await pages.page(first, row - first + 1), first):
            row = at if other == line else row
        row += self.cursor - cursor  # somebody went on meanwhile
        below, following = self.cursor - self.top, self.at_end
        self.workers.cancel_group(self, "logs")
        self._pages, self._numbered, self.lines = pages, len(pages), []
        self._come.clear()
        self.top = row - below
        self.move(self.count - 1 if following else row)
        self.post_message(self.Renewed())

    def _grow(self, count: int) -> None:
        following = self.at_end
        self._numbered = count
        self._fresh.clear()
        self.move(self.count - 1 if following else self.cursor)
        self.post_message(self.Renewed())

    def _forget(self) -> None:
        self._kept.clear()
        self._fresh.clear()

    def _at(self, row: int) -> LogLine | None:
        """Return a line; None: it is being read."""
        if self._pages is None:
            return self.lines[row]
        page, at = divmod(row, PAGE)
        if page not in self._fresh:
            self._fresh.add(page)
            beside(self, "page", partial(self._load, self._pages, page))
        known = self._kept.get(page, [])
        return known[at] if at < len(known) else None

    async def _load(self, pages: LogPages, page: int) -> None:
        found = await pages.page(page * PAGE, PAGE)
        if pages is self._pages:
            self._kept[page] = found
            while len(self._kept) > MOST_PAGES:
                self._fresh.discard(oldest := next(iter(self._kept)))
                del self._kept[oldest]
            self.repaint()

    # --- searching ----------------------------------------------------------------

    async def search(self, text: str, *, back: bool = False) -> bool:
        """Move to the next line with a text, or the one before; return whether there is one."""
        self.sought, wanted = text, text.casefold()
        if (pages := self._pages) is not None:
            row = await pages.find(text, self.cursor, back=back)
            if row is not None and pages is self._pages:
                self.move(row)
            self.repaint()
            return row is not None
        rows = range(self.cursor - 1, -1, -1) if back else range(self.cursor + 1, self.count)
        for row in rows:
            if wanted in self.lines[row].text.casefold():
                self.move(row)
                return True
        self.repaint()
        return False

    # --- drawing ------------------------------------------------------------------

    def cells(self, first: int, last: int) -> list[Sequence[Piece]]:
        """Return the cells of lines."""
        return [self._cells(self._at(row)) for row in range(first, last)]

    def _cells(self, line: LogLine | None) -> Sequence[Piece]:
        if line is None:
            return ("", ""), ("", ""), ("…", "dim")
        shown = words.plain(line.text[self.shift : self.shift + MOST_SHOWN])
        hit = bool(self.sought) and self.sought.casefold() in line.text.casefold()
        style = "found" if hit else "bad" if line.stream == "stderr" else ""
        return (str(line.task), "dim"), (words.clock(line.time)[-8:], "faint"), (shown, style)

    def paint(self, width: int, height: int) -> list[Line]:
        """Return the lines; long ones in several where they are wrapped."""
        lines = super().paint(width, height)
        if not self.wrap or not self.count:
            return lines
        column = self.columns(width)[-1][2]
        while True:
            found, seen = self._wrapped(lines[0], width, height, column)
            if self.cursor < self.top + seen:
                return found
            self.top += 1

    def _wrapped(
        self, titles: Line, width: int, height: int, column: int
    ) -> tuple[list[Line], int]:
        """Return the lines on the screen, and how many of the log are whole among them."""
        shown, out = self.columns(width), [titles]
        seen = 0
        for row in range(self.top, self.count):
            cells = self.cells(row, row + 1)[0]
            shares = parts(cells[-1][0], column)
            if len(out) + len(shares) > height and seen:
                break
            for at, part in enumerate(shares):
                cell = (part, cells[-1][1])
                first = cells[:-1] if not at else (("", ""), ("", ""))
                line = self._row(row, (*first, cell), shown)
                out.append(self._barred(line, len(out), width, height))
            seen += 1
        return out[:height], seen

"""What happened, event by event, in sentences: the journal of the job."""

from __future__ import annotations

import time
from bisect import bisect_left
from functools import partial
from typing import TYPE_CHECKING, Final

from batchio.core.select import Filter
from batchio.errors import BatchioError
from batchio_tui import words
from batchio_tui.beside import beside
from batchio_tui.grid import Column, Grid

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from batchio.api import Change, Live
    from batchio_tui.paint import Piece

    Told = tuple[int, float, str]
    """Number of an event, Unix seconds, what happened."""

PAGE: Final = 200
"""Events that are read at once."""
MOST_PAGES: Final = 20
"""Pages that are kept."""
SCANNED: Final = 500
"""Events that a filter looks at without a pause: some 8 ms."""
MOST_FOUND: Final = 20_000
"""Events that a filter finds at most: the newest ones."""
AGAIN: Final = 10.0
"""A filter looks again after so many times what its last look took: other tasks may fit by then."""
BAD: Final = ("exit code 1", "lost:", "broke:", "SIG", "given up", "could not", "damaged")
"""Words of sentences that somebody should see."""


class Events(Grid):
    """All events, or those about the tasks of a filter; the newest is the last.

    It stays in sight while the cursor is on it.
    """

    COLUMNS = (
        Column("Event", 8, right=True, spare=1),
        Column("When", 8, right=True),
        Column("What happened", 20, flexible=True),
    )

    EMPTY = "nothing happened yet"

    def __init__(self) -> None:
        super().__init__(id="events")
        self._pages: dict[int, list[Told]] = {}
        self._loading: set[int] = set()
        self._known = 0
        """Number of the newest event."""
        self.filter = ""
        """What was typed to choose events; "" chooses all."""
        self._where = Filter()
        self._found: list[Told] = []
        """The events that the filter found, oldest first."""
        self._scanned = (0, 0)
        """Numbers of the oldest and the newest event that the filter has looked at."""
        self._scanning = False
        self._tasks: frozenset[int] = frozenset()
        """Positions of the tasks that fitted when it began to look."""
        self._again_at = 0.0

    @property
    def about(self) -> str:
        """The filter, how many events it found, and how far it has looked."""
        if not self.filter:
            return ""
        oldest, newest = self._scanned
        looked = "" if oldest <= 1 else f", {(newest - oldest) / max(newest, 1):.0%} read"
        return f"{self.filter}: {words.counted(self.count, 'event')}{looked}"

    def follow(self, live: Live) -> None:
        """Show the events of this job from its newest one on."""
        self._pages.clear()
        super().follow(live)
        self._begin()
        self.move(self.count - 1)

    def renew(self, change: Change | None) -> None:
        """Show new events; from the last one the cursor goes on to them."""
        at_end, before = self.cursor >= self.count - 1, self._known
        self._known = self.live.position if self.live is not None else 0
        if self._known > before:
            self._pages.pop(before // PAGE, None)
        elif self._known < before:  # another moment
            self._begin()
        self._scan()
        self._go_on(at_end=at_end)

    def _go_on(self, *, at_end: bool) -> None:
        """Stay at the end, or where the cursor is."""
        if at_end:
            self.move(self.count - 1)
        else:
            self.settle()

    @property
    def count(self) -> int:
        """Number of events."""
        return len(self._found) if self.filter else self._known

    def key(self, row: int) -> Hashable:
        """Return the event's number."""
        return self._found[row][0] if self.filter else row + 1

    def find(self, key: Hashable) -> int | None:
        """Return the row of the event of this number."""
        if not isinstance(key, int):
            return None
        if not self.filter:
            return key - 1 if key <= self._known else None
        row = bisect_left(self._found, key, key=lambda told: told[0])
        return row if row < self.count and self._found[row][0] == key else None

    # --- filtering ----------------------------------------------------------------

    def choose(self, text: str) -> None:
        """Show the events about the tasks that fit a filter, and those whose sentences have it.

        Raises:
            UsageError: the filter makes no sense; what was shown stays.
        """
        self._where = Filter.parse(text)
        self.filter = text
        self.EMPTY = "no event fits the filter" if text else Events.EMPTY
        self._begin()
        if self.display:
            self._scan()
        self.move(self.count - 1)

    def _begin(self) -> None:
        """Forget what the filter found: it looks again, from the newest event back."""
        self._known = self.live.position if self.live is not None else 0
        self._found, self._scanned, self._again_at = [], (self._known + 1, self._known), 0.0

    def _scan(self) -> None:
        if self.filter and not self._scanning and self.live is not None:
            self._scanning = True
            beside(self, "scan", partial(self._look, self.live))

    async def _look(self, live: Live) -> None:
        """Look at the events that the filter has not seen: new ones, then older and older ones."""
        asked, began = self.filter, time.monotonic()
        try:
            if began >= self._again_at:
                tasks = frozenset(live.select(self._where))
                if tasks != self._tasks:
                    self._tasks = tasks
                    self._begin()
            said = ("node", "words", "standing")
            terms = (term for term in self._where.terms if term.kind in said)
            named = [str(term.value).replace("_", " ") for term in terms if not term.negated]
            while self.filter == asked:
                oldest, newest = self._scanned
                new = newest < self._known
                first = newest + 1 if new else max(oldest - SCANNED, 1)
                count = min(SCANNED, self._known - newest if new else oldest - first)
                if not count or (not new and self.count >= MOST_FOUND):
                    break
                told = await live.told(first, count, self._tasks, named)
                if (self.filter, self._scanned) != (asked, (oldest, newest)):
                    continue  # another filter, or another moment
                at_end = self.cursor >= self.count - 1
                self._found = self._found + told if new else told + self._found
                self._scanned = (oldest, newest + count) if new else (first, newest)
                self._go_on(at_end=at_end)
                self.post_message(self.Renewed())
            self._again_at = time.monotonic() + AGAIN * (time.monotonic() - began)
        except BatchioError as err:
            self.notify(words.plain(str(err)), severity="error", markup=False)
        finally:
            self._scanning = False
        if self.filter != asked:
            self._scan()

    # --- drawing ------------------------------------------------------------------

    def cells(self, first: int, last: int) -> list[Sequence[Piece]]:
        """Return the cells of events; those that are not read yet are on their way."""
        if self.filter:
            return list(map(_cells, self._found[first:last]))
        return [self._cells(row) for row in range(first, last)]

    def _cells(self, row: int) -> Sequence[Piece]:
        page, at = divmod(row, PAGE)
        known = self._pages.get(page)
        if known is None or at >= len(known):
            self._load(page)
            return ((words.number(row + 1), "dim"), ("", ""), ("…", "dim"))
        return _cells(known[at])

    def _load(self, page: int) -> None:
        if page not in self._loading and self.live is not None:
            self._loading.add(page)
            beside(self, "events", partial(self._read, self.live, page))

    async def _read(self, live: Live, page: int) -> None:
        try:
            self._pages[page] = await live.told(page * PAGE + 1, PAGE)
        except BatchioError as err:
            self._pages[page] = [(page * PAGE + 1 + at, 0.0, str(err)) for at in range(PAGE)]
        finally:
            self._loading.discard(page)
        while len(self._pages) > MOST_PAGES:
            del self._pages[next(iter(self._pages))]
        self.repaint()


def _cells(told: Told) -> Sequence[Piece]:
    """Return the cells of one event."""
    number, when, text = told
    style = "bad" if any(word in text for word in BAD) else ""
    return (
        (words.number(number), "dim"),
        (words.clock(when)[-8:], "dim"),
        (words.plain(text), style),
    )

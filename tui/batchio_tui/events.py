"""What happened, event by event, in sentences: the journal of the job."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from batchio.errors import BatchioError
from batchio_tui import words
from batchio_tui.beside import beside
from batchio_tui.grid import Column, Grid

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from batchio.api import Change, Live
    from batchio_tui.paint import Piece

PAGE: Final = 200
"""Events that are read at once."""
MOST_PAGES: Final = 20
"""Pages that are kept."""


class Events(Grid):
    """All events; the newest is the last, and stays in sight while the cursor is on it."""

    COLUMNS = (
        Column("Event", 8, right=True, spare=1),
        Column("When", 8, right=True),
        Column("What happened", 20, flexible=True),
    )
    EMPTY = "nothing happened yet"

    def __init__(self) -> None:
        super().__init__(id="events")
        self._pages: dict[int, list[tuple[int, float, str]]] = {}
        self._loading: set[int] = set()

    def follow(self, live: Live) -> None:
        """Show the events of this job from its newest one on."""
        self._pages.clear()
        super().follow(live)
        self.move(self.count - 1)

    def renew(self, change: Change | None) -> None:
        """Show new events; from the last one the cursor goes on to them."""
        before = self._known
        self._known = self.live.position if self.live is not None else 0
        if self._known > before:
            self._pages.pop(before // PAGE, None)
        if self.cursor >= before - 1:
            self.move(self.count - 1)
        else:
            self.settle()

    _known = 0

    @property
    def count(self) -> int:
        """Number of events."""
        return self._known

    def key(self, row: int) -> Hashable:
        """Return the event's number, less one: events never change their place."""
        return row

    def cells(self, first: int, last: int) -> list[Sequence[Piece]]:
        """Return the cells of events; those that are not read yet are on their way."""
        return [self._cells(row) for row in range(first, last)]

    def _cells(self, row: int) -> Sequence[Piece]:
        page, at = divmod(row, PAGE)
        known = self._pages.get(page)
        if known is None or at >= len(known):
            self._load(page)
            return ((words.number(row + 1), "dim"), ("", ""), ("…", "dim"))
        number, when, text = known[at]
        style = "bad" if any(word in text for word in BAD) else ""
        return (
            (words.number(number), "dim"),
            (words.clock(when)[-8:], "dim"),
            (words.plain(text), style),
        )

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


BAD: Final = ("exit code 1", "lost:", "broke:", "SIG", "given up", "could not", "damaged")

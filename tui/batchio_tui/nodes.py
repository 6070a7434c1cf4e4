"""The nodes of a job: what they do, why they do not, and what they did over time."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from batchio.core.lanes import woven
from batchio.core.sizes import format_bytes
from batchio.errors import BatchioError
from batchio_tui import words
from batchio_tui.beside import beside
from batchio_tui.chart import spark
from batchio_tui.grid import Column, Grid

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from textual import events

    from batchio.api import Change, Live
    from batchio.core.lanes import Lane
    from batchio.core.rows import NodeRow
    from batchio_tui.paint import Piece

FAILED: Final = "×"
"""Stands in a lane where attempts failed."""

SORTS: Final[dict[str, Callable[[NodeRow], Any]]] = {
    "number": lambda row: row.number,
    "name": lambda row: row.name,
    "state": lambda row: row.state,
    "slots": lambda row: row.slots or 0,
    "running": lambda row: row.running,
    "ended": lambda row: row.ended,
    "load": lambda row: row.load or 0.0,
    "disk": lambda row: row.disk_free or 0,
}


FIGURES: Final[Sequence[Column]] = (
    Column("Node", 14, sort="name"),
    Column("State", 13, sort="state"),
    Column("Slots", 5, right=True, spare=4, sort="slots"),
    Column("Runs", 4, right=True, sort="running"),
    Column("Waits", 5, right=True, spare=5),
    Column("Ended", 7, right=True, sort="ended"),
    Column("Load", 5, right=True, spare=2, sort="load"),
    Column("Disk free", 9, right=True, spare=3, sort="disk"),
    Column("Note", 10, flexible=True),
)
LANES: Final[Sequence[Column]] = (
    Column("Node", 14, sort="name"),
    Column("State", 13, spare=2, sort="state"),
    Column("Runs", 4, right=True, spare=3, sort="running"),
    Column("Failed", 6, right=True, spare=1, sort="failed"),
    Column("Over time", 10, flexible=True, sort="busy"),
)
EVERY_S: Final = 3.0
"""Least seconds between two looks at all attempts."""


class Nodes(Grid):
    """All nodes, also those that left: in figures, or with what each did over time."""

    COLUMNS: Sequence[Column] = FIGURES
    EMPTY = "no node was asked for yet"

    def __init__(self) -> None:
        super().__init__(id="nodes")
        self.rows: list[NodeRow] = []
        self.order = ("number", False)
        self._lanes: dict[int, Lane] = {}
        """By node: what it did in equal parts of the job's time."""
        self._span = (0.0, 0.0)
        """Begin and end of that time, in Unix seconds."""
        self._weaving = False
        self._again = False
        """Whether lanes were wanted while others were made: for another width, another moment."""
        self._looked = 0.0

    def renew(self, change: Change | None) -> None:
        """Show the nodes as they are."""
        if self.live is not None:
            by, backwards = self.order
            self.rows = sorted(self.live.view.nodes, key=self._sorting(by), reverse=backwards)
        self.settle()
        if self.shows_lanes and (change is None or time.monotonic() > self._looked + EVERY_S):
            self._weave()

    def _sorting(self, by: str) -> Callable[[NodeRow], Any]:
        if by == "busy":
            return lambda row: self._busy(row)
        if by == "failed":
            return lambda row: self._failed(row)
        return SORTS[by]

    def sort(self, column: str, *, backwards: bool) -> None:
        """Sort by a column."""
        self.order = (column, backwards)
        self.renew(None)

    # --- lanes --------------------------------------------------------------------

    @property
    def shows_lanes(self) -> bool:
        """Whether what each did over time is shown."""
        return self.COLUMNS is LANES

    def turn(self) -> None:
        """Show lanes, the busiest node first; or figures again, in the order of the nodes."""
        self.COLUMNS = FIGURES if self.shows_lanes else LANES
        self.order = ("busy", True) if self.shows_lanes else ("number", False)
        self.renew(None)

    @property
    def sorts(self) -> Sequence[str]:
        """Columns that can be sorted by."""
        if not self.shows_lanes:
            return list(SORTS)
        return [column.sort for column in self.COLUMNS if column.sort]

    @property
    def about(self) -> str:
        """Which time the lanes show, and what their signs mean."""
        if not self.shows_lanes or not self._lanes:
            return ""
        begin, end = self._span
        return f"{words.lasted(end - begin)}, {FAILED} failed"

    def _weave(self) -> None:
        self._again = self._weaving
        if not self._weaving and self.live is not None:
            self._weaving, self._looked = True, time.monotonic()
            beside(self, "lanes", partial(self._look, self.live))

    async def _look(self, live: Live) -> None:
        """Look at all attempts, and let keys through on the way."""
        try:
            history, view = await live.history(), live.view
            begin = view.started or view.submitted
            end = max(view.finished or view.submitted + view.duration, begin + 1e-3)
            bins = max(self.columns(self.size.width)[-1][2], 1)
            weaving = woven(history, begin, end, bins)
            while True:
                try:
                    next(weaving)
                except StopIteration as done:
                    self._lanes, self._span = done.value.nodes, (begin, end)
                    break
                await asyncio.sleep(0)
        except BatchioError as err:
            self.notify(words.plain(str(err)), severity="error", markup=False)
            return
        finally:
            self._weaving = False
            if self._again:
                self._weave()
        by, backwards = self.order
        self.rows.sort(key=self._sorting(by), reverse=backwards)
        self.settle()
        self.post_message(self.Renewed())

    def on_resize(self, event: events.Resize) -> None:
        """Draw the lanes for the new width."""
        super().on_resize(event)
        if self.shows_lanes:
            self._weave()

    def _busy(self, row: NodeRow) -> float:
        """Return the share of its slots, about, that the node had busy."""
        lane = self._lanes.get(row.number)
        return sum(lane.busy) / max(row.slots or 1, 1) if lane is not None else -1.0

    def _failed(self, row: NodeRow) -> int:
        lane = self._lanes.get(row.number)
        return sum(lane.failed) if lane is not None else 0

    def _lane_cells(self, row: NodeRow) -> Sequence[Piece]:
        failed, lane = self._failed(row), self._lanes.get(row.number)
        return (
            (words.plain(row.name), ""),
            words.standing(row.state),
            (str(row.running), "busy" if row.running else "dim"),
            (words.number(failed) if failed else "", "bad"),
            ("" if lane is None else drawn(lane, row.slots or 1), "bad" if failed else "busy"),
        )

    # --- rows ---------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Number of nodes."""
        return len(self.rows)

    def key(self, row: int) -> Hashable:
        """Return the node's number in its job."""
        return self.rows[row].number

    def find(self, key: Hashable) -> int | None:
        """Return the row of the node of this number."""
        return next((at for at, row in enumerate(self.rows) if row.number == key), None)

    @property
    def row(self) -> NodeRow | None:
        """The node under the cursor."""
        return self.rows[self.cursor] if self.cursor < self.count else None

    def cells(self, first: int, last: int) -> list[Sequence[Piece]]:
        """Return the cells of nodes."""
        if self.shows_lanes:
            return list(map(self._lane_cells, self.rows[first:last]))
        return [
            (
                (words.plain(row.name), ""),
                words.standing(row.state),
                ("" if row.slots is None else str(row.slots), ""),
                (str(row.running), "busy" if row.running else "dim"),
                (str(row.queued), "dim"),
                (words.number(row.ended), ""),
                ("" if row.load is None else f"{row.load:.1f}", ""),
                ("" if row.disk_free is None else format_bytes(row.disk_free), "dim"),
                (words.plain(row.why), "bad" if row.state == "silent" else "dim"),
            )
            for row in self.rows[first:last]
        ]


def drawn(lane: Lane, slots: int) -> str:
    """Return a lane as characters: how many slots were busy, or FAILED where attempts failed."""
    full = spark([*(busy / slots for busy in lane.busy), 1.0])
    return "".join(FAILED if bad else sign for sign, bad in zip(full, lane.failed, strict=False))

"""The nodes of a job: what they do, and why they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchio.core.sizes import format_bytes
from batchio_tui import words
from batchio_tui.grid import Column, Grid

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from batchio.api import Change
    from batchio.core.rows import NodeRow
    from batchio_tui.paint import Piece

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


class Nodes(Grid):
    """All nodes, also those that left."""

    COLUMNS = (
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
    EMPTY = "no node was asked for yet"

    def __init__(self) -> None:
        super().__init__(id="nodes")
        self.rows: list[NodeRow] = []
        self.order = ("number", False)

    def renew(self, change: Change | None) -> None:
        """Show the nodes as they are."""
        if self.live is not None:
            by, backwards = self.order
            self.rows = sorted(self.live.view.nodes, key=SORTS[by], reverse=backwards)
        self.settle()

    def sort(self, column: str, *, backwards: bool) -> None:
        """Sort by a column."""
        self.order = (column, backwards)
        self.renew(None)

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

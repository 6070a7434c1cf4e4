"""The table of tasks: 100,000 rows of which only those on the screen are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.core.lens import Order
from batchio.core.select import Filter
from batchio_tui import words
from batchio_tui.grid import Column, Grid
from batchio_tui.paint import width_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from batchio.api import Change
    from batchio.core.rows import TaskRow
    from batchio_tui.paint import Piece

SORTS: Final = ("id", "state", "attempt", "node", "started", "duration", "exit_code", "memory")
"""Columns in the order in which one key goes through them."""


def columns(ids: int, nodes: int) -> tuple[Column, ...]:
    """Return the columns, for ids and names of nodes with so many characters."""
    return (
        Column("Task", max(ids, 5), right=True, sort="id"),
        Column("State", 11, sort="state"),
        Column("Try", 3, right=True, spare=4, sort="attempt"),
        Column("Node", max(min(nodes, 20), 4), spare=3, sort="node"),
        Column("Started", 8, right=True, spare=5, sort="started"),
        Column("Took", 7, right=True, spare=1, sort="duration"),
        Column("Exit", 4, right=True, spare=2, sort="exit_code"),
        Column("Note", 14, flexible=True),
    )


class Tasks(Grid):
    """The tasks that fit a filter, sorted."""

    COLUMNS = columns(4, 8)
    EMPTY = "no task fits the filter"

    def __init__(self) -> None:
        super().__init__(id="tasks")
        self._found: Sequence[int] = ()
        """Positions of the tasks, in their order here."""
        self.filter = ""
        """What was typed to choose tasks; "" chooses all."""
        self._where = Filter()
        self.order = ("id", False)

    @property
    def about(self) -> str:
        """The filter, and how many tasks fit it."""
        if not self.filter or self.live is None:
            return ""
        total = self.live.view.counts.total
        return f"{self.filter}: {words.number(self.count)} of {words.number(total)}"

    def renew(self, change: Change | None) -> None:
        """Show what has changed; None: choose and sort all tasks anew."""
        live = self.live
        if live is None:
            return
        if change is None or change.nodes:
            names = [width_of(words.plain(node.name)) for node in live.view.nodes]
            last = live.spec.tasks.at(len(live.spec.tasks) - 1)
            self.COLUMNS = columns(len(str(last)), max(names, default=4))
        if self.order == ("id", False) and not self._where.terms:
            self._found = range(live.view.counts.total)
        elif change is None or change.tasks:
            self._found = live.select(self._where, Order(*self.order))
        self.settle()

    def choose(self, text: str) -> None:
        """Show the tasks that fit a filter.

        Raises:
            UsageError: the filter makes no sense; what was shown stays.
        """
        self._where = Filter.parse(text)
        self.filter = text
        self.renew(None)

    def sort(self, column: str, *, backwards: bool) -> None:
        """Sort by a column."""
        self.order = (column, backwards)
        self.renew(None)

    @property
    def count(self) -> int:
        """Number of tasks that fit."""
        return len(self._found)

    def key(self, row: int) -> Hashable:
        """Return the task's position in its job."""
        return self._found[row]

    def find(self, key: Hashable) -> int | None:
        """Return the row of the task at this position."""
        try:
            return self._found.index(key)
        except ValueError:
            return None

    @property
    def rows(self) -> list[TaskRow]:
        """The marked tasks; or, without any, the one under the cursor."""
        if self.live is None or not self.count:
            return []
        chosen = [key for key in self.marked if isinstance(key, int)]
        return self.live.rows(chosen or [self._found[self.cursor]])

    @property
    def row(self) -> TaskRow | None:
        """The task under the cursor."""
        if self.live is None or not self.count:
            return None
        return self.live.rows([self._found[self.cursor]])[0]

    def cells(self, first: int, last: int) -> list[Sequence[Piece]]:
        """Return the cells of tasks."""
        if self.live is None:
            return []
        return [task_cells(row) for row in self.live.rows(self._found[first:last])]


def task_cells(row: TaskRow) -> Sequence[Piece]:
    """Return the cells of one task."""
    style = words.SIGNS.get(row.outcome or row.state, ("", ""))[1]
    note = ": ".join(filter(None, (row.reason, row.last_words)))
    return (
        (str(row.id), ""),
        words.standing(row.outcome or row.state),
        (str(row.attempt), "wait" if row.attempt > 1 else "dim"),
        (words.plain(row.node or ""), ""),
        (words.clock(row.started)[-8:], "dim"),
        (words.lasted(row.duration), ""),
        (row.ending.removeprefix("SIG"), "dim" if row.ending == "0" else style),
        (words.plain(note), "dim"),
    )

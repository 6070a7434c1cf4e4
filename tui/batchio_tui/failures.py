"""The failures of a job in groups: how many, how, on which nodes, and whether it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio.core.arrays import parse_ids
from batchio_tui import words
from batchio_tui.grid import Column, Grid

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from batchio.api import Change
    from batchio.core.rows import FailureGroup
    from batchio_tui.paint import Piece


class Failures(Grid):
    """The groups of failures, largest first; Enter shows a group's tasks."""

    COLUMNS = (
        Column("Tries", 6, right=True),
        Column("Tasks", 6, right=True),
        Column("How", 11, spare=6),
        Column("Exit", 4, right=True, spare=1),
        Column("Last words", 20, flexible=True),
        Column("Last", 8, right=True, spare=4),
        Column("Nodes", 10, spare=3),
        Column("Still", 9, spare=2),
    )
    EMPTY = "nothing has failed"

    def __init__(self) -> None:
        super().__init__(id="failures")
        self.groups: list[FailureGroup] = []

    def renew(self, change: Change | None) -> None:
        """Group the failures anew, when tasks have changed."""
        if self.live is not None and (change is None or change.tasks):
            self.groups = self.live.failures(attempts=True)
        self.settle()

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.groups)

    def _key_of(self, group: FailureGroup) -> Hashable:
        return group.outcome, group.cause, group.last_words

    def key(self, row: int) -> Hashable:
        """Return how the tasks of the group ended."""
        return self._key_of(self.groups[row])

    def find(self, key: Hashable) -> int | None:
        """Return the row of the group whose tasks ended so."""
        return next((at for at, one in enumerate(self.groups) if self._key_of(one) == key), None)

    @property
    def group(self) -> FailureGroup | None:
        """The group under the cursor."""
        return self.groups[self.cursor] if self.cursor < self.count else None

    @property
    def positions(self) -> list[int]:
        """Positions of the tasks of the group under the cursor."""
        if self.group is None or self.live is None:
            return []
        known = self.live.spec.tasks
        return [known.position(task) for task in parse_ids(self.group.ids)]

    def cells(self, first: int, last: int) -> list[Sequence[Piece]]:
        """Return the cells of groups."""
        return [_cells(group) for group in self.groups[first:last]]


def _cells(group: FailureGroup) -> Sequence[Piece]:
    """Return the cells of one group."""
    nodes = group.nodes[0] if len(group.nodes) == 1 else words.counted(len(group.nodes), "node")
    code = "" if group.exit_code is None else str(group.exit_code)
    told = ": ".join(filter(None, (group.reason, group.last_words)))
    return (
        (words.number(group.attempts), "strong"),
        (words.number(group.count), "bad" if group.count else "dim"),
        words.standing(group.outcome),
        (group.signal.removeprefix("SIG") if group.signal else code, "bad"),
        (words.plain(told), ""),
        (words.clock(group.last)[-8:], "dim"),
        (words.plain(nodes) if group.nodes else "", ""),
        ("▶ goes on" if group.going_on else "", "busy"),
    )

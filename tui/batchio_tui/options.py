"""The options of a job: each value, and where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio_tui import words
from batchio_tui.grid import Column, Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.api import Live
    from batchio_tui.paint import Piece


class Options(Grid):
    """What the job was submitted with."""

    COLUMNS = (
        Column("Option", 24),
        Column("Value", 16, flexible=True),
        Column("From", 24, spare=1),
    )

    def __init__(self) -> None:
        super().__init__(id="options")
        self.rows: Sequence[tuple[str, str, str]] = ()

    def follow(self, live: Live) -> None:
        """Show the options of this job."""
        super().follow(live)
        self.rows = [(name, *row) for name, row in sorted(live.spec.options.items())]
        self.settle()

    @property
    def count(self) -> int:
        """Number of options."""
        return len(self.rows)

    def cells(self, first: int, last: int) -> list[Sequence[Piece]]:
        """Return the cells of options."""
        return [
            ((name, ""), (words.plain(value), "strong"), (words.plain(origin), "dim"))
            for name, value, origin in self.rows[first:last]
        ]

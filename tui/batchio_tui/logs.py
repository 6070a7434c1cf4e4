"""What tasks printed: it follows while one is at the end, and stays where one is otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.errors import BatchioError
from batchio_tui import words
from batchio_tui.grid import Column, Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.api import Change, Job, LogLine
    from batchio_tui.paint import Piece

TAIL: Final = 5000


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
        self.tasks: str | None = None

    @property
    def count(self) -> int:
        """Number of lines."""
        return len(self.lines)

    @property
    def about(self) -> str:
        """Whose lines are shown."""
        return f"task {self.tasks}" if self.tasks else ""

    def open(self, tasks: str | None) -> None:
        """Show what these tasks printed; None: all."""
        self.tasks = tasks
        self.lines = []
        self.cursor = self.top = 0
        self.run_worker(self._load(), group="logs", exclusive=True)

    def renew(self, change: Change | None) -> None:
        """Read what is new."""
        if change is None and not self.lines:
            self.open(self.tasks)

    async def _load(self) -> None:
        try:
            async for line in self._job.logs(task=self.tasks, tail=TAIL):
                self.lines.append(line)
        except BatchioError as err:
            self.notify(words.plain(str(err)), severity="error", markup=False)
        self.move(self.count - 1)

    def cells(self, first: int, last: int) -> list[Sequence[Piece]]:
        """Return the cells of lines."""
        return [
            (
                (str(line.task), "dim"),
                (words.clock(line.time)[-8:], "faint"),
                (words.plain(line.text), "bad" if line.stream == "stderr" else ""),
            )
            for line in self.lines[first:last]
        ]

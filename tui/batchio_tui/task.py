"""One task: its attempts, its input, why it is where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio.core.sizes import format_bytes
from batchio.errors import BatchioError
from batchio_tui import words
from batchio_tui.beside import beside
from batchio_tui.page import Page, wrapped

if TYPE_CHECKING:
    from batchio.api import Change, Job
    from batchio.core.history import AttemptRow
    from batchio.core.rows import TaskRow
    from batchio_tui.paint import Piece


class TaskView(Page):
    """What is known of one task."""

    def __init__(self, job: Job) -> None:
        super().__init__(id="task")
        self._job = job
        self.position: int | None = None
        """Position of the task in its job."""
        self._attempts: list[AttemptRow] = []
        self._input: str | None = None
        self._why: list[str] = []

    @property
    def row(self) -> TaskRow | None:
        """The task that is shown."""
        if self.live is None or self.position is None:
            return None
        return self.live.rows([self.position])[0]

    @property
    def about(self) -> str:
        """Which task it is."""
        row = self.row
        return "" if row is None else f"task {row.id}"

    def open(self, position: int) -> None:
        """Show the task at this position of its job."""
        self.position = position
        self._attempts, self._input, self._why = [], None, []
        self.cursor = self.top = 0
        self._compose_lines()
        self._read()

    def renew(self, change: Change | None) -> None:
        """Show the task as it is now, when anything about it may have changed."""
        if self.position is None or self.live is None:
            return
        if change is None or self.position in change.tasks:
            self._read()
        self._compose_lines()

    def _read(self) -> None:
        beside(self, "task", self._load, exclusive=True)

    async def _load(self) -> None:
        row, live = self.row, self.live
        if row is None or live is None:
            return
        try:
            self._why = live.why(row.id)
            [self._input] = await self._job.inputs([row.id])
            self._compose_lines()
            self._attempts = await live.attempts(row.id)
        except BatchioError as err:
            self._why = [str(err)]
        self._compose_lines()

    def _compose_lines(self) -> None:
        row = self.row
        if row is None:
            return
        width = max(self.size.width - 6, 20)
        lines: list[Piece] = []

        def part(title: str) -> None:
            if lines:
                lines.append(("", ""))
            lines.append((title, "head"))

        part(f"Task {row.id}")
        lines.append(("  " + _standing(row), words.standing(row.outcome or row.state)[1]))
        if row.last_words:
            lines += [("  " + one, "bad") for one in wrapped(words.plain(row.last_words), width)]
        if self._input is not None:
            part("Input")
            lines += [("  " + one, "") for one in wrapped(words.plain(self._input), width)]
        part("Why")
        for text in self._why or ["…"]:
            lines += [("  " + one, "") for one in wrapped(words.plain(text), width, "  ")]
        part("Attempts")
        lines += [piece for one in self._attempts for piece in _attempt(one, width)] or [
            ("  reading them …", "dim")
        ]
        self.lines = lines
        self.settle()


def _standing(row: TaskRow) -> str:
    sign, _ = words.standing(row.outcome or row.state)
    parts = [sign]
    if row.node:
        parts.append(f"on {words.plain(row.node)}")
    if row.duration is not None:
        parts.append(f"took {words.lasted(row.duration)}")
    if row.ending:
        parts.append(f"exit {row.ending}")
    if row.memory:
        parts.append(f"memory {format_bytes(row.memory)}")
    if row.cpu is not None:
        parts.append(f"CPU {words.lasted(row.cpu)}")
    return "  ".join(parts)


def _attempt(row: AttemptRow, width: int) -> list[Piece]:
    code = row.signal or ("" if row.exit_code is None else f"exit {row.exit_code}")
    bad = bool(row.reason or row.signal or row.exit_code)
    took = (row.stopped or 0) - (row.started or 0) if row.stopped and row.started else None
    parts = (
        f"{row.attempt:>3}",
        words.plain(row.node),
        words.clock(row.started) or "not started",
        words.lasted(took) or ("goes on" if row.started and not row.reason else ""),
        code,
        row.reason,
    )
    lines = [("  " + "  ".join(filter(None, parts)), "bad" if bad else "")]
    if row.last_words:
        said = wrapped(words.plain(row.last_words), width - 5)
        lines += [("       " + one, "dim") for one in said]
    return lines

"""The list of jobs, newest first, live."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from textual.message import Message
from textual.widget import Widget

from batchio import api
from batchio.errors import BatchioError
from batchio_tui import words
from batchio_tui.actions import Keys, shown_key
from batchio_tui.beside import beside
from batchio_tui.grid import Column, Grid
from batchio_tui.paint import Painted

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from textual import events
    from textual.app import ComposeResult

    from batchio.core.views import JobSummary
    from batchio_tui.paint import Line, Piece

EVERY_S: Final = 1.0
"""Least seconds between two looks at the jobs."""
MOST: Final = 500
"""Most jobs in the list."""


class JobTable(Grid):
    """The newest jobs."""

    COLUMNS = (
        Column("Job", 10),
        Column("State", 13),
        Column("Done", 17, right=True),
        Column("Failed", 7, right=True, spare=1),
        Column("Age", 7, right=True, spare=3),
        Column("Where", 6, spare=4),
        Column("Cost", 7, right=True, spare=5),
        Column("Command", 12, flexible=True),
    )
    EMPTY = "no job yet: batchio run --ntasks 10 hello.sh starts one"

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[JobSummary] = []
        self.now = 0.0

    @property
    def count(self) -> int:
        """Number of jobs."""
        return len(self.jobs)

    def key(self, row: int) -> Hashable:
        """Return the job's id."""
        return self.jobs[row].id

    def find(self, key: Hashable) -> int | None:
        """Return the row of the job of this id."""
        return next((at for at, job in enumerate(self.jobs) if job.id == key), None)

    def cells(self, first: int, last: int) -> list[Sequence[Piece]]:
        """Return the cells of jobs."""
        return [job_cells(job) for job in self.jobs[first:last]]


def job_cells(job: JobSummary) -> Sequence[Piece]:
    """Return the cells of one job."""
    counts, shown = job.counts, job.command
    if job.name and job.name != job.command:
        shown = f"{job.name}: {job.command}"
    return (
        (job.id, "strong"),
        words.standing(job.standing),
        (f"{words.number(counts.done)} of {words.number(counts.total)}", ""),
        (words.number(counts.bad) if counts.bad else "", "bad"),
        (words.lasted(job.duration), "dim"),
        (job.provider, "dim"),
        ("" if job.cost is None else f"${job.cost:,.2f}", ""),
        (words.plain(job.why if job.state == "unreadable" else shown), ""),
    )


class _Line(Painted):
    DEFAULT_CSS = "_Line { height: 1; }"

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line

    def paint(self, width: int, height: int) -> list[Line]:
        return [self.line]


class JobsPane(Widget):
    """All jobs of a workspace, as a widget."""

    DEFAULT_CSS = "JobsPane { layout: vertical; width: 1fr; height: 1fr; }"

    class Opened(Message):
        """A job was chosen."""

        def __init__(self, job: str) -> None:
            super().__init__()
            self.job = job

    def __init__(self, workspace: str | None, keys: Keys | None = None) -> None:
        super().__init__()
        self._workspace = workspace
        self._keys = keys or Keys()
        self.table = JobTable()
        self._title = _Line([(" batchio  ", "strong"), ("jobs, newest first", "dim")])

    def compose(self) -> ComposeResult:
        """Yield the title, the table, and the keys."""
        yield self._title
        yield self.table
        quit_key, open_key = self._keys.shown("quit"), shown_key("enter")
        yield _Line(
            [(" ", ""), (open_key, "key"), (" open  ", "dim"), (quit_key, "key"), (" quit", "dim")]
        )

    def on_mount(self) -> None:
        """Look at the jobs from here on."""
        self.table.focus()
        beside(self, "jobs", self._watch)

    async def _watch(self) -> None:
        while True:
            try:
                async with api.watch_jobs(self._workspace, MOST, every=EVERY_S) as seen:
                    async for self.table.jobs in seen:
                        self._show(self._about())
            except (BatchioError, OSError) as err:
                self._show([(" ! ", "alert"), (f" {words.plain(str(err))}", "bad")])
            await asyncio.sleep(EVERY_S)

    def _show(self, line: Line) -> None:
        self._title.line = line
        self._title.repaint()
        self.table.settle()

    def _about(self) -> Line:
        jobs = self.table.jobs
        running = sum(job.state != "done" for job in jobs)
        most = f", the newest {MOST}" if len(jobs) == MOST else ""
        return [
            (" batchio  ", "strong"),
            (f"{words.counted(len(jobs), 'job')}{most}, {running} not done", "dim"),
        ]

    def on_key(self, event: events.Key) -> None:
        """Move, open, or leave."""
        key = event.character if event.is_printable and event.key != "space" else event.key
        action = self._keys.action(key or event.key)
        if action is None:
            return
        event.stop()
        event.prevent_default()
        match action.name:
            case "quit":
                self.app.exit()
            case "open":
                self.table.action_open()
            case "up" | "down" | "page-up" | "page-down" | "home" | "end":
                self.table.action_go(action.name.replace("-", "_"))

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Open the job under the cursor."""
        event.stop()
        if isinstance(self.table.current, str):
            self.post_message(self.Opened(self.table.current))

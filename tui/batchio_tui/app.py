"""The dashboard as a program: the list of jobs, and one job."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import App
from textual.screen import Screen
from textual.theme import Theme

from batchio import api
from batchio_tui import words
from batchio_tui.jobs import JobsPane
from batchio_tui.paint import Painted, has_utf8
from batchio_tui.pane import JobPane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import ComposeResult

    from batchio.api import Job

THEMES: Final = (
    Theme(
        name="batchio-dark",
        primary="#6fb3d2",
        error="#e8746a",
        warning="#d8b56a",
        success="#7fb77e",
        foreground="#d5dae0",
        background="#14181d",
        surface="#1d232b",
        panel="#232a33",
        dark=True,
    ),
    Theme(
        name="batchio-light",
        primary="#0b6a94",
        error="#b3261e",
        warning="#8a5a00",
        success="#2f7d32",
        foreground="#1d232b",
        background="#fbfcfd",
        surface="#f1f4f7",
        panel="#e6ebf0",
        dark=False,
    ),
)


class JobScreen(Screen[None]):
    """One job, over the whole terminal."""

    def __init__(self, pane: JobPane) -> None:
        super().__init__()
        self.pane = pane

    def compose(self) -> ComposeResult:
        """Yield the job's pane."""
        yield self.pane


class JobsScreen(Screen[None]):
    """The list of jobs, over the whole terminal."""

    def __init__(self, pane: JobsPane) -> None:
        super().__init__()
        self.pane = pane

    def compose(self) -> ComposeResult:
        """Yield the list."""
        yield self.pane


class Dashboard(App[int]):
    """The dashboard.

    Args:
        job: The job to show first; None: the list of jobs.
        workspace: Where jobs are kept; None: the usual place.
        keys: A person's own keys, by action.
        read_only: Offer nothing that changes jobs.
    """

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [("ctrl+c", "quit"), ("ctrl+z", "suspend_process")]
    CSS = "JobScreen, JobsScreen { background: $background; }"

    def __init__(
        self,
        job: Job | None = None,
        *,
        workspace: str | None = None,
        keys: Mapping[str, str] | None = None,
        read_only: bool = False,
    ) -> None:
        super().__init__()
        self._job = job
        self._workspace = workspace
        self._keys = keys
        self._read_only = read_only
        self.problem: Path | None = None
        """File with the traceback of a bug of ours; None: there was none."""
        self.ended_by = 0
        """Number of the signal that ended the program; 0: none did."""
        self._titled = ""
        Painted.ascii = not has_utf8()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = "batchio-light" if is_light() else "batchio-dark"

    def on_mount(self) -> None:
        """Show the job, or the list of jobs."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with suppress(ValueError, RuntimeError):  # not in the main thread: a test's
                loop.add_signal_handler(number, self._end, number)
        if self._job is None:
            self.push_screen(self._jobs())
        else:
            self.open_job(self._job)

    def _end(self, number: int) -> None:
        self.ended_by = number
        self.exit(128 + number)

    def _jobs(self) -> JobsScreen:
        return JobsScreen(JobsPane(self._workspace))

    def open_job(self, job: Job) -> None:
        """Show one job."""
        self.push_screen(JobScreen(JobPane(job, keys=self._keys, read_only=self._read_only)))

    async def on_jobs_pane_opened(self, event: JobsPane.Opened) -> None:
        """Show the job that was chosen."""
        self.open_job(await api.open_job(event.job, workspace=self._workspace))

    def on_job_pane_left(self) -> None:
        """Return to the list of jobs."""
        self.pop_screen()
        if not isinstance(self.screen, JobsScreen):
            self.push_screen(self._jobs())

    def on_job_pane_told(self, event: JobPane.Told) -> None:
        """Write the title of the terminal."""
        live = event.pane.live
        if live is None or self._driver is None:
            return
        view = live.view
        bad, done, total = view.counts.bad, view.counts.done, view.counts.total
        told = f"{done * 100 // total} %" if total else ""
        title = " ".join(filter(None, (f"✗{bad}" if bad else "", told, words.plain(view.name))))
        if title != self._titled and not self.is_headless:
            self._titled = title
            self._driver.write(f"\x1b]0;{title}\x07")

    def _handle_exception(self, error: Exception) -> None:
        """Keep the traceback in a file: the terminal is left as it was."""
        if self.problem is None:
            kept = "".join(traceback.format_exception(error))
            number, name = tempfile.mkstemp(prefix="batchio-dashboard-", suffix=".txt")
            with open(number, "w", encoding="utf-8") as file:
                file.write(kept)
            self.problem = Path(name)
        super()._handle_exception(error)

    def _print_error_renderables(self) -> None:
        """Print no traceback: the file has it."""
        self._exit_renderables.clear()


def is_light() -> bool:
    """Return whether the terminal says that its background is light: COLORFGBG=0;15."""
    last = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return last in ("7", "15")

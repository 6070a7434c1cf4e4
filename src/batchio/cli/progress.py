"""Progress of a job that is waited for: a live line on a terminal, lines in a pipe."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from batchio.cli import diagnostics
from batchio.cli.terminal import is_terminal
from batchio.cli.words import lasted, outcomes, plural, progressed
from batchio.core.sizes import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.live import Live
    from rich.table import Table

    from batchio.core.sending import Sending
    from batchio.core.views import JobSummary

DRAW_EVERY_S: Final = 0.1
"""Least seconds between two drawings of the live display."""

TELL_EVERY_S: Final = 5.0
"""Least seconds between two plain lines; a change of the job's state is told at once."""

BAR: Final = 30
"""Width of the bar in columns."""


class Progress(Protocol):
    """A display of a job's progress."""

    def show(self, view: JobSummary, files: Sending | None = None) -> None:
        """Show how the job is now, and how far its files were sent."""
        ...

    def close(self) -> None:
        """End the display, and remove it where it is a live one."""
        ...


def progress() -> Progress:
    """Return a live display on a terminal, and plain lines elsewhere, or for --quiet: none."""
    quiet = diagnostics.is_quiet()
    return Drawn() if is_terminal(sys.stderr) and not quiet else Told()


class Told:
    """A display of plain lines, at changes, and not too many."""

    def __init__(self) -> None:
        self._state = ""
        self._said = ""
        self._next = 0.0

    def show(self, view: JobSummary, files: Sending | None = None) -> None:
        """Print the job's progress if it has changed and not too soon; nothing about files."""
        text = f"{view.state}: {progressed(view.counts)}"
        now = time.monotonic()
        if text == self._said or (view.state == self._state and now < self._next):
            return
        if view.state != "done":  # the summary says the rest
            diagnostics.say(text)
        self._state, self._said, self._next = view.state, text, now + TELL_EVERY_S

    def close(self) -> None:
        """Do nothing: plain lines stay."""


class Drawn:
    """A live display: one line that is redrawn in place, and another one while files are sent."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._next = 0.0
        self._pace = Pace()

    def show(self, view: JobSummary, files: Sending | None = None) -> None:
        """Redraw the lines, unless they were drawn less than DRAW_EVERY_S ago."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + DRAW_EVERY_S
        from rich.console import Console, Group
        from rich.live import Live

        if self._live is None:
            console = Console(stderr=True, highlight=False)
            live = Live(console=console, transient=True, auto_refresh=False)
            with _undisturbed():  # half begun it could not be ended, and the cursor would be gone
                live.start()
                self._live = live
        lines = [_line(view)]
        if files:
            text = sent_text(files, self._pace.of(files.sent, now))
            lines.append(_files_line(files, text, self._live.console.width))
        self._live.update(Group(*lines), refresh=True)

    def close(self) -> None:
        """Remove the lines from the terminal."""
        if self._live is not None:
            self._live.stop()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a signal that ends the waiting come behind this, not in it."""
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    )
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Pace:
    """The mean rate at which files are sent, since the display began."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def of(self, sent: int, now: float) -> float | None:
        """Return bytes a second, from all bytes `sent` at `now` (seconds, any clock); or None."""
        if self._first is None or sent < self._first[0]:  # a node began anew
            self._first = sent, now
        began, at = self._first
        return (sent - began) / (now - at) if sent > began else None


def sent_text(files: Sending, pace: float | None) -> str:
    """Return "1.2 GiB of 3.4 GiB, 45 MiB/s, 50s left, 12 of 200 nodes"."""
    sent = f"{format_bytes(files.sent)} of {format_bytes(files.total)}"
    speed = ""
    if pace:
        left = round((files.total - files.sent) / pace)
        speed = f", {format_bytes(pace)}/s, {lasted(left)} left"
    return f"{sent}{speed}, {files.there} of {plural(files.nodes, 'node')}"


def _files_line(files: Sending, text: str, room: int) -> Table:
    """Return the line about files; its bar is shorter where there is too little room."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    size = max(min(BAR, room - len(text) - len("files  ") - 1), 3)
    bar = ProgressBar(total=files.total, completed=files.sent, width=size)
    line = Table.grid(padding=(0, 1))
    line.add_row(Text("files"), bar, Text(text, no_wrap=True, overflow="ellipsis"))
    return line


def _line(view: JobSummary) -> Table:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    counts = view.counts
    bar = ProgressBar(total=counts.total, completed=counts.done, width=BAR)
    said = Text(f"{counts.done}/{counts.total}  {outcomes(counts)}")
    line = Table.grid(padding=(0, 1))
    line.add_row(Text(view.state), bar, said, Text(lasted(view.duration), style="dim"))
    return line

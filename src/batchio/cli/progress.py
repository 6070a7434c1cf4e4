"""How a job that is waited for gets on: a live line on a terminal, lines in a pipe."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, Protocol

from batchio.cli import diagnostics
from batchio.cli.terminal import is_terminal
from batchio.cli.words import lasted, outcomes, progressed

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from batchio.core.views import JobSummary

DRAW_EVERY_S: Final = 0.1
"""Seconds between two looks of the live display."""

TELL_EVERY_S: Final = 5.0
"""Seconds between two plain lines; changes of the job's state are told at once."""

BAR: Final = 30
"""Columns of the bar."""


class Progress(Protocol):
    """Shows how it gets on."""

    def show(self, view: JobSummary) -> None:
        """The job is like this now."""
        ...

    def close(self) -> None:
        """Leave nothing behind that moves."""
        ...


def progress() -> Progress:
    """The one that fits stderr."""
    return Drawn() if is_terminal(sys.stderr) else Told()


class Told:
    """Plain lines, at changes, and not too many."""

    def __init__(self) -> None:
        self._state = ""
        self._said = ""
        self._next = 0.0

    def show(self, view: JobSummary) -> None:
        """Say it, if it is news and not too soon."""
        text = f"{view.state}: {progressed(view.counts)}"
        now = time.monotonic()
        if text == self._said or (view.state == self._state and now < self._next):
            return
        if view.state != "done":  # the summary says the rest
            diagnostics.say(text)
        self._state, self._said, self._next = view.state, text, now + TELL_EVERY_S

    def close(self) -> None:
        """Nothing moves here."""


class Drawn:
    """One line that stays where it is."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._next = 0.0

    def show(self, view: JobSummary) -> None:
        """Draw it, unless it was drawn just now."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + DRAW_EVERY_S
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, highlight=False)
            self._live = Live(console=console, transient=True, auto_refresh=False)
            self._live.start()
        self._live.update(_line(view), refresh=True)

    def close(self) -> None:
        """Take the line away."""
        if self._live is not None:
            self._live.stop()


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

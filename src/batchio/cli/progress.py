"""Progress of a job that is waited for: a live line on a terminal, lines in a pipe."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

import click

from batchio.cli import diagnostics
from batchio.cli.terminal import columns, is_terminal, painted, width
from batchio.cli.words import COLOURS, lasted, outcomes, plural, progressed
from batchio.core.sizes import format_bytes

if TYPE_CHECKING:
    from typing import TextIO

    from batchio.core.sending import Sending
    from batchio.core.views import JobSummary

DRAW_EVERY_S: Final = 0.1
"""Least seconds between two drawings of the live display."""

TELL_EVERY_S: Final = 5.0
"""Least seconds between two plain lines; a change of the job's state is told at once."""

BAR: Final = 30
"""Width of the bar in columns."""

LEAST_BAR: Final = 5
"""Fewest columns in which a bar is drawn."""


class Progress(Protocol):
    """A display of a job's progress."""

    def show(self, view: JobSummary, files: Sending | None = None) -> None:
        """Show how the job is now, and how far its files were sent."""
        ...

    def tell(self, line: str) -> None:
        """Print a warning, which stays, above what is shown."""
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

    def tell(self, line: str) -> None:
        """Print a warning."""
        diagnostics.warn(line)

    def close(self) -> None:
        """Do nothing: plain lines stay."""


class Drawn:
    """A live display: one line that is redrawn in place, and another one while files are sent."""

    def __init__(self) -> None:
        self._place = Place(sys.stderr)
        self._next = 0.0
        self._files = Pace()
        self._tasks = Pace()

    def show(self, view: JobSummary, files: Sending | None = None) -> None:
        """Redraw the lines, unless they were drawn less than DRAW_EVERY_S ago."""
        now = time.monotonic()
        pace = self._tasks.of(view.counts.done, now)
        if now < self._next:
            return
        self._next = now + DRAW_EVERY_S
        room = columns(sys.stderr) - 1
        lines = [job_line(view, pace, room)]
        if files:
            text = sent_text(files, self._files.of(files.sent, now))
            lines.append(_files_line(files, text, room))
        self._place.draw(lines, room)

    def tell(self, line: str) -> None:
        """Print a warning above the lines."""
        self.hide()
        diagnostics.warn(line)

    def hide(self) -> None:
        """Remove the lines from the terminal until they are drawn again."""
        self._place.clear()
        self._next = 0.0

    def close(self) -> None:
        """Remove the lines from the terminal."""
        self._place.clear()


class Place:
    """The last rows of a terminal, in which lines are drawn again and again.

    A terminal that was made narrower has wrapped the lines that it shows: so many rows are
    removed. The cursor stays visible, so nothing that ends this process can leave it hidden.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._widths: list[int] = []
        """Widths in columns of the lines that are shown."""

    def draw(self, lines: list[str], room: int) -> None:
        """Show these lines, none wider than `room` columns, in the place of those before."""
        text = self._cleared() + "\n".join(lines)
        self._widths = [min(width(click.unstyle(line)), room) for line in lines]
        self._write(text)  # who ends us while we write finds what to remove

    def clear(self) -> None:
        """Remove the lines; what is printed next stands where they were."""
        text, self._widths = self._cleared(), []
        self._write(text)

    def _cleared(self) -> str:
        if not self._widths:
            return ""
        across = max(columns(self._stream), 1)
        rows = sum(max(-(-size // across), 1) for size in self._widths)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + "\x1b[J"

    def _write(self, text: str) -> None:
        if not text:
            return
        with suppress(OSError, ValueError):  # a terminal that is gone shows nothing
            self._stream.write(text)
            self._stream.flush()


class Pace:
    """The mean rate at which something grows, since the display began."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def of(self, so_far: int, now: float) -> float | None:
        """Return units a second, of which there are `so_far` at `now` (seconds, any clock)."""
        if self._first is None or so_far < self._first[0]:  # it began anew
            self._first = so_far, now
        began, at = self._first
        return (so_far - began) / (now - at) if so_far > began and now > at else None


def sent_text(files: Sending, pace: float | None) -> str:
    """Return "1.2 GiB of 3.4 GiB, 45 MiB/s, 50s left, 12 of 200 nodes"."""
    sent = f"{format_bytes(files.sent)} of {format_bytes(files.total)}"
    speed = ""
    if pace:
        left = round((files.total - files.sent) / pace)
        speed = f", {format_bytes(pace)}/s, {lasted(left)} left"
    return f"{sent}{speed}, {files.there} of {plural(files.nodes, 'node')}"


def left_text(todo: int, pace: float | None) -> str:
    """Return "3.2/s, 50s left" for so many tasks that are not done; "" when it is not known."""
    if not pace or not todo:
        return ""
    rate = f"{pace:.3g}/s" if pace >= 1 else f"{pace * 60:.2g}/min"
    return f"{rate}, {lasted(max(round(todo / pace), 1))} left"


def job_line(view: JobSummary, pace: float | None, room: int) -> str:
    """Return the line about the job, at most `room` columns wide: what matters least goes first."""
    counts = view.counts
    state = view.standing.replace("_", " ")
    head = f"{counts.done}/{counts.total}"
    told = [
        lasted(view.duration),
        left_text(counts.total - counts.done, pace),
        outcomes(counts),
    ]
    parts = list(filter(None, told))
    while parts and len(f"{state} {head}  {'  '.join(parts)}") > room:
        parts.pop()
    text = "  ".join([head, *parts[::-1]])
    line = f"{painted(state, COLOURS.get(view.standing, ''), sys.stderr)} "
    size = min(BAR, room - len(state) - len(text) - 2)
    if size >= LEAST_BAR:
        line += f"{bar(counts.done, counts.total, size)} "
    return line + text if len(state) + 1 + len(text) <= room else text[: max(room, 0)]


def bar(done: int, total: int, size: int) -> str:
    """Return a bar of `size` columns, as far as it is done; ASCII where nothing else can be."""
    full, rest = ("━", "─") if _has_lines() else ("#", "-")
    filled = size * min(done, total) // total if total else size
    return painted(full * filled, "green", sys.stderr) + rest * (size - filled)


def _has_lines() -> bool:
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    try:
        "━─".encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return not any(
        os.environ[name] in ("C", "POSIX") for name in ("LC_ALL", "LC_CTYPE") if name in os.environ
    )


def _files_line(files: Sending, text: str, room: int) -> str:
    """Return the line about files; its bar is shorter where there is too little room."""
    size = min(BAR, room - len(text) - len("files  "))
    drawn = f"{bar(files.sent, files.total, size)} " if size >= LEAST_BAR else ""
    return f"files {drawn}{text}" if drawn or len(text) + 6 <= room else text[: max(room, 0)]

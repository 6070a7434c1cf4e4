"""Times, counts and states as people read them. Local time; UTC is in the JSON."""

from __future__ import annotations

import time
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from batchio.cli.output import Cell
from batchio.core.sizes import format_duration, parse_duration
from batchio.errors import UsageError

if TYPE_CHECKING:
    from batchio.core.views import Counts

COLOURS: Final = {
    "succeeded": "green",
    "failed": "red",
    "lost": "red",
    "timed_out": "red",
    "timed out": "red",
    "unreadable": "red",
    "cancelled": "yellow",
    "pending": "yellow",
    "provisioning": "yellow",
    "running": "cyan",
}


def standing(word: str) -> Cell:
    """A state or an outcome, in its colour."""
    return Cell(word.replace("_", " "), COLOURS.get(word, ""))


def stamp(at: float | None) -> str:
    """Date and time: 2024-11-18 17:25:08; empty for None."""
    return "" if at is None else datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


def clock(at: float | None) -> str:
    """The time alone when it was today."""
    text = stamp(at)
    today = stamp(time.time())[:10]
    return text[11:] if text[:10] == today else text


def precise(at: float) -> str:
    """2025-07-09 16:50:37.844000, as a line of a log bears it."""
    whole = int(at // 1)
    return f"{_second(whole)}.{int((at - whole) * 1_000_000):06d}"


@lru_cache(maxsize=4)
def _second(whole: int) -> str:
    return stamp(whole)


def lasted(seconds: float | None) -> str:
    """A duration; empty for None."""
    return "" if seconds is None else format_duration(seconds)


def plural(number: int, noun: str) -> str:
    """1 task, 2 tasks."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def progressed(counts: Counts) -> str:
    """ "3 of 10 tasks done, 1 failed, 2 running"."""
    bad = f", {counts.bad} failed" if counts.bad else ""
    running = f", {counts.running} running" if counts.running else ""
    return f"{counts.done} of {plural(counts.total, 'task')} done{bad}{running}"


def outcomes(counts: Counts) -> str:
    """ "8 succeeded, 2 failed"; only what there is any of."""
    ends = ("succeeded", "failed", "timed_out", "lost", "cancelled")
    states = ("running", "assigned", "collecting", "pending")
    numbers = [(name, getattr(counts, name)) for name in (*ends, *states)]
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in numbers if number)


def done_of(counts: Counts) -> Cell:
    """ "8 + 2 / 10": succeeded, others that ended, and all."""
    others = counts.done - counts.succeeded
    left = f"{counts.succeeded} + {others}" if others else str(counts.succeeded)
    all_well = counts.succeeded == counts.total
    return Cell(f"{left} / {counts.total}", "red" if counts.bad else "green" if all_well else "")


def moment(text: str, now: float) -> float:
    """Unix seconds of "10m" (ago) or "2024-11-18T17:25" (local, unless it says otherwise).

    Raises:
        UsageError: neither.
    """
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError:
        pass
    try:
        return now - parse_duration(text)
    except UsageError:
        raise UsageError(
            f'"{text}" is neither a time nor a duration',
            hint="write a time such as 2024-11-18T17:25, or how long ago: 90s, 10m, 1h30m",
        ) from None

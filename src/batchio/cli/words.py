"""Times, counts and states as people read them. Local time; UTC is in the JSON."""

from __future__ import annotations

import time
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from batchio.cli.output import Cell
from batchio.core.sizes import format_dollars, format_duration, parse_duration
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
    "unattended": "red",
    "cancelled": "yellow",
    "pending": "yellow",
    "provisioning": "yellow",
    "running": "cyan",
}


def standing(word: str) -> Cell:
    """Return the cell of a state or an outcome, in its colour."""
    return Cell(word.replace("_", " "), COLOURS.get(word, ""))


def stamp(at: float | None) -> str:
    """Write Unix seconds as date and time: 2024-11-18 17:25:08; "" for None."""
    return "" if at is None else datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


def zoned(at: float) -> str:
    """Write Unix seconds as `stamp` does, with the time zone behind: 2024-11-18 17:25:08 CET."""
    return f"{stamp(at)} {zone(at)}".rstrip()


def zone(at: float | None = None) -> str:
    """Return the name of this computer's time zone at Unix seconds, or now: CET."""
    return datetime.fromtimestamp(time.time() if at is None else at).astimezone().strftime("%Z")


def clock(at: float | None) -> str:
    """Write Unix seconds as `stamp` does, without the date when it is today."""
    text = stamp(at)
    today = stamp(time.time())[:10]
    return text[11:] if text[:10] == today else text


def precise(at: float) -> str:
    """Write Unix seconds as in a line of a log: 2025-07-09 16:50:37.844000."""
    whole = int(at // 1)
    return f"{_second(whole)}.{int((at - whole) * 1_000_000):06d}"


@lru_cache(maxsize=4)
def _second(whole: int) -> str:
    return stamp(whole)


def lasted(seconds: float | None) -> str:
    """Write a duration in seconds for people; "" for None."""
    return "" if seconds is None else format_duration(seconds)


def dollars(amount: float | None) -> str:
    """Write US dollars for people; "" for None."""
    return "" if amount is None else format_dollars(amount)


def plural(number: int, noun: str) -> str:
    """Write a number with its noun: 1 task, 2 tasks."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def progressed(counts: Counts) -> str:
    """Return "3 of 10 tasks done, 1 failed, 2 running"."""
    bad = f", {counts.bad} failed" if counts.bad else ""
    running = f", {counts.running} running" if counts.running else ""
    return f"{counts.done} of {plural(counts.total, 'task')} done{bad}{running}"


def outcomes(counts: Counts) -> str:
    """Return the counts by outcome and state that are not 0: "8 succeeded, 2 failed"."""
    ends = ("succeeded", "failed", "timed_out", "lost", "cancelled")
    states = ("running", "assigned", "collecting", "pending")
    numbers = [(name, getattr(counts, name)) for name in (*ends, *states)]
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in numbers if number)


def done_of(counts: Counts) -> Cell:
    """Return the cell "8 + 2 / 10": succeeded tasks, others that ended, and all."""
    others = counts.done - counts.succeeded
    left = f"{counts.succeeded} + {others}" if others else str(counts.succeeded)
    all_well = counts.succeeded == counts.total
    return Cell(f"{left} / {counts.total}", "red" if counts.bad else "green" if all_well else "")


def moment(text: str, now: float) -> float:
    """Return the Unix seconds that "10m" (ago) or "2024-11-18T17:25" (local time) means.

    Raises:
        UsageError: the text is neither.
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

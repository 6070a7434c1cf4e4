"""Times, counts and states as people read them. Local time; UTC is in the JSON."""

from __future__ import annotations

import time
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from batchio.cli.output import Cell
from batchio.core.sizes import DURATION_FORMS, format_duration, parse_duration
from batchio.errors import UsageError

if TYPE_CHECKING:
    from batchio.core.views import Counts

COLOURS: Final = {
    "succeeded": "green",
    "failed": "red",
    "lost": "red",
    "timed_out": "red",
    "timed out": "red",
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


def tally(counts: Counts) -> str:
    """ "10 tasks: 8 succeeded, 2 failed"; only what there is any of."""
    named = ("running", "assigned", "collecting", "pending")
    ends = ("succeeded", "failed", "timed_out", "lost", "cancelled")
    parts = [
        f"{number} {name.replace('_', ' ')}"
        for name in (*ends, *named)
        if (number := getattr(counts, name))
    ]
    return f"{plural(counts.total, 'task')}: {', '.join(parts)}"


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
            hint=f"write 2024-11-18T17:25, or {DURATION_FORMS.removeprefix('write a duration such as ')}",
        ) from None

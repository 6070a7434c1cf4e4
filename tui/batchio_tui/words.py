"""Words, signs and numbers as the dashboard shows them. Local time."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Final

from batchio.core.sizes import format_duration
from batchio.core.visible import visible

if TYPE_CHECKING:
    from batchio_tui.paint import Piece

SIGNS: Final = {
    "succeeded": ("✓", "good"),
    "failed": ("✗", "bad"),
    "lost": ("✗", "bad"),
    "timed_out": ("✗", "bad"),
    "unreadable": ("✗", "bad"),
    "unattended": ("!", "bad"),
    "cancelled": ("‖", "wait"),
    "pending": ("○", "dim"),
    "assigned": ("◌", "dim"),
    "provisioning": ("◌", "wait"),
    "running": ("▶", "busy"),
    "collecting": ("↓", "busy"),
    "wanted": ("○", "dim"),
    "booting": ("◌", "wait"),
    "ready": ("●", "good"),
    "silent": ("!", "bad"),
    "unwanted": ("○", "dim"),
    "draining": ("↓", "dim"),
    "gone": ("·", "dim"),
}
"""Sign and style of each state and outcome; the word always stands beside it."""


UNTOLD: Final = "?"
"""What stands for a time that no calendar has."""


def standing(word: str) -> Piece:
    """Return sign and word of a state or an outcome."""
    sign, style = SIGNS.get(word, ("·", ""))
    return f"{sign} {word.replace('_', ' ')}", style


def plain(text: str) -> str:
    """Return a text in one line in which nothing controls the terminal."""
    return visible(text.replace("\t", " "))


def number(value: int) -> str:
    """Write a count with its thousands apart: 48,381."""
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """Write a count with its noun: "1 task", "2,000 tasks"."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def clock(at: float | None, now: float | None = None) -> str:
    """Write Unix seconds as 01:12:09, with the date before it on another day; "" for None."""
    moment, today = _local(at), _local(time.time() if now is None else now)
    if moment is None:
        return "" if at is None else UNTOLD
    shown = moment.strftime("%H:%M:%S")
    same = today is not None and moment.date() == today.date()
    return shown if same else f"{moment:%m-%d} {shown}"


def minute(at: float, now: float) -> str:
    """Write Unix seconds as 01:50, or with the date when that is another day."""
    moment, today = _local(at), _local(now)
    if moment is None or today is None:
        return UNTOLD
    if moment.year > today.year + 1:
        return lasted(at - now)  # a date of which the year is not seen would mislead
    return f"{moment:%H:%M}" if moment.date() == today.date() else f"{moment:%b %d %H:%M}"


def _local(at: float | None) -> datetime | None:
    """Return Unix seconds as local time; None for a time that no calendar has."""
    try:
        return None if at is None else datetime.fromtimestamp(at)
    except (ValueError, OverflowError, OSError):  # a clock was wrong, or a guess is far off
        return None


def lasted(seconds: float | None) -> str:
    """Write a duration in seconds; "" for None."""
    return "" if seconds is None else format_duration(max(seconds, 0.0))


def rate(per_second: float) -> str:
    """Write how many tasks end in a second, a minute or an hour: whichever is 1 or more."""
    for factor, unit in ((1, "s"), (60, "min"), (3600, "h")):
        value = per_second * factor
        if value >= 1 or unit == "h":
            return f"{value:,.0f}/{unit}" if value >= 100 else f"{value:.1f}/{unit}"
    return ""

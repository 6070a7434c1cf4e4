"""Checks of what a message may hold: each value is checked once, where it comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from batchio.agent.basics import Key

    T = TypeVar("T")

MOST = (1 << 63) - 1
MOST_TASKS = (1 << 32) - 1
"""The largest numbers that frames and log records have room for."""
MOST_SLOTS = 1 << 16
MOST_SECONDS = 1e10


def whole_number(value: Any, most: int = MOST, least: int = 0) -> int:
    """Check and return a whole number within limits. Raises ValueError, as all checks here."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError("%.80r is no whole number from %d to %d" % (value, least, most))
    return int(value)


def seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= MOST_SECONDS:  # NaN is neither
        raise ValueError("%.80r is no number of seconds" % (value,))
    return float(value)


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("%.80r is no text" % (value,))
    return value


def task_id(value: Any) -> str:
    """Check and return the id that people see: a text, or a whole number of either sign."""
    return str(value) if type(value) is int else text(value)


def listing(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("%.80r is no list" % (value,))
    return value


def table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("%.80r is no table" % (value,))
    return value


def maybe(check: Callable[[Any], T], value: Any) -> T | None:
    """Return the checked value, or None for None."""
    return None if value is None else check(value)


def attempt_key(task: Any, number: Any) -> Key:
    return whole_number(task, MOST_TASKS), whole_number(number, MOST_TASKS)


def attempt_keys(value: Any) -> list[Key]:
    return [attempt_key(*listing(pair)) for pair in listing(value)]

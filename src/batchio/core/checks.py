"""Checks of values from outside: their type, and that they can be used. Pure.

JSON knows one kind of number, of any size, and Python's also NaN and Infinity; texts may
be of any length. What comes back can be kept in a column, computed with, and shown.
"""

from __future__ import annotations

from typing import Any, Final

LARGEST: Final = (1 << 63) - 1
"""Largest whole number that is accepted; columns, files and other languages can hold it."""

LAST_MOMENT: Final = 1e11
"""Latest accepted time in Unix seconds, in the year 5138; calendars end at 9999."""


def integer(value: object, least: int = 0, most: int = LARGEST) -> int:
    """Return a whole number.

    Raises:
        ValueError: it is none, or not from `least` to `most`.
    """
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{_shown(value)} is not a whole number from {least} to {most}")
    return value


def number(value: object, least: float, most: float) -> float:
    """Return a number that is no NaN and no infinity; a whole one stays whole.

    Raises:
        ValueError: it is none, or not from `least` to `most`.
    """
    if type(value) not in (int, float) or not least <= value <= most:  # type: ignore[operator]
        raise ValueError(f"{_shown(value)} is not a number from {least} to {most}")
    return value  # type: ignore[return-value]


def moment(value: object) -> float:
    """Return a point in time, in Unix seconds.

    Raises:
        ValueError: it is none, or no calendar has it.
    """
    return float(number(value, 0, LAST_MOMENT))


def text(value: object, most: int | None = None) -> str:
    """Return a text, cut to `most` characters.

    Raises:
        ValueError: it is none.
    """
    if type(value) is not str:
        raise ValueError(f"{_shown(value)} is not text")
    return value if most is None or len(value) <= most else f"{value[: most - 1]}…"


def flag(value: object) -> bool:
    """Return yes or no.

    Raises:
        ValueError: it is neither.
    """
    if type(value) is not bool:
        raise ValueError(f"{_shown(value)} is neither true nor false")
    return value


def items(value: object) -> list[Any]:
    """Return a list.

    Raises:
        ValueError: it is none.
    """
    if type(value) is not list:
        raise ValueError(f"{_shown(value)} is not a list")
    return value


def _shown(value: object) -> str:
    """Return a value for people, or its type, when it may be long."""
    small = (
        value is None
        or isinstance(value, (bool, float))
        or (isinstance(value, int) and abs(value) <= LARGEST)
    )
    return str(value) if small else f"a {type(value).__name__}"

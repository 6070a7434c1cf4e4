"""What may come to a door: any JSON, a true value with one thing changed, bytes that were damaged.

By a seed, not by strategies of hypothesis: a hundred inputs of one example cost what one would.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ODD: Final[list[Any]] = [
    None, True, "x", [], {}, [1], -1, -65, 0.5, 10**30, -(10**30), float("nan"), float("inf"),
    float("-inf"), 1e300,
]  # fmt: skip
"""Values of which each field takes a few at most."""

SEEDS: Final = st.integers(0, (1 << 32) - 1)
AT_ONCE: Final = 100
"""Inputs from one seed: 10,000 on a developer's computer, more in CI's profile."""


def dices(seed: int) -> Iterator[Random]:
    """Yield the same dice AT_ONCE times."""
    dice = Random(seed)
    for _ in range(AT_ONCE):
        yield dice


def anything(dice: Random, words: Sequence[Any] = ("x",), depth: int = 3) -> Any:
    """Any JSON at all, and often one of the words that a true value might have there."""
    match dice.randrange(8 if depth else 5):
        case 0:
            return dice.choice(ODD)
        case 1:
            return dice.randrange(-(1 << dice.randrange(70)), 1 << dice.randrange(70))
        case 2:
            return dice.choice(words)
        case 3:
            return dice.random() * 10.0 ** dice.randrange(-300, 300)
        case 4:
            return "".join(chr(dice.randrange(0xE000)) for _ in range(dice.randrange(5)))
        case 5:
            return [anything(dice, words, depth - 1) for _ in range(dice.randrange(14))]
        case 6:
            return {str(n): anything(dice, words, depth - 1) for n in range(dice.randrange(3))}
        case _:
            return [dice.choice(words), *(anything(dice, words, depth - 1) for _ in range(2))]


def changed(dice: Random, value: Any, words: Sequence[Any] = ("x",)) -> Any:
    """A copy in which one value, somewhere, is another one."""
    if not isinstance(value, (list, dict)) or not value or not dice.randrange(6):
        return anything(dice, words)
    key = dice.choice(list(value) if isinstance(value, dict) else range(len(value)))
    copy: Any = value.copy()
    copy[key] = changed(dice, copy[key], words)
    return copy


def damaged(dice: Random, data: bytes) -> bytes:
    """The bytes with some changed, left out, or put in."""
    at = dice.randrange(len(data))
    return data[:at] + dice.randbytes(dice.randrange(6)) + data[at + dice.randrange(6) :]


def flipped(dice: Random, data: bytes) -> bytes:
    """The bytes with one bit changed."""
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]

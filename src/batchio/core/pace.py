"""How many tasks end in what time: for charts, and for what is left. Pure."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

from batchio.core.rows import BAD
from batchio.core.task import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchio.core.machine import Machine


class Ended(NamedTuple):
    """Tasks that ended, in equal parts of a time, by their present attempts."""

    all: list[int]
    """Number in each part."""
    bad: list[int]
    """Number in each part of those that failed, timed out or were lost."""


def ended_in(machine: Machine, since: float, until: float, bins: int) -> Ended:
    """Return how many tasks ended in each of `bins` equal parts from `since` to `until`.

    Args:
        since, until: Unix seconds; what ends just then counts, too.
    """
    tasks = machine.tasks
    bad = bytes(outcome in BAD for outcome in Outcome)
    failed = tasks.outcome.tobytes().translate(bad.ljust(256, b"\0"))
    return Ended(
        _binned(tasks.ended, since, until, bins),
        _binned(compress(tasks.ended, failed), since, until, bins) if any(failed) else [0] * bins,
    )


def _binned(times: Iterable[float], since: float, until: float, bins: int) -> list[int]:
    counts = [0] * (bins + 1)
    scale = bins / (until - since) if until > since else 0.0
    for at in times:
        if since <= at <= until:
            counts[int((at - since) * scale)] += 1
    counts[bins - 1] += counts.pop()
    return counts

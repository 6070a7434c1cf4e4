"""How many tasks end in what time, how fast a job goes, and when it will be done. Pure."""

from __future__ import annotations

from itertools import compress
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from batchio.core.endings import BAD
from batchio.core.task import Outcome, TaskState

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


def rate(machine: Machine, now: float) -> float | None:
    """Return how many attempts end in a second, of late; None before two have ended."""
    recent, job = machine.endings.recent, machine.running_job
    if len(recent) < 2:
        return None
    first = min(ending.at for ending in recent)
    last = max(ending.at for ending in recent)
    seconds = max(last if job.closed or not machine.undone else now, last) - first
    return (len(recent) - 1) / seconds if seconds > 0 else None


def expected(machine: Machine, now: float) -> float | None:
    """Return when the job will be done if it goes on as it does, in Unix seconds; None: unknown.

    It is the later of two guesses: from how fast attempts end of late, and from how long they
    take and how many can run at a time.
    """
    undone, endings, mean = machine.undone, machine.endings, machine.mean
    fast = rate(machine, now)
    done = machine.tasks.by_state[TaskState.DONE]
    slots = min(machine.capacity, undone)
    if not undone or not done or not fast or mean is None or not slots:
        return None
    share = done / max(endings.count, done)  # attempts that are tried again end no task
    return now + max(undone / (fast * share), (ceil(undone / slots) - 0.5) * mean / share)


def often(per_second: float) -> str:
    """Write a frequency for people: "13 a second", "20 a minute", "3 an hour"."""
    for unit, seconds in (("a second", 1.0), ("a minute", 60.0), ("an hour", 3600.0)):
        if (number := per_second * seconds) >= 1 or unit == "an hour":
            break
    return f"{number:.2g} {unit}" if number < 10 else f"{round(number):,} {unit}"

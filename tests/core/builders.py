"""Builders for tests of the machine: jobs, records, replays, and what a replay must bring back."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from batchio.core import events as ev
from batchio.core.arrays import TaskIds
from batchio.core.machine import Machine
from batchio.core.spec import JobSpec
from batchio.core.task import COLUMNS

Pair = tuple[int, int]


def spec(tasks: int | TaskIds = 3, **options: Any) -> JobSpec:
    """A job of so many tasks."""
    ids = TaskIds.count(tasks) if isinstance(tasks, int) else tasks
    return JobSpec(**{"name": "j", "provider": "p", "argv": ("true",), "tasks": ids, **options})


def record(
    task: int, attempt: int = 1, exit: int = 0, reason: str = "", *, files: int = 0,
    seconds: float = 1.0, at: float = 1000.0,
) -> list[Any]:  # fmt: skip
    """What an agent says of a finished attempt."""
    tail = "" if exit == 0 else "last words"
    return [task, attempt, exit, reason, at - seconds, at, 1 << 20, 0.5, 0, 10, files, files, tail]


def replay(journal: list[str]) -> Machine:
    """The machine after these events, ready to go on."""
    machine = Machine()
    for line in journal:
        machine.apply(ev.decode(line))
    machine.recovered()
    return machine


def fingerprint(m: Machine) -> dict[str, Any]:
    """All that a replay must bring back."""
    nodes = [
        {name: getattr(node, name) for name in type(node).__slots__ if name != "roomy"}
        for node in m.nodes
    ]
    sums = ("live", "ready", "held", "capacity", "used", "condemned", "scheduler", "mean")
    more = ("opened", "offers", "trouble", "job", "notes", "taken")
    tasks = m.tasks
    alive = {
        "nodes": nodes,
        "idle": sorted(m.idle),
        "queue": {t: m.queue.not_before(t) for t in range(tasks.count)},
        "counts": (tasks.by_state, tasks.by_outcome),
        "words": (tasks.tails, tasks.reasons),
        **{name: getattr(m, name) for name in (*sums, *more)},
        **{name: list(getattr(tasks, name)) for name in COLUMNS},
    }
    return deepcopy(alive)

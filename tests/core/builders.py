"""Builders for tests of the machine: jobs, records, replays, and what a replay must bring back."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from batchio.core import events as ev
from batchio.core.arrays import TaskIds
from batchio.core.machine import Machine
from batchio.core.plan import Offer
from batchio.core.reports import Ended
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
) -> Ended:  # fmt: skip
    """What an agent says of a finished attempt."""
    tail = "" if exit == 0 else "last words"
    begun = at - seconds
    return Ended(task, attempt, exit, reason, begun, at, 1 << 20, 0.5, 0, 10, files, files, tail)


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
        {name: getattr(node, name) for name in type(node).__slots__ if name != "maybe_free"}
        for node in m.nodes
    ]
    sums = ("live", "ready", "held", "capacity", "silent", "doomed", "used", "quarantined", "mean")
    more = ("dispatch_started", "scheduler", "trouble", "job", "notes", "taken")
    provider = ("offers", "orders")
    tasks = m.tasks
    alive = {
        "nodes": nodes,
        "idle": sorted(m.idle),
        "queue": {t: m.queue.not_before(t) for t in range(tasks.count)},
        "counts": (tasks.by_state, tasks.by_outcome),
        "words": (tasks.tails, tasks.reasons),
        "endings": m.endings.to_json(),
        **{name: getattr(m, name) for name in (*sums, *more, *provider)},
        **{name: list(getattr(tasks, name)) for name in COLUMNS},
    }
    return deepcopy(alive)


@st.composite
def jobs(draw: st.DrawFn) -> JobSpec:
    """Small jobs with every option that the machine looks at."""
    tasks = draw(st.integers(1, 12) | st.just(30))
    some = st.none() | st.integers(1, 3)
    return spec(
        tasks,
        max_retries=draw(st.integers(0, 2)),
        sync=draw(st.sampled_from([None, None, "/project"])),
        max_infra_retries=draw(st.integers(0, 4)),
        retry_delay=draw(st.sampled_from([0.0, 1.0, 30.0])),
        retry_on=draw(st.sampled_from([None, ((1, 1),)])),
        at_once=draw(st.sampled_from([None, None, 1, 2])),
        max_workers=draw(st.sampled_from([None, -1, 1, 2])),
        min_workers=draw(st.sampled_from([None, None, 2])),
        wait_for_ready=draw(st.booleans()),
        job_timeout=draw(st.sampled_from([None, None, 50.0])),
        max_cost=draw(st.sampled_from([None, None, None, 0.9, 3.0])),
        task_on_scheduler=draw(st.sampled_from([None, True, False])),
        scheduler_tasks=TaskIds.count(min(draw(some) or 0, tasks))
        if draw(st.integers(0, 9)) > 7
        else None,
    )


OFFERS = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.booleans(), st.sampled_from(["", "g"])),
    max_size=3,
).map(
    lambda rows: [
        Offer(f"o{n}", limit=limit, slots=slots, rented=rents, rate=float(rents), group=group)
        for n, (limit, slots, rents, group) in enumerate(rows)
    ]
)

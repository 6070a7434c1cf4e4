"""The machine alone, in one process: CPU time and memory a task, from 10^3 to 10^6 tasks.

Scripted nodes answer at once; events are encoded but not written. `one record an event`
is the worst case: each finished task is news of its own, and decided upon before the next.

    python -m benchmarks.machine [--most 1000000]
"""

from __future__ import annotations

import time
import tracemalloc
from collections import deque

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.arrays import TaskIds
from batchio.core.machine import Machine
from batchio.core.plan import Offer
from batchio.core.spec import JobSpec
from benchmarks.side_by_side import options
from tests.core.at_once import AtOnce

T0 = 1_700_000_000.0


def run(tasks: int, nodes: int, slots: int, *, single: bool) -> Machine:
    """One job from submission to its end; raises when it does not get there."""
    machine, now = Machine(), T0
    spec = JobSpec(name="b", provider="p", argv=("true",), tasks=TaskIds.count(tasks))
    world = AtOnce([Offer(f"h{n}") for n in range(nodes)], slots)
    pending: deque[ef.Effect] = deque()
    facts: list[ev.Event] = [ev.JobSubmitted(now, "j", spec.to_json())]
    while True:
        batch = [fact for fact in facts if machine.apply(fact)]
        batch += machine.decide(now)
        for event in batch:
            ev.encode(event)
        pending += machine.pop_effects()
        if machine.running_job.closed:
            return machine
        if not pending:
            raise SystemExit(f"stalled: {machine.tasks.by_state}")
        facts = []
        while pending and not (single and facts):
            now += 1e-5
            effect = pending.popleft()
            if single and isinstance(effect, ef.StartTasks):
                facts += [world.ended(effect.node, [pair], now) for pair in effect.tasks]
            else:
                facts += world.answer(effect, now)


def main() -> None:
    """Print the table."""
    most = options(__doc__, most=10**6).most
    print(f"{'tasks':>9} {'nodes':>6} {'slots':>6}  {'news':<22} {'us/task':>8} {'tasks/s':>9}")
    for nodes, slots, single in ((1000, 1, True), (1000, 1, False), (10, 16, False)):
        tasks = 10**3
        while tasks <= most:
            began = time.process_time()
            run(tasks, nodes, slots, single=single)
            spent = time.process_time() - began
            news = "one record an event" if single else "in batches"
            print(
                f"{tasks:>9} {nodes:>6} {slots:>6}  {news:<22}"
                f" {spent / tasks * 1e6:>8.1f} {tasks / spent:>9.0f}"
            )
            tasks *= 10
    tracemalloc.start()
    machine = run(min(most, 10**5), 1000, 1, single=False)
    held, peak = tracemalloc.get_traced_memory()
    print(f"memory: {held / machine.tasks.count:.0f} bytes a task held, {peak >> 20} MiB peak")


if __name__ == "__main__":
    main()

"""The engine alone: wheel, machine and journal, with scripted nodes that answer at once.

    python -m benchmarks.engine [--nodes 1000] [--most 1000000] [--rounds 3]

No agents and no processes: every effect is answered by an event at once, so what is measured
is what the head itself costs a task. Each size runs in a process of its own, for its memory.
The journal is a real one, synced at each commit, in a temporary folder.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchio.core import events as ev
from batchio.core.arrays import TaskIds
from batchio.core.machine import Machine
from batchio.core.plan import Offer
from batchio.core.spec import JobSpec
from batchio.runtime.clock import RealClock
from batchio.runtime.loop import EngineLoop
from batchio.stores.folder import FolderWorkspace
from benchmarks.side_by_side import Table, options, peak_mb, scratch
from tests.core.at_once import AtOnce

if TYPE_CHECKING:
    from batchio.core import effects as ef

SLOTS: Final = 2

FEW: Final = 10
"""Nodes where the cost of a task is to be seen, and not that of a node."""


async def turn(root: Path, count: int, nodes: int) -> float:
    """Run a job of `count` tasks over `nodes` nodes to its end; returns seconds."""
    spec = JobSpec(
        name="bench", provider="p", argv=("true",), tasks=TaskIds.count(count), max_workers=nodes
    )
    workspace, now = FolderWorkspace(root), time.time()
    with workspace.draft(now) as draft:
        submitted = ev.JobSubmitted(now, draft.id, spec.to_json())
        draft.commit([ev.encode(submitted)])
    began = time.perf_counter()
    journal = workspace.job(draft.id).lead()
    machine, world = Machine(), AtOnce([Offer("m", limit=nodes, slots=SLOTS)], SLOTS)
    machine.apply(submitted)
    wheel = EngineLoop(machine, journal, RealClock())

    def perform(effect: ef.Effect) -> None:
        for fact in world.answer(effect, time.time()):
            wheel.post(fact)

    await wheel.run(perform, [ev.HeadStarted(now, journal.epoch, "here", os.getpid())])
    await journal.close()
    assert machine.outcome.label == "succeeded", machine.outcome
    return time.perf_counter() - began


def alone(root: Path, count: int, nodes: int) -> tuple[float, float, float, float]:
    """In a process of its own: wall seconds, CPU seconds, peak MB, and the journal's MB."""
    command = [sys.executable, "-m", "benchmarks.engine", str(root), str(count), str(nodes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall, cpu, peak, disk = map(float, done.stdout.split())
    return wall, cpu, peak, disk


def inside(root: str, count: str, nodes: str) -> None:
    """That process."""
    before = time.process_time()
    wall = asyncio.run(turn(Path(root), int(count), int(nodes)))
    disk = sum(file.stat().st_size for file in Path(root).rglob("journal.sqlite"))
    print(wall, time.process_time() - before, peak_mb(os.getpid()), disk / 1e6)


def main() -> None:
    asked = options(__doc__, nodes=1000, most=1_000_000, rounds=3)
    table = Table("the engine alone: scripted nodes, real journal")
    large = [size for size in (100_000, 1_000_000) if size <= asked.most]
    for size in large:
        wall, _, peak, disk = best(size, asked.nodes, asked.rounds)
        what = f"{size:,} tasks over {asked.nodes:,} nodes"
        table.least(f"{what}: tasks/s", size / wall, 20_000)
        table.most(f"{what}: peak memory", peak, 300 if size <= 100_000 else 600, " MB")
        table.add(f"{what}: journal", f"{disk:.1f} MB")
    sizes = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= asked.most]
    costs = {size: best(size, FEW, asked.rounds)[1] / size * 1e6 for size in sizes}
    for size, cost in costs.items():
        table.add(f"{size:,} tasks over {FEW} nodes: CPU a task", f"{cost:.1f} us")
    last = sizes[-1]
    table.most(f"CPU a task: {last:,} tasks / 1,000", costs[last] / costs[1_000], 1.5, " x")
    table.show()


def best(size: int, nodes: int, rounds: int) -> tuple[float, float, float, float]:
    """The quickest of so many rounds; a million tasks run once."""
    with scratch() as folder:
        turns = range(rounds if size < 1_000_000 else 1)
        return min(alone(folder / str(number), size, nodes) for number in turns)


if __name__ == "__main__":
    if len(sys.argv) == 4 and not sys.argv[1].startswith("-"):
        inside(*sys.argv[1:])
    else:
        main()

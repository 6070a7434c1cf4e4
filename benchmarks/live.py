"""Looking at a large job: opening it, a window of rows, a filtered sort, a jump; and idle logs.

    python -m benchmarks.live [--tasks 100000] [--nodes 1000] [--rounds 7]

The job is real but for its nodes: an event a task that starts and a task that ends. Times are
CPU time of this process; `share` is of one core, over seconds in which nothing is printed.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from batchio.core import events as ev
from batchio.core.arrays import TaskIds
from batchio.core.lens import Order, Where
from batchio.core.plan import Offer
from batchio.core.reports import Ended
from batchio.core.snapshot import dump
from batchio.core.spec import JobSpec
from batchio.runtime.live import Live
from batchio.runtime.replay import Fold
from batchio.stores.folder import FolderWorkspace
from batchio.stores.log_records import HEADER, STDOUT
from batchio.stores.logs import LINES
from batchio.tasklogs import Lines, follow
from benchmarks.side_by_side import Table, options, scratch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchio.stores.folder_job import FolderJobStore

IDLE_S = 5.0


def main() -> None:
    asked = options(__doc__, tasks=100_000, nodes=1000, rounds=7)
    table = Table(f"Looking at {asked.tasks:,} tasks on {asked.nodes:,} nodes, CPU seconds")
    with scratch() as folder:
        store = asyncio.run(made(folder / "done", told(asked.tasks, asked.nodes)))
        asyncio.run(looked(table, store, asked.tasks, asked.rounds))
        idle = asyncio.run(made(folder / "idle", running(asked.nodes)))
        printed(idle, asked.nodes)
        share = asyncio.run(followed(idle))
        table.most(f"share of a core: {asked.nodes:,} nodes' idle logs", share, 0.01)
    table.show()


async def looked(table: Table, store: FolderJobStore, tasks: int, rounds: int) -> None:
    """Each look, the best of all rounds."""
    best: dict[str, float] = {}

    def took(name: str, began: float) -> float:
        now = time.process_time()
        best[name] = min(best.get(name, 1e9), now - began)
        return time.process_time()

    for _ in range(rounds):
        at = time.process_time()
        async with Live(store) as live:
            at = took("open, with a snapshot", at)
            live.rows(range(tasks // 2, min(tasks // 2 + 40, tasks)))
            at = took("a window of 40 rows", at)
            done = Where(standing=frozenset(["succeeded"]), attempt=1)
            live.select(done, Order("duration", backwards=True))
            at = took("a filter, sorted by duration", at)
            _ = live.view
            took("the header", at)
    async with Live(store) as live:
        end = live.position
        for name in ("the first jump to the middle", "another jump near it"):
            at = time.process_time()
            await live.seek(max(end // 2 + (end // 50) * (name[0] == "a"), 1))
            took(name, at)
    limits = (0.3, 0.002, 0.05, None, None, 0.25)
    for (name, value), limit in zip(best.items(), limits, strict=True):
        if limit is None:
            table.add(name, f"{value:.3g}")
        else:
            table.most(name, value, limit)


def told(tasks: int, nodes: int) -> Iterator[ev.Event]:
    """A whole job: assigned, started, ended one by one."""
    yield from greeted(nodes)
    for task in range(tasks):
        node, at = task % nodes, 2.0 + task / 100
        yield ev.TasksAssigned(at, node, [[task, 1]])
        yield ev.TasksStarted(at, node, [[task, 1, at]])
        seconds = 1 + task * 7919 % 1000 / 10
        code = int(task % 100 == 0)
        end = Ended(task, 1, code, "", at, at + seconds, 4096, 0.5, 0, 9, 0, 0, "")
        yield ev.TasksFinished(at + seconds, node, task // nodes + 1, [end])


def running(nodes: int) -> Iterator[ev.Event]:
    """A task on each node that runs and is silent."""
    yield from greeted(nodes)
    for node in range(nodes):
        yield ev.TasksAssigned(2.0, node, [[node, 1]])
        yield ev.TasksStarted(2.0, node, [[node, 1, 2.0]])


def greeted(nodes: int) -> Iterator[ev.Event]:
    yield ev.HeadStarted(1.0, 1, "here", 1)
    yield ev.OffersListed(1.0, [Offer("o", limit=nodes, slots=1).to_json()])
    yield ev.NodesOrdered(1.0, 0, [["o", nodes, 1]])
    for node in range(nodes):
        yield ev.NodeCreated(1.0, node, f"h{node}")
        yield ev.NodeGreeted(1.0, node, 1, {"hostname": f"n{node}", "instance": "i"})


async def made(root: Path, events: Iterator[ev.Event], *, snapshot: bool = True) -> FolderJobStore:
    """A job with this journal, a snapshot at its end, and nobody who leads it."""
    body = list(events)
    count = 1 + max((e.tasks[0][0] for e in body if isinstance(e, ev.TasksAssigned)), default=0)
    spec = JobSpec(name="bench", provider="p", argv=("true",), tasks=TaskIds.count(count))
    workspace = FolderWorkspace(root)
    with workspace.draft(1.0) as draft:
        draft.commit([ev.encode(ev.JobSubmitted(1.0, draft.id, spec.to_json()))])
    store: Any = workspace.job(draft.id)
    journal = store.lead()
    await journal.append([ev.encode(event) for event in body])
    if snapshot:
        fold = Fold(store.reader())
        fold.catch_up()
        await journal.snapshot(dump(fold.machine))
    await journal.close()
    found: FolderJobStore = store
    return found


def printed(store: FolderJobStore, nodes: int) -> None:
    """A line in the log of each node."""
    for node in range(nodes):
        folder = store.folder / "logs" / str(node)
        folder.mkdir(parents=True)
        data = HEADER.pack(6, node, 1, STDOUT, 0, 1_000_000) + b"hello\n"
        (folder / f"{0:020d}").write_bytes(data)


async def followed(store: FolderJobStore) -> float:
    """Share of a core while nothing is printed, and somebody leads."""
    journal = store.lead()
    lines = follow(store, Lines(), LINES)
    seen = 0

    async def read() -> None:
        nonlocal seen
        async for _ in lines:
            seen += 1

    reading = asyncio.create_task(read())
    await asyncio.sleep(IDLE_S)  # until the pauses are long
    before = time.process_time()
    await asyncio.sleep(IDLE_S)
    share = (time.process_time() - before) / IDLE_S
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await journal.close()
    assert seen
    return share


if __name__ == "__main__":
    main()

"""What a person sees of a large job that failed here and there: its status, and its report.

    python -m benchmarks.report [--tasks 100000] [--nodes 200] [--rounds 3]

The journal is like a real one: an event a task that is sent, that starts and that ends, and one
attempt of 75 fails and is tried again. `status` folds all of it, as there is no snapshot. Times
are CPU time of this process.
"""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING

from batchio.core import events as ev
from batchio.core.reports import Ended
from batchio.job import Job
from batchio.report.gathering import gather
from batchio.report.page import page
from batchio.runtime.host import plainly
from batchio.runtime.live import Live
from batchio.stores.folder import FolderWorkspace
from benchmarks.live import greeted, made
from benchmarks.side_by_side import Table, options, scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.core.history import History
    from batchio.stores.folder_job import FolderJobStore

FAILING: int = 75
"""One attempt of so many fails."""


def main() -> None:
    asked = options(__doc__, tasks=100_000, nodes=200, rounds=3)
    table = Table(f"What a person sees of {asked.tasks:,} tasks on {asked.nodes:,} nodes, CPU s")
    with scratch() as folder:
        events = list(told(asked.tasks, asked.nodes))
        fresh = asyncio.run(made(folder / "fresh", iter(events), snapshot=False))
        kept = asyncio.run(made(folder / "kept", iter(events)))
        status = min(_status(folder / "fresh", fresh) for _ in range(asked.rounds))
        table.add(f"status of {len(events):,} events without a snapshot", f"{status:.3g}")
        status = min(_status(folder / "kept", kept) for _ in range(asked.rounds))
        table.most("status with a snapshot", status, 0.3)
        took, size = min(_report(kept) for _ in range(asked.rounds))
        table.most("report, beyond reading the journal", took, 2.0)
        table.most("report, megabytes", size / 1e6, 2.0)
    table.show()


def told(tasks: int, nodes: int) -> Iterator[ev.Event]:
    """A whole job, whose tasks are sent, start and end one by one."""
    yield from greeted(nodes)
    chance = Random(1)
    for task in range(tasks):
        node, at = task % nodes, 2.0 + task / 100 + chance.random()
        seconds = 1 + chance.lognormvariate(2, 0.5)
        yield ev.TasksAssigned(at, node, [[task, 1]])
        yield ev.TasksStarted(at, node, [[task, 1, at]])
        if task % FAILING == 0:
            words = f"ValueError: bad row {task} in part-{task:05}"
            record = Ended(task, 1, 1, "", at, at + 1.0, 4096, 0.5, 0, 9, 0, 0, words)
            yield ev.TasksFinished(at + 1.0, node, task // nodes + 1, [record])
            yield ev.TasksRequeued(at + 1.0, [[task, 0.0, "user"]])
            yield ev.TasksAssigned(at + 1.0, node, [[task, 2]])
            yield ev.TasksStarted(at + 1.0, node, [[task, 2, at + 1.0]])
        attempt, code = 1 + (task % FAILING == 0), int(task % (FAILING * 80) == 0)
        end = Ended(task, attempt, code, "", at, at + seconds, 4096, 0.5, 0, 9, 0, 0, "bad" * code)
        yield ev.TasksFinished(at + seconds, node, task // nodes + 1, [end])


def _status(root: object, store: FolderJobStore) -> float:
    job, began = Job(FolderWorkspace(root), store.id), time.process_time()  # type: ignore[arg-type]
    view = plainly(job.status())
    view.failures(attempts=True)
    return time.process_time() - began


def _report(store: FolderJobStore) -> tuple[float, int]:
    """CPU seconds of a report without reading the journal, and its size in bytes."""
    read = 0.0

    class Timed(Live):
        async def history(self) -> History:
            nonlocal read
            began = time.process_time()
            found = await super().history()
            read += time.process_time() - began
            return found

    async def nothing(_: int, __: int) -> str:
        return ""

    began = time.process_time()
    text = page(plainly(gather(store, nothing, Timed)))
    return time.process_time() - began - read, len(text)


if __name__ == "__main__":
    main()

"""The dashboard before a large job: first screen, keys, sorting, filtering, time travel.

    python -m benchmarks.dashboard [--tasks 100000] [--nodes 200] [--seconds 5]

The job is real but for its nodes, and its journal has an event for each change. Times are CPU
time of this process; a key is measured from the press until its screen is drawn, in wall time.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import App

from batchio.api import Job
from batchio.core import events as ev
from batchio.stores.folder import FolderWorkspace
from batchio_tui import Dashboard
from batchio_tui.tasks import Tasks
from benchmarks.live import made, running, told
from benchmarks.side_by_side import Table, options, scratch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from batchio.stores.folder_job import FolderJobStore
    from batchio_tui import JobPane

RATE = 1000
"""Events a second that are written while keys are pressed."""


def main() -> None:
    asked = options(__doc__, tasks=100_000, nodes=200, seconds=5)
    table = Table(f"The dashboard before {asked.tasks:,} tasks")
    with scratch() as folder:
        asyncio.run(all_of(table, folder, asked.tasks, asked.nodes, asked.seconds))
    table.show()


async def all_of(table: Table, folder: Path, tasks: int, nodes: int, seconds: float) -> None:
    """Measure one after the other."""
    store = await made(folder / "done", told(tasks, nodes))
    job = Job(FolderWorkspace(folder / "done"), store.id)
    empty = await first_screen(App[None]())
    opened = await first_screen(Dashboard(job))
    table.add("first screen of an empty Textual app, s", f"{empty:.2f}")
    table.most("first screen, snapshot there, s", opened, 1.3 * empty + 0.2)
    await looked(table, job)
    (store.folder / "snapshot").unlink(missing_ok=True)
    await read_on(table, job, empty, 3 * tasks)
    busy = await made(folder / "busy", running(nodes))
    await pressed(table, busy, Job(FolderWorkspace(folder / "busy"), busy.id), nodes, seconds)


async def first_screen(app: App[Any]) -> float:
    """CPU seconds until the first whole screen."""
    began = time.process_time()
    async with app.run_test(size=(80, 24)) as pilot:
        if isinstance(app, Dashboard):
            await shown(app)
        else:
            await pilot.pause()
        return time.process_time() - began


async def shown(app: Dashboard) -> None:
    """Wait until the job stands on the screen; `pilot.pause` would wait until all was read."""
    while not hasattr(app.screen, "pane") or pane_of(app).live is None:
        await asyncio.sleep(0.001)
    drawn = asyncio.Event()
    pane_of(app).call_after_refresh(drawn.set)
    await drawn.wait()


def pane_of(app: Dashboard) -> JobPane:
    """The job that is shown."""
    pane: JobPane = app.screen.pane  # type: ignore[attr-defined]
    return pane


async def looked(table: Table, job: Job) -> None:
    """Sorting, filtering, and jumps in time."""
    app = Dashboard(job)
    async with app.run_test(size=(80, 24)) as _:
        await shown(app)
        pane, view = pane_of(app), pane_of(app).view
        assert isinstance(view, Tasks)
        table.most("sort by duration, s", cpu(lambda: view.sort("duration", backwards=True)), 0.15)
        table.most("filter: bad >50s, s", cpu(lambda: view.choose("bad >50s")), 0.15)
        view.choose("")
        live = pane.live
        assert live is not None
        end = live.position
        await live.seek(end // 2)
        jumps = [await waited(partial(live.seek, end // 10 * n + 1)) for n in range(1, 6)]
        table.most("a jump in time after the first, s", max(jumps), 0.25)


def cpu(act: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    began = time.process_time()
    act()
    return time.process_time() - began


async def waited(act: Callable[[], Awaitable[object]]) -> float:
    """CPU seconds of a call that waits."""
    began = time.process_time()
    await act()
    return time.process_time() - began


async def read_on(table: Table, job: Job, empty: float, events: int) -> None:
    """A journal without a snapshot: the first screen, keys while it is read, and how fast."""
    app = Dashboard(job)
    began, wall = time.process_time(), time.perf_counter()
    async with app.run_test(size=(80, 24)) as _:
        await shown(app)
        pane = pane_of(app)
        table.most("first screen, no snapshot, s", time.process_time() - began, 1.3 * empty + 0.5)
        keys: list[float] = []
        while pane.live is not None and pane.live.reading < 1:
            keys.append(await key_time(app, len(keys) % 2 > 0))
            await asyncio.sleep(0.02)
        took = time.perf_counter() - wall
        table.most("the slowest key while it is read, ms", max(keys, default=0) * 1e3, 50)
        table.add("events read a second, keys beside", f"{events / took:,.0f}")


async def key_time(app: Dashboard, back: bool = False) -> float:
    """Wall seconds from a key until the row that it leads to is drawn."""
    view, drawn = pane_of(app).view, asyncio.Event()
    assert isinstance(view, Tasks)
    before, began = view.cursor, time.perf_counter()
    app.simulate_key("k" if back else "j")
    while view.cursor == before:
        await asyncio.sleep(0)
    view.call_after_refresh(drawn.set)
    await drawn.wait()
    return time.perf_counter() - began


async def pressed(
    table: Table, store: FolderJobStore, job: Job, nodes: int, seconds: float
) -> None:
    """Keys and CPU while 1,000 events a second are written."""
    journal = store.lead()
    app = Dashboard(job)
    async with app.run_test(size=(80, 24)) as _:
        await shown(app)
        began, wall = time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        idle = (time.process_time() - began) / (time.perf_counter() - wall)
        table.most("share of a core: nothing happens", idle, 0.01)
        writing = asyncio.create_task(write(journal, nodes))
        keys: list[float] = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            keys.append(await key_time(app, len(keys) % 2 > 0))
            await asyncio.sleep(0.02)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        table.most("key to screen, median, ms", statistics.median(keys) * 1e3, 10)
        table.most("key to screen, 95 of 100, ms", sorted(keys)[len(keys) * 95 // 100] * 1e3, 50)
    await journal.close()


async def write(journal: Any, nodes: int) -> None:
    """Write as a head does, 1,000 events a second: connections break and come back."""
    count = 0
    while True:
        events: list[ev.Event] = []
        for node in range(count, count + RATE // 20 // 2):
            events += [
                ev.NodeSilent(3.0, node % nodes, "no answer"),
                ev.NodeHeard(3.0, node % nodes),
            ]
        count += RATE // 20 // 2
        await journal.append([ev.encode(event) for event in events])
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    main()

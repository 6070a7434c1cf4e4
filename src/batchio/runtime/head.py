"""The head: whoever holds the lease of a job turns its wheel until the job is closed.

`lead` runs inside any asyncio loop; `batchio.heads` says in which.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from batchio.core import events as ev
from batchio.core.node import NodeState
from batchio.core.retry import Cause
from batchio.core.task import Outcome, TaskState
from batchio.errors import BatchioError, JournalDown, JournalFull
from batchio.runtime.clock import RealClock
from batchio.runtime.loop import EngineLoop
from batchio.runtime.perform import EffectRunner
from batchio.runtime.replay import Fold

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec
    from batchio.ports import Clock, JobStore, Provider


async def lead(
    store: JobStore,
    provider: Callable[[JobSpec], Provider],
    *,
    secrets: dict[str, str] | None = None,
    clock: Clock | None = None,
    kind: str = "local",
) -> Outcome:
    """Take the job's lease, go on where its journal ends, and run it to its end.

    Args:
        provider: Called once, with the spec of the job.
        secrets: Values by name; they go to nodes and are written nowhere.
        kind: What kind of head this is, as `JobSpec.head` has it.

    Raises:
        LeaseHeld: another head has it.
        JournalFull: the disk is full. Everything that ran was stopped.
        JournalCorrupt: the journal cannot be followed.
    """
    clock = clock or RealClock()
    journal = await asyncio.to_thread(store.lead, kind)
    try:
        machine = await asyncio.to_thread(_replayed, store)
        requests = _Requests(store, machine, clock)
        asked = await requests.take()
        first = [*_takeover(machine, journal.epoch, kind, clock.now()), *asked]
        await requests.drop_answered()
        if machine.running_job.closed and not asked:
            return machine.outcome
        lender = provider(machine.running_job.spec)
        try:
            wheel = EngineLoop(machine, journal, clock)
            async with asyncio.TaskGroup() as group:
                hands = EffectRunner(
                    machine, store, lender, wheel.post, clock, group, secrets or {},
                    journal.epoch,
                )  # fmt: skip
                beside = [
                    group.create_task(work)
                    for work in (requests.watch(wheel.post), requests.drop())
                ]
                try:
                    await wheel.run(hands, first, watchers=(hands.saw, requests.saw))
                except JournalFull:
                    await hands.abandon()
                    raise
                finally:
                    for task in beside:
                        task.cancel()
                    hands.let_go()
            await requests.drop_answered()
        finally:
            with suppress(Exception):  # the job is over, whatever its provider says to that
                await lender.aclose()
        return machine.outcome
    except BaseExceptionGroup as group_error:
        raise _first(group_error) from None
    finally:
        await journal.close()


def _replayed(store: JobStore) -> Machine:
    with closing(store.reader()) as reader:
        fold = Fold(reader)
        fold.catch_up()
        return fold.machine


def _first(error: BaseException) -> BaseException:
    """The one that says most: an error of ours, however deep it lies in groups."""
    while isinstance(error, BaseExceptionGroup):
        ours = error.subgroup(BatchioError)
        error = (ours or error).exceptions[0]
    return error


def _takeover(machine: Machine, epoch: int, kind: str, now: float) -> list[ev.Event]:
    """A new head has no connections: every node is silent until it is heard again."""
    first: list[ev.Event] = [ev.HeadStarted(now, epoch, socket.gethostname(), os.getpid(), kind)]
    first += [
        ev.NodeSilent(now, node.number, "a new head took over")
        for node in machine.nodes
        if node.state is NodeState.READY
    ]
    return first


class _Requests:
    """What other processes ask of this head."""

    def __init__(self, store: JobStore, machine: Machine, clock: Clock) -> None:
        self._store = store
        self._machine = machine
        self._clock = clock
        self._seen: set[str] = set()
        self._answered: list[str] = []
        self._some_answered = asyncio.Event()

    async def take(self) -> list[ev.Event]:
        """Return new requests as events; each with a mark that it was taken."""
        out: list[ev.Event] = []
        try:
            asked = await asyncio.to_thread(self._store.asked)
        except JournalDown:
            return []
        for name, request in asked:
            if name in self._seen:
                continue  # it is dropped once it stands in the journal
            self._seen.add(name)
            if name in self._machine.taken:
                self._answer([name])
                continue
            now = self._clock.now()
            out += [*self._events(request, now), ev.RequestTaken(now, name)]
        return out

    def _events(self, request: dict[str, Any], now: float) -> list[ev.Event]:
        tasks = request.get("tasks")
        match request.get("kind"):
            case "cancel":
                return [ev.CancelRequested(now, tasks, str(request.get("why", "")))]
            case "retry":
                chosen = [
                    [task, 0.0, str(Cause.ASKED)]
                    for task in self._ended(tasks)
                    if self._machine.tasks.state[task] == TaskState.DONE
                ]
                return [ev.TasksRequeued(now, chosen)] if chosen else []
            case other:
                return [ev.Noted(now, f"a request of an unknown kind was ignored: {other!r}")]

    def _ended(self, tasks: list[int] | None) -> list[int]:
        """The tasks named, or all that did not succeed."""
        if tasks is not None:
            return tasks
        outcomes = self._machine.tasks.outcome
        bad = (Outcome.NONE, Outcome.SUCCEEDED)
        return [task for task, outcome in enumerate(outcomes) if outcome not in bad]

    def saw(self, batch: list[ev.Event]) -> None:
        """Note what stands in the journal: it need not stand among the requests."""
        self._answer([event.name for event in batch if isinstance(event, ev.RequestTaken)])

    def _answer(self, names: list[str]) -> None:
        self._answered += names
        if names:
            self._some_answered.set()

    async def watch(self, post: Callable[[ev.Event], None]) -> None:
        """Look for requests again and again; ends with the head."""
        while True:
            await self._clock.sleep(self._store.pace.requests)
            for event in await self.take():
                post(event)

    async def drop(self) -> None:
        """Drop requests as they are answered; ends with the head."""
        while True:
            await self._some_answered.wait()
            self._some_answered.clear()
            await self.drop_answered()

    async def drop_answered(self) -> None:
        """Drop all requests that are answered."""
        while self._answered:
            try:
                await asyncio.to_thread(self._store.answered, self._answered[0])
            except JournalDown:
                return  # the next head drops it
            self._answered = self._answered[1:]

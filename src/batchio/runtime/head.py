"""The head: whoever holds the lease of a job turns its wheel until the job is closed.

`lead` runs inside any asyncio loop; `batchio.detached` gives it a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any, Final

from batchio.core import events as ev
from batchio.core.node import NodeState
from batchio.core.retry import Cause
from batchio.core.task import Outcome, TaskState
from batchio.errors import BatchioError, JournalFull
from batchio.runtime.clock import RealClock
from batchio.runtime.loop import EngineLoop
from batchio.runtime.perform import EffectRunner
from batchio.runtime.replay import Fold

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec
    from batchio.ports import Clock, Provider
    from batchio.stores.folder import Workspace
    from batchio.stores.inbox import Inbox

INBOX_EVERY_S: Final = 0.1
"""Seconds between two looks at the inbox: how long a cancel may go unheard."""


async def lead(
    workspace: Workspace,
    job: str,
    provider: Callable[[JobSpec], Provider],
    *,
    secrets: dict[str, str] | None = None,
    clock: Clock | None = None,
) -> Outcome:
    """Take the job's lease, go on where its journal ends, and run it to its end.

    Raises:
        LeaseHeld: another head has it.
        JournalFull: the disk is full. Everything that ran was stopped.
        JournalCorrupt: the journal cannot be followed.
    """
    clock = clock or RealClock()
    journal = await asyncio.to_thread(workspace.take, job)
    try:
        fold = Fold(workspace.reader(job))
        await asyncio.to_thread(fold.catch_up)
        machine = fold.machine
        inbox = _Requests(workspace.inbox(job), machine, clock)
        asked = inbox.take()
        first = [*_takeover(machine, journal.epoch, clock.now()), *asked]
        if machine.running_job.closed and not asked:
            return machine.outcome
        lender = provider(machine.running_job.spec)
        try:
            wheel = EngineLoop(machine, journal, clock)
            async with asyncio.TaskGroup() as group:
                hands = EffectRunner(
                    machine, workspace, job, lender, wheel.post, clock, group, secrets or {},
                    journal.epoch,
                )  # fmt: skip
                looking = group.create_task(inbox.watch(wheel.post))
                try:
                    await wheel.run(hands, first, watchers=(hands.saw, inbox.saw))
                except JournalFull:
                    await hands.abandon()
                    raise
                finally:
                    looking.cancel()
                    hands.let_go()
        finally:
            await lender.aclose()
        return machine.outcome
    except BaseExceptionGroup as group_error:
        raise _first(group_error) from None
    finally:
        await journal.close()


def _first(error: BaseException) -> BaseException:
    """The one that says most: an error of ours, however deep it lies in groups."""
    while isinstance(error, BaseExceptionGroup):
        ours = error.subgroup(BatchioError)
        error = (ours or error).exceptions[0]
    return error


def _takeover(machine: Machine, epoch: int, now: float) -> list[ev.Event]:
    """A new head has no connections: every node is silent until it is heard again."""
    first: list[ev.Event] = [ev.HeadStarted(now, epoch, socket.gethostname(), os.getpid())]
    first += [
        ev.NodeSilent(now, node.number, "a new head took over")
        for node in machine.nodes
        if node.state is NodeState.READY
    ]
    return first


class _Requests:
    """What other processes ask of this head: files in the job's inbox."""

    def __init__(self, inbox: Inbox, machine: Machine, clock: Clock) -> None:
        self._inbox = inbox
        self._machine = machine
        self._clock = clock
        self.seen: set[str] = set()

    def take(self) -> list[ev.Event]:
        """New requests as events; each with a mark that it was taken."""
        out: list[ev.Event] = []
        for name, request in self._inbox.requests():
            if name in self.seen:
                continue  # `saw` drops it once it stands in the journal
            self.seen.add(name)
            if name in self._machine.taken:
                self._inbox.drop(name)
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
        """A request that stands in the journal need not stand in the inbox."""
        for event in batch:
            if isinstance(event, ev.RequestTaken):
                self._inbox.drop(event.name)

    async def watch(self, post: Callable[[ev.Event], None]) -> None:
        """Look again and again; ends with the head."""
        while True:
            await self._clock.sleep(INBOX_EVERY_S)
            for event in self.take() if self._inbox.waiting() else ():
                post(event)

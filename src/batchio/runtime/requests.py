"""Requests of other processes to a head: read, turned into events, dropped once journaled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from batchio.core import events as ev
from batchio.core.retry import Cause
from batchio.core.task import Outcome, TaskState
from batchio.errors import JournalDown

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.core.machine import Machine
    from batchio.ports import Clock, JobStore


class Requests:
    """Requests of other processes to this head."""

    def __init__(self, store: JobStore, machine: Machine, clock: Clock) -> None:
        self._store = store
        self._machine = machine
        self._clock = clock
        self._seen: set[str] = set()
        self._answered: list[str] = []
        self._some_answered = asyncio.Event()

    async def take(self) -> list[ev.Event]:
        """Read new requests and return them as events, each with its `RequestTaken`."""
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
        """Return these tasks, or for None all that ended and did not succeed."""
        if tasks is not None:
            return tasks
        outcomes = self._machine.tasks.outcome
        bad = (Outcome.NONE, Outcome.SUCCEEDED)
        return [task for task, outcome in enumerate(outcomes) if outcome not in bad]

    def saw(self, batch: list[ev.Event]) -> None:
        """Note requests whose answers were journaled, so that they are dropped."""
        self._answer([event.name for event in batch if isinstance(event, ev.RequestTaken)])

    def _answer(self, names: list[str]) -> None:
        self._answered += names
        if names:
            self._some_answered.set()

    async def watch(self, post: Callable[[ev.Event], None]) -> None:
        """Read requests again and again and post their events, until it is cancelled."""
        while True:
            await self._clock.sleep(self._store.pace.requests)
            for event in await self.take():
                post(event)

    async def drop(self) -> None:
        """Drop requests as soon as they are answered, until it is cancelled."""
        while True:
            await self._some_answered.wait()
            self._some_answered.clear()
            await self.drop_answered()

    async def drop_answered(self) -> None:
        """Drop all answered requests from the store."""
        while self._answered:
            try:
                await asyncio.to_thread(self._store.answered, self._answered[0])
            except JournalDown:
                return  # the next head drops it
            self._answered = self._answered[1:]

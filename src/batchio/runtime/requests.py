"""Requests of other processes to a head: read, turned into events, dropped once journaled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from batchio.core import events as ev
from batchio.core.checks import integer, items, text
from batchio.core.retry import Cause
from batchio.core.task import Outcome, TaskState
from batchio.errors import JournalDown
from batchio.runtime.asker import is_left_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from batchio.core.machine import Machine
    from batchio.ports import Clock, JobStore


MOST_WHY: Final = 1000
"""Most characters that are kept of the reason for a cancellation, and of a note."""


class Requests:
    """Requests of other processes to this head.

    Args:
        lacking: Secrets of the job that this head was not given: it starts no task again.
    """

    def __init__(
        self, store: JobStore, machine: Machine, clock: Clock, lacking: Iterable[str] = ()
    ) -> None:
        self._store = store
        self._machine = machine
        self._clock = clock
        self._lacking = ", ".join(sorted(lacking))
        self._first = True
        """Whether requests may lie here that were made before this head began."""
        self._seen: set[str] = set()
        self._answered: list[str] = []
        self._some_answered = asyncio.Event()

    async def read_new(self) -> list[ev.Event]:
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
            if self._first and is_left_over(request.get("by")):
                said = f"a request nobody waits for was ignored: {request.get('kind')!r:.80}"
                out += [ev.Noted(now, said), ev.RequestTaken(now, name)]
                continue
            try:
                asked_for = self._events(request, now)
            except (ValueError, RecursionError) as err:
                asked_for = [ev.Noted(now, f"an invalid request was ignored: {err}")]
            out += [*asked_for, ev.RequestTaken(now, name)]
        self._first = False
        return out

    def _events(self, request: dict[str, Any], now: float) -> list[ev.Event]:
        """Return the events a request leads to. Raises ValueError when it makes no sense."""
        tasks = self._tasks(request.get("tasks"))
        match request.get("kind"):
            case "cancel":
                why = text(request.get("why", ""), MOST_WHY)
                return [ev.CancelRequested(now, tasks, why)]
            case "retry" if self._lacking:
                said = f"no task runs again: this head does not have {self._lacking}"
                return [ev.Noted(now, said)]
            case "retry":
                chosen = [
                    [task, 0.0, str(Cause.ASKED)]
                    for task in self._ended(tasks, request.get("attempts"))
                    if self._machine.tasks.state[task] == TaskState.DONE
                ]
                return [ev.TasksRequeued(now, chosen)] if chosen else []
            case "note":
                return [ev.Noted(now, text(request.get("text"), MOST_WHY))]
            case other:
                return [ev.Noted(now, f"a request of an unknown kind was ignored: {other!r:.80}")]

    def _tasks(self, said: object) -> list[int] | None:
        if said is None:
            return None
        last = self._machine.tasks.count - 1
        return [integer(task, 0, last) for task in items(said)]

    def _ended(self, tasks: list[int] | None, attempts: object) -> list[int]:
        """Return the tasks named that stand at these attempts; for None, all that failed."""
        if tasks is not None:
            now = self._machine.tasks.attempt
            seen = [now[task] for task in tasks] if attempts is None else items(attempts)
            pairs = zip(tasks, seen, strict=True)
            return list(dict.fromkeys(task for task, attempt in pairs if now[task] == attempt))
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
            for event in await self.read_new():
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

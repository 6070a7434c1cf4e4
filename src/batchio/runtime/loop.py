"""The engine loop: inbox → machine → journal → effects. The only writer of the state.

Code that performs an effect never changes the machine: it posts an event. What happened and
what was decided go to the journal in one batch, and only then are effects performed, so a
crash between any two steps is the same case: replay, `due()`, go on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from batchio.core.events import Noted, encode
from batchio.core.snapshot import dump
from batchio.errors import JournalDown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from batchio.core.effects import Effect
    from batchio.core.events import Event
    from batchio.core.machine import Machine
    from batchio.ports import Clock, Journal

logger = logging.getLogger(__name__)

RETRY_S: Final = (0.2, 10.0)
"""Seconds between two attempts to reach a journal that does not answer: the first, the longest."""

SNAPSHOT_EVERY: Final = 2_000
"""Least number of events between two snapshots; bounds what a reader must fold."""

NEWEST: Final = 0.2
"""Weight of the newest write in the mean time of writes."""

TASKS_A_RECORD: Final = 50
"""Tasks for each event between two snapshots: a large job has large snapshots, so fewer."""


class EngineLoop:
    """The loop that runs one job until it is closed.

    Args:
        machine: Replayed and `recovered`, or just submitted.
        journal: Gets each batch of events before any of its effects is performed.
        clock: Says the time and sets the timers.
    """

    def __init__(self, machine: Machine, journal: Journal, clock: Clock) -> None:
        self.machine = machine
        self._journal = journal
        self._clock = clock
        self._inbox: list[Event] = []
        self._news = asyncio.Event()
        self._since_snapshot = 0

    def post(self, event: Event) -> None:
        """Put an event that happened into the inbox. Never blocks."""
        self._inbox.append(event)
        self._news.set()

    async def run(
        self,
        perform: Callable[[Effect], None],
        first: Iterable[Event] = (),
        watchers: Sequence[Callable[[list[Event]], None]] = (),
    ) -> None:
        """Run until the job is closed and everything about it is journaled.

        Args:
            perform: Begins to carry out one effect and returns at once.
            first: Events to fold before effects that were due already are performed.
            watchers: Called with every batch after it is journaled, before its effects.

        A journal that is down is asked again until it answers.

        Raises:
            JournalFull, LeaseHeld: the journal refused; nothing unjournaled was begun.
        """
        batch = [fact for fact in first if self.machine.apply(fact)]
        self.machine.pop_effects()
        due = self.machine.due()
        while True:
            batch += self.machine.decide(self._clock.now())
            if batch:
                await self._write(batch)
                for watcher in watchers:
                    watcher(batch)
            due += self.machine.pop_effects()
            for effect in due:
                perform(effect)
            if self.machine.running_job.closed and not self._inbox:
                await self._snapshot()
                return
            await self._wait()
            due = []
            facts, self._inbox = self._inbox, []
            self._news.clear()
            batch = [fact for fact in facts if self.machine.apply(fact)]

    async def _write(self, batch: list[Event]) -> None:
        await self._append([encode(event) for event in batch])
        self._since_snapshot += len(batch)
        enough = max(SNAPSHOT_EVERY, self.machine.tasks.count // TASKS_A_RECORD)
        if self._since_snapshot >= enough and not self.machine.unsettled:
            self._since_snapshot = 0
            await self._snapshot()

    async def _append(self, bodies: list[str]) -> None:
        """Journal one batch, again until the store answers; no effect begins meanwhile."""
        began, (pause, longest) = self._clock.now(), RETRY_S
        while True:
            asked = self._clock.now()
            try:
                await self._journal.append(bodies)
                self._took(self._clock.now() - asked)
                break
            except JournalDown as err:
                if pause == RETRY_S[0]:
                    logger.warning("%s; asking again until it answers", err)
            await self._clock.sleep(pause)
            pause = min(pause * 2, longest)
        if (silent := self._clock.now() - began) >= longest:
            logger.warning("the workspace answers again, after %.0f s", silent)
            text = f"the workspace did not answer for {silent:.0f} s; everything waited"
            self.post(Noted(self._clock.now(), text))

    def _took(self, seconds: float) -> None:
        """Let the machine know how long writes take: one that it waits for holds up all effects."""
        self.machine.write_s += (seconds - self.machine.write_s) * NEWEST

    async def _snapshot(self) -> None:
        """Keep a snapshot, made in a thread: the machine does not change while the loop waits."""
        await self._journal.snapshot(await asyncio.to_thread(dump, self.machine))

    async def _wait(self) -> None:
        """Wait until an event is posted, or until `next_wake` of the machine."""
        if self._inbox:
            return
        wake = self.machine.next_wake()
        if wake is None:
            await self._news.wait()
            return
        timer = self._clock.call_at(wake, self._news.set)
        try:
            await self._news.wait()
        finally:
            timer.cancel()

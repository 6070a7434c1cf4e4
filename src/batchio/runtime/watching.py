"""Looking on: a job's journal as it grows, from any process. Only reads."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Final

from batchio.errors import HeadGone
from batchio.runtime.replay import Fold

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from batchio.core.events import Event
    from batchio.core.machine import Machine
    from batchio.ports import JobStore

START_LIMIT_S: Final = 15.0
"""Seconds a head has to take the lease of a new job."""

GONE_AFTER_S: Final = 1.0
"""Seconds without a head before it is said to be gone."""


class Watch:
    """One job, followed."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._reader = store.reader()
        self._fold = Fold(self._reader)
        self._headless_since = 0.0
        self._reading = threading.Lock()
        self._closed = False

    @property
    def machine(self) -> Machine:
        """The job as far as it was read."""
        return self._fold.machine

    @property
    def done(self) -> bool:
        """Whether the job is closed: nothing more will be news."""
        return self.machine.running_job.closed > 0

    async def catch_up(self) -> list[Event]:
        """Read what is new, once."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> list[Event]:
        with self._reading:  # a cancelled read goes on in its thread; `close` waits for it
            return [] if self._closed else self._fold.catch_up()

    async def look(self) -> list[Event]:
        """Read what is new, and make sure that somebody runs the job.

        Raises:
            HeadGone: nobody runs the job any more, and it is not done.
        """
        batch = await self.catch_up()
        if batch or self.done:
            self._headless_since = 0.0
        else:
            self._headless_since = self._check_head(self._headless_since)
        return batch

    async def news(self) -> AsyncGenerator[list[Event], None]:
        """What is new, again and again, until the job is closed; empty lists in between.

        Raises:
            HeadGone: nobody runs the job any more, and it is not done.
        """
        quick, slow = self._store.pace.news
        pause = quick
        while True:
            batch = await self.look()
            yield batch
            if self.done:
                return
            pause = quick if batch else min(pause * 1.2, slow)
            await asyncio.sleep(pause)

    def _check_head(self, since: float) -> float:
        """When the head was first missed; 0.0 while there is one."""
        if self._store.leader() is not None:
            return 0.0
        now = time.time()
        job = self.machine.running_job
        young = job.epoch == 0 and now < job.submitted + START_LIMIT_S
        if not since or young or now < since + GONE_AFTER_S:
            return since or now
        raise self.head_gone()

    def head_gone(self) -> HeadGone:
        """The error that says that nobody runs this job, and why if that is known."""
        said = (self._store.last_words() or "").splitlines()
        why = f": {said[0]}" if said else ""
        remedy = said[1] if len(said) > 1 else f"go on with: batchio recover {self._store.id}"
        return HeadGone(
            f"job {self._store.id} is not done, and no process runs it{why}", hint=remedy
        )

    def close(self) -> None:
        """Let go of the journal."""
        with self._reading:
            self._closed = True
            self._reader.close()

"""Following one job: what `status`, `wait`, `events`, `logs` and a dashboard are made of.

Reads only, from any process, and works under asyncio, under trio and without a loop (`host`).
The journal is read in a thread and folded here, between two turns of the loop. So a caller in
the same loop sees a state between two events; and no object that changes is handed out.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final

from batchio.core import views
from batchio.core.table import position_of
from batchio.runtime.attendance import Attendance
from batchio.runtime.changes import Changes
from batchio.runtime.host import HostClock, in_thread, lock
from batchio.runtime.live_status import LOADS, PREPARING, REACHING, kept_in, read_live_status
from batchio.runtime.looking import Looking
from batchio.runtime.news import Change as Change
from batchio.runtime.news import News, standing
from batchio.runtime.patience import Patience
from batchio.runtime.replay import PORTION, SLICE_S, Fold
from batchio.runtime.seeking import Marks, folded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from batchio.core.events import Event
    from batchio.core.history import AttemptRow, History
    from batchio.core.machine import Machine
    from batchio.core.views import JobHeader, JobView
    from batchio.errors import BatchioError, JournalCorrupt
    from batchio.ports import JobStore, JournalReader, Waiting

STATUS_EVERY_S: Final = 0.25
"""Least seconds between two reads of the nodes' live status."""


class Live(Looking):
    """A job that is followed while it goes on; `async with job.live() as live`.

    Args:
        store: The job's store.
        clock: Says the time and waits.
        at: Begin at this moment, as for `seek`; None: now.
        whole: Begin before the first event, so that `changes` yields all of them.
        nodes: Also read the nodes' live status: their load, what they prepare.
        at_once: Be entered before all was read; `changes` tells of the rest, and `reading` how
            much of it was read.
        slice_s: Seconds of folding without a turn of the loop.
    """

    def __init__(
        self,
        store: JobStore,
        clock: Waiting | None = None,
        *,
        at: float | None = None,
        whole: bool = False,
        nodes: bool = True,
        at_once: bool = False,
        slice_s: float = SLICE_S,
    ) -> None:
        self._store = store
        self._clock = clock or HostClock()
        self._begin = at
        self._whole = whole
        self._nodes = nodes
        self._at_once = at_once
        self._slice = slice_s
        self._turn: AbstractAsyncContextManager[object]
        """Lock that is held while reading or folding."""
        self._past: JournalReader
        self._present: Fold
        """The fold that follows the journal."""
        self._shown: Fold
        """The fold that is shown: the present one, or that of another moment."""
        self._marks: Marks
        self._history: History | None = None
        self._news = News()
        self._behind = False
        """Whether the journal has events that were not read yet."""
        self._last = 0
        """Number of the newest event when the journal was opened."""
        self._view: JobHeader | None = None
        self._viewed = 0
        """The position at which `_view` was made."""
        self._nodes_seen: dict[str, dict[int, Any]] = {
            topic: {} for topic in (LOADS, PREPARING, REACHING)
        }
        self._status_at = 0.0
        self._attendance = Attendance(store, self._clock)
        self._patience = Patience(self._clock)

    async def __aenter__(self) -> Live:
        self._turn = lock()
        await in_thread(self._open)
        try:
            await self._read(1 if self._whole else PORTION)
            while self._behind and not (self._whole or self._at_once):
                await self._read()
            await (self._look_around() if self._whole else self._look_twice(moved=False))
            if self._begin is not None:
                await self.seek(self._begin)
            if not self._whole:
                self._news = News()
        except BaseException:
            self._past.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._past.close()

    def _open(self) -> None:
        self._past = self._store.reader()
        self._present = self._shown = Fold(
            self._past, whole=self._whole, lenient=True, slice_s=self._slice
        )
        self._marks = Marks(self._past, self._slice)
        self._last = self._past.last() if self._at_once else 0

    # --- what is seen ------------------------------------------------------------

    @property
    def view(self) -> JobHeader:
        """The job without its tasks: values that never change, made anew after each change."""
        if self._view is None or self._viewed != self.position:
            self._view = views.job_header(self._machine, self._now(), **self._seen)
            self._viewed = self.position
        return self._view

    def view_now(self) -> JobHeader:
        """Return the job as `view`, with the durations of this moment."""
        self._view = None
        return self.view

    @property
    def position(self) -> int:
        """Number of the newest event in the state that is shown."""
        return self._shown.position

    @property
    def reading(self) -> float:
        """How much of the journal was read: from 0 to 1, which is all there was when it began."""
        return min(self._present.position / self._last, 1.0) if self._last else 1.0

    @property
    def done(self) -> bool:
        """Whether the job is closed now: no more changes will come."""
        return self._present.machine.running_job.closed > 0

    @property
    def damage(self) -> JournalCorrupt | None:
        """The first damage in the journal; the events that it concerns are left out."""
        return self._present.damage

    @property
    def unanswered(self) -> float | None:
        """Unix seconds since when the store has not answered; None: it answers."""
        return self._patience.since

    async def attempts(self, task: int) -> list[AttemptRow]:
        """Return all attempts of the task of this id, oldest first.

        The first call reads the journal from its beginning; later ones are as cheap as `rows`.

        Raises:
            UsageError: the job has no such task.
        """
        position = position_of(self._machine, task)
        return list((await self.history()).attempts(self._machine, position))

    async def history(self) -> History:
        """Return all attempts of the job; the first call reads the journal from its beginning."""
        async with self._turn:
            if self._history is None:
                self._history = await self._marks.history(self.position)
            return self._history

    async def seek(self, moment: float | None) -> None:
        """Show the job as it was at another moment.

        Args:
            moment: Unix seconds (a float), or the number of an event (an int); None: show the
                present again, and follow it.
        """
        async with self._turn:
            if moment is None:
                self._shown = self._present
            else:
                self._shown = await self._marks.at(moment)
            self._view, self._history = None, None
            self._news = News.of_all(self._machine, self._machine.at)

    def changes(
        self,
        *,
        at_most: float = 0.1,
        at_least: float | None = None,
        must_run: bool = False,
        timeout: float | None = None,
    ) -> AsyncIterator[Change]:
        """Yield changes until the job is closed. Only one loop may iterate at a time.

        While another moment than now is shown, only a `seek` is a change.

        Args:
            at_most: Least seconds between two changes; what happens between is joined in one.
            at_least: Yield an empty change after so many seconds without one: time has passed.
            must_run: Raise HeadGone when the job is not done and no head runs it any more.
            timeout: Raise TimeoutError after so many seconds.
        """
        until = inf if timeout is None else self._clock.now() + timeout
        return Changes(self, at_most, at_least or inf, until, must_run)

    async def look(self) -> Change | None:
        """Read once what is new, and return it as a change; None when nothing is new."""
        await self._step()
        return self._tell()

    # --- reading on --------------------------------------------------------------

    @property
    def _machine(self) -> Machine:
        return self._shown.machine

    @property
    def _at_now(self) -> bool:
        return self._shown is self._present

    def _now(self) -> float:
        """Return the moment that is shown, in Unix seconds."""
        job, latest = self._machine.running_job, self._machine.at
        return self._clock.time_of(job.boot, job.booted, latest) if self._at_now else latest

    @property
    def _seen(self) -> dict[str, Any]:
        """Facts that do not stand in the journal, most of them only about a job that runs now."""
        job, attendance, seen = self._machine.running_job, self._attendance, self._nodes_seen
        if not self._at_now or job.closed or attendance.is_young(job):
            return {"outputs": kept_in(self._store, job.spec)}
        return {
            "outputs": kept_in(self._store, job.spec),
            "loads": seen[LOADS],
            "preparing": seen[PREPARING],
            "reaching": seen[REACHING],
            "attended": attendance.led,
            "last_words": attendance.last_words,
        }

    def _whole_view(self) -> JobView:
        """Return the job with its tasks; valid only for a caller that folds no more after it."""
        return views.job_view(self._machine, self._now(), **self._seen)

    async def _step(self) -> bool:
        """Read a portion of the journal and the live status; return whether anything was new."""
        async with self._turn:
            with self._patience:
                return await self._look_twice(moved=await self._read())
            return False  # the store does not answer

    def _tell(self, *, empty: bool = False) -> Change | None:
        """Return the news as a change, or None without news; `empty`: then an empty change."""
        news = self._news
        if empty and not news:
            self._view = None  # time has passed
        elif not news or not (self._at_now or news.sought):
            return None
        self._news = News()
        return news.told(self.position, self._now())

    @property
    def _over(self) -> bool:
        """Whether the job is closed, was read to its end, and its end is shown."""
        return self.done and self._at_now and not self._behind

    async def _read(self, limit: int = PORTION) -> bool:
        fold = self._present
        rows = await in_thread(partial(fold.read, limit))
        self._behind = len(rows) == limit
        if rows:
            before = standing(fold.machine)
            await folded(fold, rows, self._see)
            self._news.job |= self._at_now and before != standing(fold.machine)
        return bool(rows)

    def _see(self, event: Event) -> None:
        if self._at_now:
            self._news.add(event, self._present.machine)
            if self._history is not None:
                self._history.apply(event)

    async def _look_twice(self, *, moved: bool) -> bool:
        """Look around after a read; return whether anything was new, there or here.

        A head that ended, or began, between the two is seen nowhere: then both are done again.
        """
        news = await self._look_around(moved=moved) or moved
        if self._attendance.led or self.done or not await self._read():
            return news
        return await self._look_around(moved=True) or True

    async def _look_around(self, *, moved: bool = False) -> bool:
        """Read who leads, and the nodes' live status; return whether any of it was new."""
        attendance = self._attendance
        if self.done:
            attendance.end()
            return False
        now, before = self._clock.now(), (attendance.led, self.gone)
        await attendance.look(moved=moved)
        news = self._at_now and before != (attendance.led, self.gone)
        self._news.job |= news
        pause = max(STATUS_EVERY_S, self._store.pace.news[0])
        if self._nodes and now >= self._status_at + pause:
            self._status_at = now
            for topic, known in self._nodes_seen.items():
                facts = await in_thread(partial(read_live_status, self._store, topic))
                changed = [node for node in facts if facts[node] != known.get(node)]
                self._nodes_seen[topic] = facts
                if changed and self._at_now:
                    self._news.nodes.update(changed)
                    news = True
        self._view = None if news else self._view
        return news

    @property
    def gone(self) -> bool:
        """Whether the job is not done, and no head has run it for a second."""
        return self._attendance.is_gone(self._present.machine.running_job)

    async def why_gone(self) -> BatchioError:
        """Return the error for a job that nobody runs; a damaged journal tells more than that."""
        return self.damage or await self._attendance.why_gone()

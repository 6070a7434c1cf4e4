"""Whether a head leads a job, as who looks on sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.errors import HeadGone
from batchio.runtime.cards import is_young
from batchio.runtime.host import in_thread

if TYPE_CHECKING:
    from batchio.core.job import Job
    from batchio.ports import JobStore, Waiting

GONE_AFTER_S: Final = 1.0
"""Seconds without a head after which the head counts as gone."""


class Attendance:
    """The head of one job: there, on its way, or gone."""

    def __init__(self, store: JobStore, clock: Waiting) -> None:
        self._store = store
        self._clock = clock
        self._looked_at = 0.0
        self._headless_since = 0.0
        self.led = False
        """Whether a head held the job's lease at the last look."""
        self.last_words = ""
        """Why the last head ended, as it said itself; or ""."""

    async def look(self, *, moved: bool) -> None:
        """Look who leads, unless that was done just now. `moved`: the journal had news."""
        now = self._clock.now()
        # News say that somebody leads, whatever was seen before.
        if (moved and not self.led) or now >= self._looked_at + self._store.pace.leader:
            self.led = await in_thread(self._store.leader) is not None
            self._looked_at = now
            said = None if self.led else await in_thread(self._store.last_words)
            self.last_words = (said or "").partition("\n")[0]
        self._headless_since = 0.0 if self.led or moved else self._headless_since or now

    def end(self) -> None:
        """Note that the job is done, so that nobody need lead it."""
        self._headless_since = 0.0

    def is_gone(self, job: Job) -> bool:
        """Return whether no head has run the job for GONE_AFTER_S seconds."""
        since = self._headless_since
        return bool(since) and not self.is_young(job) and self._clock.now() >= since + GONE_AFTER_S

    def is_young(self, job: Job) -> bool:
        """Return whether the first head of the job is still to come."""
        return is_young(job.epoch, job.submitted, self._clock)

    async def why_gone(self) -> HeadGone:
        """Return the error that says that no head runs this job, and why if that is known."""
        said = (await in_thread(self._store.last_words) or "").splitlines()
        why = f": {said[0]}" if said else ""
        job = self._store.id
        remedy = said[1] if len(said) > 1 else f"to continue it: batchio recover {job}"
        return HeadGone(f"job {job} is not done, but no process runs it{why}", hint=remedy)

"""The writer of one job's journal in a bucket, in segments. Readers: `bucket_reader.py`."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from batchio.errors import JobMoved, JournalCorrupt, JournalDown, LeaseHeld, WorkspaceError
from batchio.stores import segments
from batchio.stores.bucket_lease import BEAT_S, BucketLease
from batchio.stores.bucket_reader import BucketReader, Tip, pack_snapshot
from batchio.stores.trouble import answering

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchio.buckets.blocking import Bucket
    from batchio.stores.bucket_mirror import Mirror

logger = logging.getLogger(__name__)

T = TypeVar("T")


def create_journal(bucket: Bucket, job: str, events: Sequence[str]) -> None:
    """Write the first segment of a new job, with which it exists. Blocks.

    Raises:
        JournalDown, WorkspaceError: the bucket does not take it.
    """
    segments.put(bucket, job, 1, segments.pack(0, segments.random_name(), 1, events))


class BucketJournal:
    """The journal's writer, which leads the job. Implements `ports.Journal`.

    The constructor blocks: it looks who leads, reads the end of the journal, and takes the job
    over with a segment of its own. Whoever wants that segment's number afterwards has lost.
    A cancelled `append` may or may not have written, as when the process dies.

    Raises:
        LeaseHeld: another head has the job; names it.
        NoSuchJob: there is no such job.
        JournalCorrupt, JournalDown, WorkspaceError: see `errors.py`.
    """

    epoch: int
    mirror: Mirror | None = None
    """What is copied beside the journal for people who look on."""

    def __init__(self, bucket: Bucket, job: str, kind: str = "local") -> None:
        self._bucket = bucket
        self._job = job
        self._by = segments.random_name()
        self._lease = BucketLease(bucket, job, kind, self._by)
        tip = BucketReader(bucket, job).tip()
        self.epoch = tip.epoch + 1
        self._number = tip.number
        """Of the newest segment."""
        self._event = tip.event
        """Number of the newest event."""
        self._rolling: list[bytes] = []
        """Segments that no rolled-up object holds yet, all written by this head."""
        self._write([])
        self._lease.take(self.epoch)
        self._lost: LeaseHeld | JobMoved | None = None
        self._open = True
        self._turn = Lock()
        """Held by the thread that writes: one whose call was cancelled goes on to its end."""

    async def append(self, events: Sequence[str]) -> None:
        """Write one batch as one segment; durable when it returns. See the port."""
        if events:
            await self._do(lambda: self._append(events))

    async def snapshot(self, state: bytes) -> None:
        """Write `state` beside the journal, and the segments since the last time as one object."""
        await self._do(lambda: self._snapshot(state))

    async def keep(self) -> None:
        """Give signs of life, and copy for onlookers, until it is cancelled. See the port."""
        if self.mirror is None:
            await self._beat()
            return
        try:
            async with asyncio.TaskGroup() as group:
                copying = group.create_task(self.mirror.run())
                await self._beat()
                copying.cancel()
        except BaseExceptionGroup as err:
            raise err.exceptions[0] from None

    async def _beat(self) -> None:
        silent = False
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await asyncio.to_thread(self._lease.renew)
                silent = False
            except LeaseHeld as err:
                self._lost = err
                raise
            except JobMoved as err:
                self._lost = err  # whoever appends next is told, and stops what runs
                return
            except WorkspaceError as err:
                if not silent:
                    logger.warning("the lease cannot be renewed now: %s", err)
                silent = True

    async def close(self) -> None:
        """Release the lease. Repeatable."""
        if self._open:
            if self.mirror is not None and self._lost is None:
                await self._do(self.mirror.close)
            await self._do(self._release)
            self._open = False

    def give_up(self) -> None:
        """Release the lease of a head that could not begin. Blocks."""
        self._open = False
        self._release()

    # --- in a thread -------------------------------------------------------

    def _append(self, events: Sequence[str]) -> None:
        if self._lost is not None:
            raise self._lost
        try:
            self._write(events)
        except LeaseHeld as err:
            self._lost = err
            raise
        except (JournalDown, JournalCorrupt):
            raise
        except WorkspaceError as err:  # credentials can be renewed, and a bucket made again
            raise JournalDown(err.message, where=err.where, hint=err.hint) from None

    def _write(self, events: Sequence[str]) -> None:
        """Write the next segment. What an earlier, cancelled call had written there is kept."""
        while True:
            data = segments.pack(self.epoch, self._by, self._event + 1, events)
            before = segments.put(self._bucket, self._job, self._number + 1, data)
            self._number += 1
            if before is None:
                self._event += len(events)
                self._rolling.append(data)
                return
            self._event += len(before.events)
            self._rolling.append(
                segments.pack(before.epoch, before.by, before.first, before.events)
            )

    def _snapshot(self, state: bytes) -> None:
        with suppress(WorkspaceError), answering():
            packed = pack_snapshot(Tip(self._number, self._event, self.epoch), state)
            self._bucket.put(segments.snapshot_key(self._job), packed)
            first = self._number - len(self._rolling) + 1
            if len(self._rolling) > 1:
                rolled = segments.rolled_key(self._job, first, self._number)
                self._bucket.put(rolled, b"".join(self._rolling))
                self._rolling.clear()

    def _release(self) -> None:
        try:
            self._lease.release()
        except LeaseHeld:
            return  # it is another head's by now
        except WorkspaceError as err:
            logger.warning("the lease was not released, and ends by itself: %s", err)

    async def _do(self, work: Callable[[], T]) -> T:
        if not self._open:
            raise LeaseHeld(f"the lease of job {self._job} was let go")

        def in_turn() -> T:
            with self._turn:
                return work()

        return await asyncio.to_thread(in_turn)

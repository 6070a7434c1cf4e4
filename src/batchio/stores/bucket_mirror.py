"""What onlookers see of a job in a bucket: the head's copy of what it keeps on its computer.

Log bytes are files in the head's local copy, where an agent of this computer writes them itself.
Every FLUSH_S, and every second while somebody follows, what is new of all nodes is put into the
bucket as one live object. At SEAL_BYTES, after SEAL_S, and at the end live objects become a
sealed one, and are deleted. See `log_packs.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final

from batchio.errors import JournalDown, WorkspaceError
from batchio.stores.bucket_logs import BucketLogs, watch_key
from batchio.stores.folder_logs import FolderLogs
from batchio.stores.head_words import HeadWords
from batchio.stores.log_packs import (
    Piece,
    contents,
    live_key,
    merged,
    numbers,
    pack,
    sealed_key,
)
from batchio.stores.log_records import whole
from batchio.stores.log_sink import FolderSink, go_on_at, origin_in
from batchio.stores.trouble import answering

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.buckets.blocking import Bucket

logger = logging.getLogger(__name__)

TICK_S: Final = 1.0
FLUSH_S: Final = 5.0
"""Seconds between two live objects, while nobody follows."""

WORDS_S: Final = 10.0
"""Seconds between two copies of the head's own words."""

LOOK_S: Final = 5.0
"""Seconds between two looks whether somebody follows."""

FOLLOWS_S: Final = 45.0
"""Age in seconds of the last sign of a reader at which nobody follows any more."""

SEAL_BYTES: Final = 16 << 20
SEAL_S: Final = 600.0

LOOKS: Final = 3
"""Times that an object is put again that is not there, though the store says so."""


class Mirror:
    """The copy in the bucket, of one head. Made when it leads; verbs block if not said otherwise.

    Args:
        copy: The local copy of the job.
        epoch: Of the head.
    """

    def __init__(self, bucket: Bucket, job: str, copy: Path, epoch: int) -> None:
        self._bucket = bucket
        self._job = job
        self._folder = copy / "logs"
        self._files = FolderLogs(self._folder)
        self._words = HeadWords(bucket, job, copy, epoch)
        self.done: dict[int, int] = {}
        """By node, the offset up to which its log is in the bucket."""
        self._live: list[bytes] = []
        """Live objects that are not sealed yet, the newest being of number `_next` - 1."""
        self._next = 1
        self._small: list[tuple[int, int, int]] = []
        """Sealed objects that may be joined at the end: first and last number, bytes."""
        self._turn = Lock()
        self._flushed = self._sealed = self._said = time.monotonic()
        self._looked, self._follows = 0.0, False
        if epoch > 1:
            with answering():
                self._go_on()

    def _go_on(self) -> None:
        """Go on where earlier heads ended, on whichever computer they ran."""
        seen = BucketLogs(self._bucket, self._job, self._folder.parent)
        seen.catch_up(over=True)
        self._next = seen.next
        spans = {key: span for key in seen.sealed if (span := numbers(key))}
        self._small = [(*span, seen.sealed[key]) for key, span in spans.items()]
        last = max((last for _, last in spans.values()), default=0)
        for number in range(last + 1, self._next):
            found = self._bucket.get(live_key(self._job, number))
            self._live.append(found.data if found else pack([], {}))
        left = self._bucket.keys(live_key(self._job, 0)[:-10])
        if old := [key for key in left if key <= live_key(self._job, last)]:
            self._bucket.delete(old)  # what an earlier head had sealed
        for node in seen.nodes():
            self.done[node] = end = seen.end(node)
            folder, origin = self._folder / str(node), seen.origins.get(node)
            if self._files.end(node) < end or (origin and origin_in(folder) != origin):
                go_on_at(folder, end, origin)

    # --- beside the engine ---------------------------------------------------

    async def run(self) -> None:
        """Copy what is new again and again, until it is cancelled."""
        silent = False
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await asyncio.to_thread(self._tick)
                silent = False
            except (WorkspaceError, OSError) as err:
                if not silent:
                    logger.warning("what tasks print cannot be copied to the bucket now: %s", err)
                silent = True

    async def settle(self, node: int) -> None:
        """Return when all that is known of a node's log is in the bucket."""
        while True:
            with suppress(WorkspaceError):
                await asyncio.to_thread(self.flush, node)
                return
            await asyncio.sleep(TICK_S)

    def close(self) -> None:
        """Copy all that is left, and join what was copied. Warns of what cannot be.

        The files of this computer stay: an agent of it may still write there.
        """
        try:
            with answering():
                self._words.copy(last=True)
                self.flush()
                with self._turn:
                    self._seal(join=True)
                    if self._follows:
                        self._bucket.delete([watch_key(self._job)])
        except (WorkspaceError, OSError) as err:
            logger.warning("not all that tasks printed is in the bucket: %s", err)

    def _tick(self) -> None:
        now = time.monotonic()
        if now >= self._said + WORDS_S:
            self._said = now
            with answering():
                self._words.copy()
        if self._moved() and (now >= self._flushed + FLUSH_S or self._followed(now)):
            self.flush()

    def _moved(self) -> bool:
        """Return whether anything was printed since the last live object."""
        ends = ((node, self._files.end(node)) for node in self._files.nodes())
        return any(end > self.done.get(node, 0) for node, end in ends)

    def _followed(self, now: float) -> bool:
        """Return whether somebody follows; one request each LOOK_S."""
        if now >= self._looked + LOOK_S:
            self._looked = now
            with answering():
                found = self._bucket.dated(watch_key(self._job))
            self._follows = found is not None and found.age < FOLLOWS_S
        return self._follows

    # --- live objects --------------------------------------------------------

    def flush(self, node: int | None = None) -> None:
        """Put what is new into the bucket; nothing when no byte of this node is.

        Raises:
            JournalDown, WorkspaceError: the bucket does not take it; ask again.
        """
        with self._turn, answering():
            if node is not None and self._files.end(node) <= self.done.get(node, 0):
                return
            self._flushed = time.monotonic()
            while pieces := self._news():
                self._put(pieces)
                size = sum(map(len, self._live))
                if size >= SEAL_BYTES or time.monotonic() >= self._sealed + SEAL_S:
                    self._seal()

    def _news(self) -> list[Piece]:
        """Return whole records that are not in the bucket, at most SEAL_BYTES."""
        pieces: list[Piece] = []
        room = SEAL_BYTES
        for node in self._files.nodes():
            position = self.done.get(node, 0)
            if self._files.end(node) > position:
                for offset, data in self._records(node, position, room):
                    pieces.append(Piece(node, offset, data))
                    room -= len(data)
            if room <= 0:
                break
        return pieces

    def _records(self, node: int, position: int, most: int) -> list[tuple[int, bytes]]:
        """Return pieces of a node's log from a position on: each begins with a whole record."""
        starts = self._files.starts(node)
        position = max(position, *starts[:1]) if starts else position
        pieces = []
        while most > 0:
            data = self._files.read(node, position, max(most, 1 << 17))
            after = next((start for start in starts if start > position), None)
            if not data:
                if after is None:
                    break
                position = after  # a gap, where an agent had lost a part of its spool
                continue
            size = whole(data)
            if not size:
                if after is None:
                    break  # it is being written
                size = len(data)  # a killed writer left a part of a record
            pieces.append((position, data[:size]))
            position += size
            most -= size
        return pieces

    def _put(self, pieces: list[Piece]) -> None:
        """Write the next live object. What an earlier call, or head, had put there is kept."""
        origins = {}
        for node in {piece.node for piece in pieces}:
            if origin := origin_in(self._folder / str(node)):
                origins[node] = origin
        data = pack(pieces, origins)
        for _ in range(LOOKS):
            place = live_key(self._job, self._next)
            if self._bucket.put_new(place, data) is not None:
                self._take(data)
                return
            found = self._bucket.get(place)
            if found is not None:
                self._take(found.data)
                return
        raise JournalDown(f"{self._bucket.url} refuses {place}, which is not there")

    def _take(self, data: bytes) -> None:
        self._live.append(data)
        self._next += 1
        with suppress(ValueError):
            found = contents(data)
            for node, offset, size, _ in found.places if found else ():
                self.done[node] = max(self.done.get(node, 0), offset + size)

    # --- sealed objects ------------------------------------------------------

    def seal(self) -> None:
        """Seal what is live now. Raises as `flush`."""
        with self._turn, answering():
            self._seal()

    def _seal(self, *, join: bool = False) -> None:
        """Make one object of the live ones; `join`: of small sealed ones before them, too."""
        first, last = self._next - len(self._live), self._next - 1
        parts, size, joined = list(self._live), sum(map(len, self._live)), []
        while join and self._small and size + self._small[-1][2] <= SEAL_BYTES:
            begin, end, more = self._small.pop()
            found = self._bucket.get(sealed_key(self._job, begin, end))
            if found is None or end != first - 1:
                break
            parts.insert(0, found.data)
            joined.append(sealed_key(self._job, begin, end))
            first, size = begin, size + more
        if not self._live and len(joined) < 2:
            return
        data = merged(parts)
        self._bucket.put(sealed_key(self._job, first, last), data)
        self._small.append((first, last, len(data)))
        live = range(last - len(self._live) + 1, last + 1)
        self._live, self._sealed = [], time.monotonic()
        self._bucket.delete([*(live_key(self._job, number) for number in live), *joined])


class BucketSink:
    """The sink for a node's log bytes: a folder, and what of it is in the bucket.

    Implements `ports.LogSink`.
    """

    def __init__(self, mirror: Mirror, node: int, folder: Path, *, local: bool) -> None:
        self._file = FolderSink(folder, local=local)
        self._mirror = mirror
        self._node = node
        self.spool = self._file.spool
        self.begin = self._file.begin
        self.size = self._file.size
        self.write = self._file.write

    @property
    def shift(self) -> int:
        """What is added to an offset of the agent's spool to get its offset in the logs."""
        return self._file.shift

    def safe(self) -> int:
        """Return how many bytes of the agent's spool are in the bucket."""
        return max(self._mirror.done.get(self._node, 0) - self.shift, 0)

    async def settle(self) -> None:
        """Return when all that was written is in the bucket."""
        await self._mirror.settle(self._node)

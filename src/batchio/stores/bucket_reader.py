"""Reading a job's journal in a bucket, also while its head writes it. Writes nothing.

A reader lists the segments once, reads those that there are, many at a time, and from then on
asks for the next one until it is not there. It begins behind the snapshot when it may; else
with the objects that hold many segments.
"""

from __future__ import annotations

import re
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.events import decode
from batchio.errors import JournalCorrupt, NoSuchJob
from batchio.stores import segments
from batchio.stores.trouble import answering

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batchio.buckets.blocking import Bucket
    from batchio.core.events import Event
    from batchio.stores.segments import Segment

SNAPSHOT_HEAD: Final = struct.Struct("<8sQQQI")
"""Layout of a snapshot's head: magic, last segment, last event, epoch, CRC-32 of all else."""
SNAPSHOT_MAGIC: Final = b"BATCHIO2"

AT_ONCE: Final = 16
"""Objects that are read at the same time."""

MOST_LOST: Final = 100_000
"""Most events in a row that may be missing; beyond, a number is damaged."""

_ROLLED: Final = re.compile(r"(\d{10})-(\d{10})")


class Tip(NamedTuple):
    """The end of a journal as far as it was read: its segment, its event, its epoch."""

    number: int
    event: int
    epoch: int


START: Final = Tip(0, 0, 0)


class Snapshot(NamedTuple):
    """The state behind the end of a journal, as it once was."""

    tip: Tip
    state: bytes


class BucketReader:
    """One reader of a job's journal. Everything blocks; one thread at a time.

    Raises:
        NoSuchJob: there is none.
        JournalDown, WorkspaceError: the bucket does not answer.
    """

    def __init__(self, bucket: Bucket, job: str) -> None:
        self._bucket = bucket
        self._job = job
        self._snapped: Snapshot | None = None
        self._begin(START)
        with answering():
            first = bucket.get(segments.key(job, 1))
            if first is None:
                self._snapped = self._read_snapshot()
            if first is None and self._snapped is None:
                raise NoSuchJob(f"there is no job {job} in {bucket.url}")

    def snapshot(self) -> tuple[int, bytes] | None:
        """Return the number of the snapshot's last event, and its state; None without one.

        A damaged or foreign snapshot counts as none: it is only a cache.
        """
        with answering():
            self._snapped = self._read_snapshot()
        return (self._snapped.tip.event, self._snapped.state) if self._snapped else None

    def read(self, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        """Return events numbered above `after`, in order, at most `limit`: `(number, body)`.

        A damaged event, or a missing one, has an empty body.

        Raises:
            JournalCorrupt: the newest segment is damaged, or too many are missing; it is named.
            JournalDown, WorkspaceError: the bucket does not answer.
        """
        self._cover(after)
        stop = None if limit is None else after - self._base + limit
        if stop is None or stop > len(self._bodies):
            self._catch_up()
        return list(enumerate(self._bodies[after - self._base : stop], after + 1))

    def events(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """Return events as `read` does, decoded.

        Raises:
            JournalCorrupt: also for an event that is not in the vocabulary.
        """
        out: list[tuple[int, Event]] = []
        for number, body in self.read(after, limit):
            try:
                out.append((number, decode(body)))
            except ValueError as err:
                why = f"{err}" if body else "damaged, or missing"
                raise self._corrupt(f"event {number} is {why}") from err
        return out

    def last(self) -> int:
        """Return the number of the newest event."""
        return self.tip().event

    def tip(self) -> Tip:
        """Return the end of the journal as it is now."""
        if not self._listed and self._snapped is None:
            self.snapshot()
        if not self._listed and self._snapped is not None:
            self._begin(self._snapped.tip)
        self._catch_up()
        return Tip(self._next - 1, self._base + len(self._bodies), self._epoch)

    def close(self) -> None:
        """Do nothing: nothing is held."""

    # --- the chain -----------------------------------------------------------

    def _begin(self, tip: Tip) -> None:
        """Go to what was the end once."""
        self._next = tip.number + 1
        self._base = tip.event
        self._bodies: list[str] = []
        """Events behind number `_base` that were read."""
        self._epoch = tip.epoch
        self._hole: list[str] = []
        """Segments before the next one that are missing or damaged."""
        self._listed = False

    def _cover(self, after: int) -> None:
        """Begin where events behind `after` can be had, unless they are at hand."""
        if self._listed and after >= self._base:
            return
        snapped = self._snapped
        begin = snapped is not None and snapped.tip.event <= after
        self._begin(snapped.tip if snapped and begin else START)

    def _catch_up(self) -> None:
        with answering():
            if not self._listed:
                self._read_all()
            while (found := self._bucket.get(segments.key(self._job, self._next))) is not None:
                self._take(found.data)
        if self._hole:
            raise self._corrupt(f"{self._hole[0]} is damaged")

    def _read_all(self) -> None:
        """Read what there is now: rolled-up segments first, then single ones."""
        if self._next == 1:
            self._read_rolled()
        place = segments.key(self._job, 0)[:-10]
        keys = self._bucket.keys(place, segments.key(self._job, self._next - 1))
        numbers = [int(key[len(place) :]) for key in keys if key[len(place) :].isdigit()]
        self._read_single(max(numbers, default=0))
        self._listed = True

    def _read_rolled(self) -> None:
        """Read the objects that hold many segments, as far as they follow each other."""
        place = segments.rolled_key(self._job, 0, 0)[:-21]
        keys = [key for key in self._bucket.keys(place) if _ROLLED.fullmatch(key[len(place) :])]
        for key, data in zip(keys, self._get_many(keys), strict=True):
            first, last = (int(number) for number in key[len(place) :].split("-"))
            try:
                parts = list(segments.unpack(data or b""))
            except ValueError:
                continue  # its segments are there, too
            if len(parts) != last - first + 1 or last < self._next:
                continue
            self._read_single(first - 1)
            for part in parts[self._next - first :]:
                self._follow(part)

    def _read_single(self, last: int) -> None:
        """Read segments one by one, to the number `last`."""
        wanted = [segments.key(self._job, number) for number in range(self._next, last + 1)]
        for data in self._get_many(wanted):
            self._take(data)

    def _get_many(self, keys: list[str]) -> Iterator[bytes | None]:
        """Yield the objects under these keys, in order; None for one that is not there."""
        if len(keys) < 2:
            found: Iterable[bytes | None] = map(self._get, keys)
            yield from found
            return
        with ThreadPoolExecutor(min(AT_ONCE, len(keys))) as threads:
            yield from threads.map(self._get, keys)

    def _get(self, key: str) -> bytes | None:
        found = self._bucket.get(key)
        return None if found is None else found.data

    def _take(self, data: bytes | None) -> None:
        """Follow with the next segment, or leave a hole where it is missing or damaged."""
        try:
            [segment] = segments.unpack(data or b"")
        except ValueError:
            self._hole.append(segments.key(self._job, self._next))
            self._next += 1
            return
        self._follow(segment)

    def _follow(self, segment: Segment) -> None:
        lost = segment.first - 1 - self._base - len(self._bodies)
        if not 0 <= lost <= (MOST_LOST if self._hole else 0) or segment.epoch < self._epoch:
            raise self._corrupt(
                f"{segments.key(self._job, self._next)} does not follow the segment before it"
            )
        self._bodies += [""] * lost + segment.events
        self._epoch = segment.epoch
        self._hole.clear()
        self._next += 1

    def _read_snapshot(self) -> Snapshot | None:
        found = self._bucket.get(segments.snapshot_key(self._job))
        if found is None or len(found.data) < SNAPSHOT_HEAD.size:
            return None
        magic, number, event, epoch, known = SNAPSHOT_HEAD.unpack_from(found.data)
        packed = found.data[SNAPSHOT_HEAD.size :]
        tip = Tip(number, event, epoch)
        if magic != SNAPSHOT_MAGIC or _sum(tip, packed) != known:
            return None
        try:
            return Snapshot(tip, zlib.decompress(packed))
        except zlib.error:
            return None

    def _corrupt(self, why: str) -> JournalCorrupt:
        return JournalCorrupt(
            f"the journal of job {self._job} in {self._bucket.url} is damaged: {why}",
            hint="logs and output files are fine; submit the job again",
        )


def pack_snapshot(tip: Tip, state: bytes) -> bytes:
    """Return the bytes of a snapshot of the state behind this end of the journal."""
    packed = zlib.compress(state)
    return SNAPSHOT_HEAD.pack(SNAPSHOT_MAGIC, *tip, _sum(tip, packed)) + packed


def _sum(tip: Tip, packed: bytes) -> int:
    """Return the checksum of a snapshot: of the place that it names, too."""
    return zlib.crc32(packed, zlib.crc32(struct.pack("<QQQ", *tip)))

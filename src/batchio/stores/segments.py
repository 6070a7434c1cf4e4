"""Segments of a journal in a bucket: their keys, their bytes, and how one is written.

`jobs/<job>/journal/<number, 10 digits>`, numbered from 1 without gaps, each written only where
there is none; so whoever has written number n leads until somebody else writes n + 1, and no
clock decides who. A job exists when its first segment does. A head takes the job over with a
segment of a higher epoch, which holds no events.

A segment is a line of JSON, its header, and then its events, a line each. `by` is random for
each head, so no two heads ever write the same bytes. `sums` are checksums of the events, and
`sum` is that of the header before it.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.checks import integer, text
from batchio.errors import JournalCorrupt, JournalDown, LeaseHeld, WorkspaceError
from batchio.stores.summed_line import read_line, write_line
from batchio.stores.trouble import answering

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchio.buckets.blocking import Bucket

LAYOUT: Final = 1
"""Version of the segments; the vocabulary of events has its own, `events.FORMAT`."""

LOOKS: Final = 3
"""Number of times that a segment is put again that is not there, though the store says so."""


class Segment(NamedTuple):
    """One segment, or the part of a rolled-up one that stands for it.

    Attributes:
        epoch: Of the head that wrote it; 0: whoever submitted the job.
        by: Its writer's random name.
        first: Number of its first event, or of the next one where it has none.
        events: As they were written; a damaged one is empty.
    """

    epoch: int
    by: str
    first: int
    events: list[str]


def random_name() -> str:
    """Return a name that nobody else has, for a writer."""
    return os.urandom(8).hex()


def key(job: str, number: int) -> str:
    """Return the key of a segment."""
    return f"jobs/{job}/journal/{number:010d}"


def rolled_key(job: str, first: int, last: int) -> str:
    """Return the key of an object that holds many segments, one behind the other."""
    return f"jobs/{job}/journal.all/{first:010d}-{last:010d}"


def snapshot_key(job: str) -> str:
    """Return the key of a job's snapshot."""
    return f"jobs/{job}/snapshot"


def pack(epoch: int, by: str, first: int, events: Sequence[str]) -> bytes:
    """Return the bytes of a segment."""
    bodies = [event.encode() for event in events]
    header = {
        "v": LAYOUT,
        "epoch": epoch,
        "by": by,
        "first": first,
        "sizes": [len(body) for body in bodies],
        "sums": [zlib.crc32(body) for body in bodies],
    }
    return write_line(header) + b"".join(body + b"\n" for body in bodies)


def unpack(data: bytes) -> Iterator[Segment]:
    """Yield the segments that stand in these bytes, one behind the other.

    Raises:
        ValueError: a header is damaged, or the end is missing.
        WorkspaceError: another version of batchio wrote them.
    """
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        header = read_line(data[at:end])
        if header.get("v") != LAYOUT:
            raise WorkspaceError(
                f"a journal was written in layout {header.get('v')}; this batchio reads {LAYOUT}",
                hint="use the version of batchio that started the job",
            )
        try:
            sizes = [integer(size) for size in header["sizes"]]
            sums = [integer(one) for one in header["sums"]]
            about = integer(header["epoch"]), text(header["by"]), integer(header["first"])
        except (LookupError, TypeError) as err:
            raise ValueError(f"its first line makes no sense: {err}") from None
        events, at = [], end + 1
        for size, known in zip(sizes, sums, strict=True):
            body = data[at : at + size]
            events.append(body.decode() if zlib.crc32(body) == known else "")
            at += size + 1
        if at > len(data):
            raise ValueError("its end is missing")
        yield Segment(*about, events)


def put(bucket: Bucket, job: str, number: int, data: bytes) -> Segment | None:
    """Write a segment under its number; return None, or what its writer had put there before.

    When the store says that there is one already, it may be this very one, whose answer was
    lost, or none at all: so it is read.

    Raises:
        LeaseHeld: another head has written a segment of this number.
        JournalDown: nobody knows whether it was written; it may be put again.
    """
    place = key(job, number)
    with answering():
        for _ in range(LOOKS):
            if bucket.put_new(place, data) is not None:
                return None
            found = bucket.get(place)
            if found is not None and found.data == data:
                return None
            if found is not None:
                return _ours(bucket, place, found.data, data)
    raise JournalDown(f"{bucket.url} refuses {place}, which does not exist")


def _ours(bucket: Bucket, place: str, found: bytes, wanted: bytes) -> Segment:
    """Return the segment that was found, when its writer is that of the wanted one."""
    try:
        [other], [mine] = unpack(found), unpack(wanted)
    except ValueError as err:
        raise JournalCorrupt(f"{bucket.url}/{place} is damaged: {err}") from None
    if other.by != mine.by:
        raise LeaseHeld(f"another head has taken over the job: it has written {place}")
    return other

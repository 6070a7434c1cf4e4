"""The log bytes of one node as records: the format of docs/design/agent.md, "Log records".

Records are given in order and whole; one that is cut off at the end is still being written.
Everything blocks.
"""

from __future__ import annotations

import logging
import struct
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.checks import LAST_MOMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.ports import LogStore

logger = logging.getLogger(__name__)

HEADER: Final = struct.Struct("<IIHBBQ")
"""Layout: size of the payload, task, attempt, stream, flags, microseconds since 1970."""
MOST_PAYLOAD: Final = 64 * 1024
BLOCK: Final = 1 << 20
"""Bytes read at a time."""

EARLIEST: Final = 10**15
LATEST: Final = 10**16
"""Microseconds since 1970, in 2001 and 2286: the times that a record is looked for by."""

LAST_TIME: Final = round(LAST_MOMENT * 1e6)
"""Latest time that a record can have."""

STDOUT: Final = 1
STDERR: Final = 2


class Select(NamedTuple):
    """Conditions on records; None fits any."""

    task: int | None = None
    """The task's position in the job."""
    attempt: int | None = None
    stream: int | None = None
    """STDOUT or STDERR."""

    def takes(self, task: int, attempt: int, stream: int) -> bool:
        """Return whether a record of this task, attempt and stream meets the conditions."""
        return (
            (self.task is None or self.task == task)
            and (self.attempt is None or self.attempt == attempt)
            and (self.stream is None or self.stream == stream)
        )


ALL: Final = Select()


class Record(NamedTuple):
    """Bytes of one read of a task's pipe."""

    task: int
    attempt: int
    stream: int
    """STDOUT or STDERR."""
    time: int
    """Microseconds since 1970, by the node's clock."""
    payload: bytes
    end: int
    """Offset of the byte after the record."""


def read_records(
    logs: LogStore,
    node: int,
    start: int = 0,
    end: int | None = None,
    select: Select = ALL,
    block: int = BLOCK,
) -> Iterator[Record]:
    """Yield the records of one node between two offsets, in order.

    Args:
        start: Offset at which a record begins, such as `log_from`; missing bytes are skipped.
        end: Offset at which a record ends, such as `log_to`; None: the end of the log.
        block: Bytes to read at a time.

    What is damaged is passed over up to the next record, with a warning that names its place.
    """
    starts = logs.starts(node)
    position, rest = max(start, *starts[:1]) if starts else start, b""
    lost = False
    takes, unpack = select.takes, HEADER.unpack_from
    while starts and (end is None or position < end):
        at = position + len(rest)
        if rest and starts[bisect_right(starts, at) - 1] == at:
            if not lost:
                logger.warning("the log %s is damaged", logs.place(node, position))
            position, rest, lost = at, b"", False  # no record goes on in the next piece
        more = logs.read(node, at, block if end is None else min(block, end - at))
        if not more:
            index = bisect_right(starts, position)
            if index == len(starts):
                return
            position, rest = starts[index], b""  # a killed writer left a part of a record
            continue
        data = rest + more
        done, length = 0, len(data)
        while done + HEADER.size <= length:
            size, task, attempt, stream, _, time = unpack(data, done)
            if size > MOST_PAYLOAD or stream not in (STDOUT, STDERR) or time > LAST_TIME:
                if not lost:
                    logger.warning("the log %s is damaged", logs.place(node, position + done))
                lost, done = True, _next_record(data, done + 1)
                continue
            lost = False
            after = done + HEADER.size + size
            if after > length:
                break
            if takes(task, attempt, stream):
                payload = data[done + HEADER.size : after]
                yield Record(task, attempt, stream, time, payload, position + after)
            done = after
        position, rest = position + done, data[done:]


def whole(data: bytes) -> int:
    """Return how many of these bytes are whole records; all of them where they are damaged."""
    at, length = 0, len(data)
    while at + HEADER.size <= length:
        size, _, _, stream, _, _ = HEADER.unpack_from(data, at)
        if size > MOST_PAYLOAD or stream not in (STDOUT, STDERR):
            return length
        after = at + HEADER.size + size
        if after > length:
            break
        at = after
    return at


def _next_record(data: bytes, at: int) -> int:
    """Return where the next record may begin: one that is sound, and so is what follows it.

    Without any, as many bytes are left as may be the beginning of one.
    """
    last = len(data) - HEADER.size
    while at <= last:
        size = _sound(data, at)
        if size is not None:
            after = at + HEADER.size + size
            if after > last or _sound(data, after) is not None:
                return at
        at += 1
    return at


def _sound(data: bytes, at: int) -> int | None:
    """Return the size of the payload, when a header stands there; else None."""
    size, _, attempt, stream, flags, time = HEADER.unpack_from(data, at)
    fits = 0 < size <= MOST_PAYLOAD and attempt and stream in (STDOUT, STDERR) and not flags
    return size if fits and EARLIEST <= time <= LATEST else None

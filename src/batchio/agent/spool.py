"""The log of a node: records appended to segments, read back by offset."""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from struct import Struct
from typing import TYPE_CHECKING

from batchio.agent.basics import clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

CHUNK = 64 << 10  # one read of a pipe, so also the largest record
SEGMENT = 64 << 20
BACKLOG = 1 << 30  # unacknowledged log bytes at which tasks begin to wait
HEADER = Struct("<IIHBBQ")  # of a log record; see docs/design/agent.md


class Log:
    """A log of records appended to segments, which are read back by offset.

    `end` is on disk, `tail` counts what is still in memory too. When the disk is full
    `write` says False and keeps the bytes: nothing is lost, the caller stops reading pipes.
    """

    def __init__(self, folder: str, keep: bool) -> None:
        os.makedirs(folder, 0o700, exist_ok=True)
        self.folder = folder
        self.keep = keep  # somebody else's folder: segments are never removed
        names = os.listdir(folder)
        self.starts = sorted(int(name) for name in names if len(name) == 20 and name.isdecimal())
        self.size = 0  # of the last segment
        self.pending: list[bytes] = []
        self.waiting = 0  # bytes in pending
        self.fd = -1
        self.reader = (-1, -1)  # (start of the segment, its descriptor)
        if self.starts:
            self.size = whole(self.path(self.starts[-1]))
            os.truncate(self.path(self.starts[-1]), self.size)
        self.end = self.tail = (self.starts[-1] if self.starts else 0) + self.size
        self.logged = self.starts[0] if self.starts else 0
        self.error: OSError | None = None

    def path(self, start: int) -> str:
        return "%s/%020d" % (self.folder, start)

    def append(self, task: int, attempt: int, stream: int, data: bytes) -> int:
        """Append a record, and return the offset at which it begins."""
        size = HEADER.size + len(data)
        if self.size + self.waiting + size > SEGMENT and self.write() and self.size:
            self.roll()
        offset = self.tail
        now = int(clock() * 1e6)
        self.pending.append(HEADER.pack(len(data), task, attempt & 0xFFFF, stream, 0, now))
        self.pending.append(data)
        self.waiting += size
        self.tail += size
        if self.waiting > 1 << 20:
            self.write()
        return offset

    def roll(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1
        self.size = 0
        self.starts.append(self.end)

    def write(self) -> bool:
        """Write all to disk; return whether that worked.

        Where a file may not grow, another segment begins.
        """
        count = len(self.pending)
        while self.pending:
            try:
                self.put(self.pending[:count])
                del self.pending[:count]
                count = len(self.pending)
            except OSError as error:
                if error.errno == errno.EFBIG and self.size:
                    self.roll()
                elif error.errno == errno.EFBIG and count > 2:
                    count = count // 4 * 2  # a header and its payload stay together
                else:
                    self.error = error
                    return False
        self.error = None
        return True

    def put(self, parts: list[bytes]) -> None:
        """Write all of these records, or none. Raises OSError."""
        if self.fd < 0:
            if not self.starts:
                self.starts.append(self.end)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self.fd = os.open(self.path(self.starts[-1]), flags, 0o600)
        data = memoryview(b"".join(parts))
        done = 0
        try:
            while done < len(data):
                done += os.write(self.fd, data[done:])
        except OSError:
            os.ftruncate(self.fd, self.size)
            raise
        self.size += done
        self.end += done
        self.waiting -= done

    def why(self) -> str:
        """Return why the last write failed."""
        return str(self.error and self.error.strerror)

    def full(self) -> bool:
        """Return whether tasks have to wait until the head has read more of the log."""
        return not self.keep and self.tail - self.logged > BACKLOG

    def read(self, offset: int, most: int) -> tuple[int, bytes]:
        """Return the bytes from `offset`, or from the first that is still here, with their offset.

        The bytes never go past a segment.
        """
        if not self.starts:
            return offset, b""
        offset = max(offset, self.starts[0])
        index = bisect_right(self.starts, offset) - 1
        start = self.starts[index]
        last = index + 1 == len(self.starts)
        stop = self.end if last else self.starts[index + 1]
        if offset >= stop:  # what the disk has no room for goes from memory to the head
            late = b"".join(self.pending) if self.error and last else b""
            return offset, late[offset - stop : offset - stop + most]
        if self.reader[0] != start:
            self.close_reader()
            self.reader = (start, os.open(self.path(start), os.O_RDONLY))
        most = min(most, stop - offset)
        return offset, os.pread(self.reader[1], most, offset - start)

    def close_reader(self) -> None:
        if self.reader[1] >= 0:
            os.close(self.reader[1])
        self.reader = (-1, -1)

    def forget(self, offset: int) -> None:
        """Forget the bytes before `offset`, which the head has stored: remove whole segments."""
        if self.error and not self.keep and offset >= self.end:  # make room at once
            if offset >= self.tail:
                self.pending.clear()
                self.waiting = 0
                self.end = self.tail
                self.error = None
            if self.fd >= 0:
                self.roll()
        self.logged = max(self.logged, min(offset, self.end))
        while not self.keep and len(self.starts) > 1 and self.starts[1] <= self.logged:
            start = self.starts.pop(0)
            if self.reader[0] == start:
                self.close_reader()
            try:
                os.unlink(self.path(start))
            except FileNotFoundError:
                pass


def records(data: Any) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield (offset of the payload, header) of each whole record in a segment's bytes."""
    at, end = 0, len(data)
    while at + HEADER.size <= end:
        header = HEADER.unpack_from(data, at)
        at += HEADER.size
        if at + header[0] > end:
            return
        yield at, header
        at += header[0]


def whole(path: str) -> int:
    """Return how many bytes of a segment are whole records; a killed writer may leave a part."""
    import mmap

    size = os.path.getsize(path)
    if not size:
        return 0
    good = 0
    fd = os.open(path, os.O_RDONLY)
    with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as data:
        for at, header in records(data):
            good = at + header[0]
    os.close(fd)
    return good

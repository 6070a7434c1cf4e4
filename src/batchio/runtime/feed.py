"""A file object that a loop fills and a thread reads."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from batchio.runtime.untar import Garbled

_AHEAD: Final = 64
"""Number of chunks that may wait for the disk."""


class Feed:
    """Chunks on their way from the network to the disk, in order."""

    def __init__(self) -> None:
        self._chunks: deque[memoryview] = deque()
        self._rest = memoryview(b"")
        self._moved = threading.Condition()
        self._ended = False
        self._stopped = False

    def offer(self, chunk: memoryview) -> bool:
        """Queue the chunk; return False, without queueing it, when too many wait."""
        with self._moved:
            room = self._has_room()
            if room and not self._ended:  # behind an archive's end comes only padding
                self._chunks.append(chunk)
                self._moved.notify_all()
            return room

    def push(self, chunk: memoryview) -> None:
        """Queue the chunk, after waiting for room; drop it when the feed has ended."""
        with self._moved:
            self._moved.wait_for(self._has_room)
        self.offer(chunk)

    def end(self) -> None:
        """Mark the end: no more chunks come, or no thread reads any more."""
        with self._moved:
            self._ended = True
            self._moved.notify_all()

    def stop(self) -> None:
        """Make every further `read` raise an error."""
        with self._moved:
            self._stopped = self._ended = True
            self._moved.notify_all()

    def read(self, size: int) -> bytes:
        """Wait for `size` bytes and return them; fewer only at the end.

        Raises:
            Garbled: the feed was stopped.
        """
        out = bytearray()
        while len(out) < size and self._has_more():
            want = size - len(out)
            out += self._rest[:want]
            self._rest = self._rest[want:]
        return bytes(out)

    def _has_more(self) -> bool:
        """Return whether there are more bytes to read; waits for the next chunk."""
        if not self._rest:
            with self._moved:
                self._moved.wait_for(lambda: self._chunks or self._ended)
                if self._stopped:
                    raise Garbled("they are not wanted any more")
                self._rest = self._chunks.popleft() if self._chunks else self._rest
                self._moved.notify_all()
        return bool(self._rest)

    def _has_room(self) -> bool:
        return len(self._chunks) < _AHEAD or self._ended

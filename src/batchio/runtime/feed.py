"""A file object that a loop fills and a thread reads."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from batchio.runtime.untar import Garbled

_AHEAD: Final = 64
"""Chunks that may wait for the disk."""


class Feed:
    """Chunks on their way from the network to the disk, in order."""

    def __init__(self) -> None:
        self._chunks: deque[memoryview] = deque()
        self._rest = memoryview(b"")
        self._moved = threading.Condition()
        self._ended = False
        self._stopped = False

    def offer(self, chunk: memoryview) -> bool:
        """Take the chunk, unless too many wait."""
        with self._moved:
            room = self._has_room()
            if room and not self._ended:  # behind an archive's end comes only padding
                self._chunks.append(chunk)
                self._moved.notify_all()
            return room

    def push(self, chunk: memoryview) -> None:
        """Take the chunk once there is room; at once when nobody reads any more."""
        with self._moved:
            self._moved.wait_for(self._has_room)
        self.offer(chunk)

    def end(self) -> None:
        """No more will come, or nobody reads any more."""
        with self._moved:
            self._ended = True
            self._moved.notify_all()

    def stop(self) -> None:
        """Whoever reads on gets an error."""
        with self._moved:
            self._stopped = self._ended = True
            self._moved.notify_all()

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end; waits for them.

        Raises:
            Garbled: it was stopped.
        """
        out = bytearray()
        while len(out) < size and self._has_more():
            want = size - len(out)
            out += self._rest[:want]
            self._rest = self._rest[want:]
        return bytes(out)

    def _has_more(self) -> bool:
        """Whether there is a rest to read; waits for the next chunk."""
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

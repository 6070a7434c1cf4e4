"""The download of one attempt's outputs over one connection: a tar stream, or its rest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from batchio.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_AHEAD: Final = 64
"""Number of frames of one tar stream that may wait for the disk."""


class Fetch:
    """A tar stream that arrives, or its rest. Iterating raises Unreachable when it breaks off."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[memoryview | None] = asyncio.Queue(_AHEAD)
        self._wanted = True
        self.whole: tuple[int, int] | None = None
        """Size in bytes and CRC-32 of the whole stream, once all of it was sent."""
        self.ended = False
        """Whether no more bytes will come, so that the stream may be asked for again."""

    async def put(self, data: memoryview) -> None:
        """Add bytes that have arrived; wait while too many frames are unread."""
        if self._wanted and data:
            await self._chunks.put(data)

    def end(self, whole: tuple[int, int] | None = None) -> None:
        """Mark the end: the stream was sent to its end (`whole`), or the connection broke."""
        self.whole = whole
        self.ended = True
        if not self._chunks.full():
            self._chunks.put_nowait(None)
        self._wanted = False

    def drop(self) -> None:
        """Stop reading: throw away bytes that wait or still come."""
        self._wanted = False
        while not self._chunks.empty():
            self._chunks.get_nowait()

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        while self._wanted or not self._chunks.empty():
            chunk = await self._chunks.get()
            if chunk is not None:
                yield chunk
        if self.whole is None:
            raise Unreachable("the connection broke while output files were copied")

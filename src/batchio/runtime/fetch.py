"""The outputs of one attempt on their way to us: a tar stream, or the rest of one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from batchio.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_AHEAD: Final = 64
"""Frames of one tar stream that may wait for the disk."""


class Fetch:
    """A tar stream on its way to us, or the rest of one. Raises Unreachable when it breaks."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[memoryview | None] = asyncio.Queue(_AHEAD)
        self._wanted = True
        self.whole: tuple[int, int] | None = None
        """Size and CRC-32 of the stream from its first byte, once all of it was sent."""
        self.ended = False
        """Whether no more of it will come, so that it may be asked for again."""

    async def put(self, data: memoryview) -> None:
        """More of it has come; waits while too much lies here unread."""
        if self._wanted and data:
            await self._chunks.put(data)

    def end(self, whole: tuple[int, int] | None = None) -> None:
        """No more will come: it was sent to its end, or the connection broke."""
        self.whole = whole
        self.ended = True
        if not self._chunks.full():
            self._chunks.put_nowait(None)
        self._wanted = False

    def drop(self) -> None:
        """Nobody reads on: what still comes is thrown away, and holds nobody up."""
        self._wanted = False
        while not self._chunks.empty():
            self._chunks.get_nowait()

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        while self._wanted or not self._chunks.empty():
            chunk = await self._chunks.get()
            if chunk is not None:
                yield chunk
        if self.whole is None:
            raise Unreachable("the outputs broke off on their way")

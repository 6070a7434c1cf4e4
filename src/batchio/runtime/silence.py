"""Silence of an agent, counted in pings: it tells an agent that hangs from one that is slow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchio.ports import ByteReader


class SilenceMeter:
    """A reader of an agent's bytes that counts for how many pings the agent has said nothing."""

    def __init__(self, inner: ByteReader) -> None:
        self._inner = inner
        self._waits = False
        self._quiet = 0

    async def read(self, n: int) -> bytes:
        """Read at most `n` bytes; empty at the end."""
        self._waits = True
        data = await self._inner.read(n)
        self._waits, self._quiet = False, 0
        return data

    async def readexactly(self, n: int) -> bytes:
        """Read exactly `n` bytes. Raises asyncio.IncompleteReadError: the end came before."""
        parts: list[bytes] = []
        left = n
        while left:
            data = await self.read(left)
            if not data:
                raise asyncio.IncompleteReadError(b"".join(parts), n)
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def count_ping(self) -> int:
        """Count a ping that is sent; return how many were sent since the last byte came.

        Pings do not count while the head does not read: then bytes may wait.
        """
        self._quiet += self._waits
        return self._quiet

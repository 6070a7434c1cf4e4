"""How long an agent has been silent, in pings: what tells one that hangs from one that is slow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchio.ports import ByteReader


class SilenceMeter:
    """A reader of what an agent says, which counts for how many pings it has said nothing."""

    def __init__(self, inner: ByteReader) -> None:
        self._inner = inner
        self._waits = False
        self._quiet = 0

    async def read(self, n: int) -> bytes:
        """At most `n` bytes; empty at the end."""
        self._waits = True
        data = await self._inner.read(n)
        self._waits, self._quiet = False, 0
        return data

    async def readexactly(self, n: int) -> bytes:
        """Exactly `n` bytes; asyncio.IncompleteReadError at the end."""
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
        """Count a ping that goes out; return how many have since the last byte came.

        While the head is busy with what came before, nobody can tell whether more is there.
        """
        self._quiet += self._waits
        return self._quiet

"""Streams as the port has them: a break is `Unreachable`, whatever is underneath.

Shared by the transports; knows none of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from batchio.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable

    from batchio.ports import ByteReader, ByteWriter

T = TypeVar("T")
Broken = tuple[type[Exception], ...]

CHUNK: Final = 128 << 10
"""Bytes given to a pipe at once, so that backpressure is felt soon."""


class Stdin(Protocol):
    """The stream that a command reads from: asyncio's or asyncssh's."""

    def write(self, data: bytes) -> None: ...

    def drain(self) -> Awaitable[None]: ...

    def write_eof(self) -> None: ...


class Reader:
    """The reading half of a connection."""

    def __init__(self, inner: ByteReader, where: str, broken: Broken) -> None:
        self._inner = inner
        self._where = where
        self._broken = broken

    async def readexactly(self, n: int) -> bytes:
        """Return exactly `n` bytes; raise asyncio.IncompleteReadError at the end."""
        try:
            return await self._inner.readexactly(n)
        except self._broken as error:
            raise lost(self._where, error) from error

    async def read(self, n: int) -> bytes:
        """Return at most `n` bytes; empty at the end."""
        try:
            return await self._inner.read(n)
        except self._broken as error:
            raise lost(self._where, error) from error


class Writer:
    """The writing half of a connection."""

    def __init__(self, inner: ByteWriter, where: str, broken: Broken) -> None:
        self._inner = inner
        self._where = where
        self._broken = broken

    def write(self, data: bytes) -> None:
        """Queue bytes to be sent."""
        try:
            self._inner.write(data)
        except self._broken as error:
            raise lost(self._where, error) from error

    async def drain(self) -> None:
        """Wait until there is room for more bytes."""
        try:
            await self._inner.drain()
        except self._broken as error:
            raise lost(self._where, error) from error

    def close(self) -> None:
        """Close both halves."""
        self._inner.close()


def lost(where: str, error: BaseException | None = None) -> Unreachable:
    """Return the error for a connection that broke."""
    why = f" ({error})" if error and str(error) else ""
    return Unreachable(f"the connection broke{why}", where=where)


async def while_feeding(
    writer: Stdin,
    source: bytes | AsyncIterable[bytes],
    broken: Broken,
    ending: Awaitable[T],
) -> T:
    """Feed `source` to a command until `ending`; a command need not read all of it.

    Raises:
        Exception: what `source` itself raised.
    """

    async def feed() -> None:
        async for piece in _pieces(source):
            try:
                writer.write(piece)
                await writer.drain()
            except broken:
                return
        try:
            writer.write_eof()
        except broken:
            return

    async def end() -> T:
        return await ending

    feeding = asyncio.ensure_future(feed())
    waiting = asyncio.ensure_future(end())
    try:
        await asyncio.wait({feeding, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if feeding.done():
            feeding.result()
        return await waiting
    finally:
        feeding.cancel()
        waiting.cancel()
        await asyncio.gather(feeding, waiting, return_exceptions=True)


async def _pieces(source: bytes | AsyncIterable[bytes]) -> AsyncIterable[bytes]:
    if isinstance(source, bytes):
        view = memoryview(source)
        for start in range(0, len(view), CHUNK):
            yield bytes(view[start : start + CHUNK])
        return
    async for piece in source:
        yield piece

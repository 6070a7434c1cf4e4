"""A file store in a bucket, or in a folder that is used like one.

Bytes are stored under `sha256/<digest>`, named objects beside them. Knows nothing of jobs.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from batchio.buckets.streaming import CHUNK
from batchio.errors import ProviderError, UsageError
from batchio.ports import Stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from batchio.buckets.streaming import AsyncBucket

FOLDER: Final = "sha256/"

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class ObjectFileStore:
    """A file store in a bucket, as `ports.FileStore` describes; made by `open_store`."""

    def __init__(self, bucket: AsyncBucket) -> None:
        self.url = bucket.url
        self._bucket = bucket

    # --- by content ----------------------------------------------------------

    async def put(self, source: bytes | Path | AsyncIterable[bytes]) -> str:
        """Store bytes and return their digest. A stream is first written to a temporary file."""
        file = await _rereadable(source)
        try:
            digest = await asyncio.to_thread(_digest, file)
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            if await self._bucket.size(FOLDER + digest) != size:  # else it is there, and whole
                await self._bucket.send(FOLDER + digest, self._checked(file, digest), size)
        finally:
            file.close()
        return digest

    async def has(self, digest: str) -> bool:
        """Return whether bytes of this digest are stored."""
        return await self._bucket.size(_key(digest)) is not None

    async def get(self, digest: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes from offset `start` on, in order; from 0 their digest is checked."""
        seen = hashlib.sha256()
        async for chunk in self._bucket.read(_key(digest), start, what=digest):
            seen.update(chunk)
            yield chunk
        if not start and seen.hexdigest() != digest:
            raise ProviderError(
                f"{digest} is damaged", where=self.url, hint="delete it, and store it again"
            )

    async def list(self) -> AsyncIterator[Stored]:
        """Yield every object that is stored by its digest, in no order."""
        async for key, size, modified in self._bucket.list(FOLDER):
            name = key.removeprefix(FOLDER)
            if _DIGEST.fullmatch(name):
                yield Stored(name, size, modified)

    async def delete(self, digest: str) -> None:
        """Delete the bytes of this digest; quiet when there are none."""
        await self._bucket.delete(_key(digest))

    async def sign(self, digest: str, seconds: float, method: str = "GET") -> str:
        """Return a URL that allows this method for so many seconds, to anybody who knows it.

        No credentials are needed to use it. For a folder it is the path of the file: everybody
        who can read the folder can read it.
        """
        return await self._bucket.sign(_key(digest), seconds, method)

    # --- by name -------------------------------------------------------------

    async def put_named(self, name: str, data: bytes, *, create_only: bool = False) -> bool:
        """Write `data` under a name, whole or not at all; return False when `create_only` and
        taken.
        """
        return await self._bucket.put(_name(name), data, create_only=create_only)

    async def get_named(self, name: str) -> bytes | None:
        """Return the data that was written under a name, or None when nothing was."""
        return await self._bucket.get(_name(name))

    async def _checked(self, file: BinaryIO, digest: str) -> AsyncIterator[bytes]:
        """Yield a file's bytes; raise at its end when their digest is another one.

        What is raised there gives the upload up, and nothing is kept.
        """
        seen = hashlib.sha256()
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            await asyncio.to_thread(seen.update, chunk)
            yield chunk
        if seen.hexdigest() != digest:
            raise ProviderError("the file changed while it was read", where=self.url)


def _digest(file: Any) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


async def _rereadable(source: bytes | Path | AsyncIterable[bytes]) -> BinaryIO:
    """Return the source as a file that can be read twice."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, Path):
        return await asyncio.to_thread(source.open, "rb")
    spool = cast("BinaryIO", tempfile.SpooledTemporaryFile(CHUNK))  # noqa: SIM115  put closes it
    try:
        async for chunk in source:
            await asyncio.to_thread(spool.write, chunk)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return spool


def _key(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise UsageError(f'"{digest}" is not a SHA-256 digest in hexadecimal')
    return FOLDER + digest


def _name(name: str) -> str:
    """Check and return a name that cannot leave the store or meet a digest."""
    if name.startswith(FOLDER) or any(part in ("", ".", "..") for part in name.split("/")):
        raise UsageError(f'"{name}" cannot be a name in a file store')
    return name

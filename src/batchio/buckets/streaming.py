"""A bucket under asyncio: bytes of any number, sent and read as streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import obstore
from obstore.exceptions import AlreadyExistsError

from batchio.buckets.connection import key_to_sign, no_bucket, signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from obstore import HTTP_METHOD

    from batchio.buckets.connection import Connection

LARGE_LIMIT: Final = "10m"
"""Longest time of one request, its bytes included; obstore's own 30 s are too few at home."""

CHUNK: Final = 8 << 20
"""Bytes of one part of an upload; fewer bytes are sent in one request."""

MOST_PARTS: Final = 9000
"""Most parts of one upload, below S3's own limit of 10,000:
docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
"""

AT_ONCE: Final = 8
"""Parts of an upload that are sent at the same time."""


class AsyncBucket:
    """The objects of a bucket. Every verb raises as `Connection.translating` says."""

    def __init__(self, connection: Connection) -> None:
        self.url = connection.url
        self._connection = connection
        self._store = connection.store
        self._translating = connection.translating

    @property
    def signs_writes(self) -> bool:
        """Whether it has URLs that allow to write without credentials."""
        return self._connection.signs_writes

    async def size(self, key: str) -> int | None:
        """Return the number of bytes of an object, or None when there is none."""
        with self._translating():
            try:
                return int((await obstore.head_async(self._store, key))["size"])
            except FileNotFoundError:
                return None

    async def send(self, key: str, source: AsyncIterable[bytes], size: int) -> None:
        """Store a stream of `size` bytes, whole or, when `source` raises, not at all."""
        with self._translating():
            if size <= CHUNK:
                data = b"".join([chunk async for chunk in source])
                await obstore.put_async(self._store, key, data, use_multipart=False)
            else:
                part = max(CHUNK, size // MOST_PARTS + 1)
                await obstore.put_async(
                    self._store,
                    key,
                    cast("Any", source),
                    chunk_size=part,
                    max_concurrency=AT_ONCE,
                )

    async def read(self, key: str, start: int = 0, *, what: str = "") -> AsyncIterator[bytes]:
        """Yield the bytes of an object from offset `start` on; none behind its end.

        Raises:
            ProviderError: there is no such object; says `what`.
        """
        with self._translating(what or key):
            if start and start >= (await obstore.head_async(self._store, key))["size"]:
                return  # stores refuse to give nothing
            options = {"range": {"offset": start}} if start else {}
            answer = await obstore.get_async(self._store, key, options=cast("Any", options))
            async for part in answer.stream(min_chunk_size=1 << 20):
                yield bytes(part)

    async def put(self, key: str, data: bytes, *, create_only: bool = False) -> bool:
        """Store an object, whole or not at all; return False when `create_only` and taken."""
        mode: Any = "create" if create_only else "overwrite"
        with self._translating():
            try:
                await obstore.put_async(self._store, key, data, mode=mode, use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    async def get(self, key: str) -> bytes | None:
        """Return the bytes of a small object, or None when there is none."""
        with self._translating():
            try:
                answer = await obstore.get_async(self._store, key)
                return bytes(await answer.bytes_async())
            except FileNotFoundError as err:
                if no_bucket(err):
                    raise
                return None

    async def list(self, folder: str) -> AsyncIterator[tuple[str, int, float]]:
        """Yield key, bytes and Unix seconds of every object below a folder, in no order."""
        with self._translating():
            async for batch in obstore.list(self._store, folder):
                for item in batch:
                    yield item["path"], item["size"], item["last_modified"].timestamp()

    async def delete(self, key: str) -> None:
        """Delete an object; quiet when there is none."""
        with self._translating():
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                return

    async def sign(self, key: str, seconds: float, method: str = "GET") -> str:
        """Return a URL that allows this method for so many seconds, to anybody who knows it.

        Raises:
            UsageError: as `Connection.signing`.
        """
        signer = self._connection.signing(key, seconds, method)
        if isinstance(signer, str):
            return signer
        with self._translating():
            verb, scheme = cast("HTTP_METHOD", method), self._connection.scheme
            life = self._connection.life(seconds)
            url = await obstore.sign_async(signer, verb, key_to_sign(scheme, key), life)
        return signed(scheme, url)

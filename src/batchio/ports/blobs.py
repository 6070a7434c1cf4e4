"""Bytes that are kept by their content."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator
    from pathlib import Path


class Stored(NamedTuple):
    """What a file store has: SHA-256 in hexadecimal, bytes, Unix seconds."""

    digest: str
    size: int
    modified: float


class FileStore(Protocol):
    """Keeps bytes under the digest of what they are, and small markers under a name.

    Every verb may raise NotAuthorised (credentials), UsageError (no such bucket),
    ProviderDown (throttled, unreachable).
    """

    url: str

    async def put(self, source: bytes | Path | AsyncIterable[bytes]) -> str:
        """Keep these bytes; returns their digest. What is there already is not sent again.

        Raises:
            OSError: the source cannot be read.
            ProviderError: the source changed while it was read; nothing was kept.
        """
        ...

    async def has(self, digest: str) -> bool:
        """Whether it is there."""
        ...

    def get(self, digest: str, start: int = 0) -> AsyncIterator[bytes]:
        """The bytes from `start` on, in order. From 0 they are checked: whoever got them
        all without an error has the right ones; whoever goes on later checks the whole.

        Raises:
            ProviderError: it is not there, or it is damaged.
        """
        ...

    def list(self) -> AsyncIterator[Stored]:
        """Everything that is kept by its digest, in no order."""
        ...

    async def delete(self, digest: str) -> None:
        """Keep it no longer. What is gone already is not an error."""
        ...

    async def sign(self, digest: str, seconds: float, method: str = "GET") -> str:
        """A URL that lets anybody who knows it do this for so long, without credentials.

        Raises:
            UsageError: this kind of store has no such URLs.
        """
        ...

    async def put_named(self, name: str, data: bytes, *, create_only: bool = False) -> bool:
        """Write `data` under a name, whole or not at all; False when `create_only` and taken."""
        ...

    async def get_named(self, name: str) -> bytes | None:
        """What was written under a name; None when nothing was."""
        ...

"""File stores: bytes that are kept by their content."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
    from pathlib import Path


class Stored(NamedTuple):
    """One entry of a file store: SHA-256 in hexadecimal, size in bytes, Unix seconds."""

    digest: str
    size: int
    modified: float


class ObjectStore(Protocol):
    """A store of objects under keys, such as `results/0/model.bin`.

    Every verb may raise as those of `FileStore`.
    """

    url: str

    @property
    def signs_writes(self) -> bool:
        """Whether it has URLs that allow to write without credentials."""
        ...

    async def send(self, key: str, source: AsyncIterable[bytes], size: int) -> None:
        """Store a stream of `size` bytes, whole or, when `source` raises, not at all."""
        ...

    async def sign(self, key: str, seconds: float, method: str = "GET") -> str:
        """Return a URL that allows this method for so many seconds, to anybody who knows it.

        Raises:
            UsageError: this kind of store has no such URLs.
        """
        ...


class FileStore(Protocol):
    """A store that keeps bytes under their digest, and small markers under a name.

    Every verb may raise NotAuthorised (credentials), UsageError (no such bucket),
    ProviderDown (throttled, unreachable).
    """

    url: str

    async def put(self, source: bytes | Path | AsyncIterable[bytes]) -> str:
        """Store bytes and return their digest. Bytes that are there already are not sent again.

        Raises:
            OSError: the source cannot be read.
            ProviderError: the source changed while it was read; nothing was kept.
        """
        ...

    async def has(self, digest: str) -> bool:
        """Return whether bytes of this digest are stored."""
        ...

    def get(self, digest: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes from offset `start` on, in order.

        From 0 their digest is checked at the end; a caller that starts later checks the whole
        itself.

        Raises:
            ProviderError: there are no such bytes, or they are damaged.
        """
        ...

    def list(self) -> AsyncIterator[Stored]:
        """Yield every entry that is stored by its digest, in no order."""
        ...

    async def delete(self, digest: str) -> None:
        """Delete the bytes of this digest. When they are gone already, that is no error."""
        ...

    async def sign(self, digest: str, seconds: float, method: str = "GET") -> str:
        """Return a URL that allows this method for so many seconds, to anybody who knows it.

        No credentials are needed to use it.

        Raises:
            UsageError: this kind of store has no such URLs.
        """
        ...

    async def put_named(self, name: str, data: bytes, *, create_only: bool = False) -> bool:
        """Write `data` under a name, whole or not at all; return False when `create_only` and
        taken.
        """
        ...

    async def get_named(self, name: str) -> bytes | None:
        """Return the data that was written under a name, or None when nothing was."""
        ...


class PieceStore(Protocol):
    """Where what environments are made of is kept, beside the jobs. Everything blocks.

    Every verb may raise JournalDown, NoAccess, WorkspaceError.
    """

    def put(self, files: Mapping[str, Path]) -> None:
        """Store files, each under its SHA-256 in hexadecimal; those that are there are not sent."""
        ...

    def fetch(self, digest: str, file: Path) -> bool:
        """Write the bytes of this digest, unchecked, into a file, whole or not at all.

        Returns False when there are none.
        """
        ...


class Stores(NamedTuple):
    """Functions that open the stores of URLs.

    They raise UsageError: it is no such URL, or what it needs is not installed or not said.
    """

    files: Callable[[str], FileStore]
    objects: Callable[[str], ObjectStore]

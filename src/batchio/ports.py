"""What batchio needs from the outside world, one Protocol a port, and what they exchange.

Adapters implement these, the runtime calls them, fakes in `batchio.testing` pass the same
contract suites. Every verb may be repeated with the same arguments; all times are seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from batchio.core.plan import Offer
    from batchio.core.spec import JobSpec


class Clock(Protocol):
    """The time, and waiting for it."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once when they are not positive."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Have `callback` called at `when`, Unix seconds, unless cancelled before."""
        ...


class Timer(Protocol):
    """A call to come."""

    def cancel(self) -> None:
        """Do not call. Quiet when it was called already."""
        ...


# --- reaching a node ---------------------------------------------------------


class Completed(NamedTuple):
    """How a command ended: exit code (`-N`: signal N), and what it wrote."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class ByteReader(Protocol):
    """The reading half of a connection, as asyncio and asyncssh have it."""

    async def readexactly(self, n: int) -> bytes:
        """Exactly `n` bytes. Raises asyncio.IncompleteReadError at the end."""
        ...

    async def read(self, n: int) -> bytes:
        """At most `n` bytes; empty at the end."""
        ...


class ByteWriter(Protocol):
    """The writing half of a connection."""

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        ...

    def drain(self) -> Awaitable[None]:
        """Wait until there is room for more."""
        ...

    def close(self) -> None:
        """Close both halves."""
        ...


@runtime_checkable
class Transport(Protocol):
    """One open way to one node."""

    where: str
    """What people call the other side: a host's name or address."""
    local: bool
    """Whether the node is this computer, and its files are our files."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | AsyncIterable[bytes] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """Run one command there to its end; the argv arrives byte for byte.

        Raises:
            Unreachable: the connection broke: nobody knows how the command ended.
            TimeoutError: it took longer than `timeout` seconds; it is killed.
        """
        ...

    async def open_unix(self, path: str) -> tuple[ByteReader, ByteWriter]:
        """Connect to a Unix socket there.

        Raises:
            Unreachable: nobody listens, or the connection broke.
        """
        ...

    async def wait_closed(self) -> None:
        """Return when the way is no longer open, whoever closed it."""
        ...

    async def close(self) -> None:
        """Close it. Quiet when it is closed already."""
        ...


# --- where nodes come from ---------------------------------------------------


class NodeOrder(NamedTuple):
    """One node to take. The same `token` always means the same node."""

    token: str
    offer: str
    job: str


class Provider(Protocol):
    """Lends or rents nodes."""

    name: str

    async def offers(self, spec: JobSpec) -> list[Offer]:
        """What there is for such a job, best first.

        Raises:
            UsageError: the request makes no sense to this provider.
            ProviderError: it cannot say.
        """
        ...

    async def create(self, order: NodeOrder) -> str:
        """Take one node and return its handle; it may still be booting.

        Raises:
            NoCapacity, QuotaExceeded, ProviderDown: by remedy.
        """
        ...

    async def connect(self, handle: str) -> Transport:
        """Open a way to the node.

        Raises:
            Unreachable: no answer; asking again may help.
            NotAuthorised: a key was refused; asking again will not help.
        """
        ...

    async def delete(self, handle: str) -> None:
        """Give it back. One that is already gone is not an error."""
        ...

    async def aclose(self) -> None:
        """Let go of whatever the provider itself holds open."""
        ...


# --- the journal -------------------------------------------------------------


class Journal(Protocol):
    """The one writer of one job's journal; whoever holds it holds the job's lease."""

    epoch: int
    """Rises by one with each head that takes the lease; the first is 1."""

    async def append(self, events: Sequence[str]) -> None:
        """Write one batch, whole or not at all; durable when it returns.

        Raises:
            JournalFull: no room; nothing of the batch was written.
            LeaseHeld: the lease is no longer ours; nothing was written.
        """
        ...

    async def snapshot(self, state: bytes) -> None:
        """Keep a cache of the state after all that was appended; never needed to be right."""
        ...

    async def close(self) -> None:
        """Let go of the lease."""
        ...


# --- bytes kept by their content ---------------------------------------------


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

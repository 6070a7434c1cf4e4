"""How a node is reached: commands, and a byte stream to its agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Sequence


class Completed(NamedTuple):
    """The end of a command: exit code (`-N`: signal N), and what it wrote."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class ByteReader(Protocol):
    """The reading half of a connection, as asyncio and asyncssh have it."""

    async def readexactly(self, n: int) -> bytes:
        """Return exactly `n` bytes. Raises asyncio.IncompleteReadError at the end."""
        ...

    async def read(self, n: int) -> bytes:
        """Return at most `n` bytes; empty at the end."""
        ...


class ByteWriter(Protocol):
    """The writing half of a connection."""

    def write(self, data: bytes) -> None:
        """Queue bytes to be sent."""
        ...

    def drain(self) -> Awaitable[None]:
        """Wait until there is room for more bytes."""
        ...

    def close(self) -> None:
        """Close both halves."""
        ...


@runtime_checkable
class Transport(Protocol):
    """One open connection to one node."""

    where: str
    """How people call the node: a host's name or address."""
    local: bool
    """Whether the node is this computer, and its files are our files."""
    python: str
    """The path of a Python on the node that the user named; empty: one is searched for."""
    work: str
    """The folder on the node that the user named for batchio's files; empty: the usual one."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | AsyncIterable[bytes] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """Run one command on the node to its end; the argv arrives byte for byte.

        Raises:
            Unreachable: the connection broke: nobody knows how the command ended.
            TimeoutError: it took longer than `timeout` seconds; it is killed.
        """
        ...

    async def open_unix(self, path: str, python: str = "") -> tuple[ByteReader, ByteWriter]:
        """Connect to a Unix socket on the node.

        Args:
            path: The socket.
            python: A Python there that can carry the bytes, if one is needed; empty: one is
                searched for.

        Raises:
            Unreachable: nobody listens, or the connection broke.
        """
        ...

    async def wait_closed(self) -> None:
        """Return when the connection is closed, whoever closed it."""
        ...

    async def close(self) -> None:
        """Close the connection. Quiet when it is closed already."""
        ...

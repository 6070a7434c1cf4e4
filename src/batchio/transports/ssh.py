"""A host over SSH: one connection, kept alive, with commands and sockets inside.

    async with await connect(SshTarget("gpu1")) as node:
        print((await node.run(["nproc"])).stdout)

Host keys, configuration and the errors of connecting: `_ssh_connect`. Reconnecting is the
caller's: a connection that is lost stays lost, and says so within 15 seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Self, cast

from batchio.errors import BatchioError, NodeError, Unreachable
from batchio.owned import owned, to_its_end
from batchio.transports._asyncssh import asyncssh  # before all others that import it
from batchio.transports._ssh_carry import MISSING, Carried, carry_line, connected
from batchio.transports._ssh_command import BROKEN, Command, Sessions, command_line, kill_group
from batchio.transports._ssh_connect import Limits
from batchio.transports._ssh_connect import connect as _connect
from batchio.transports._ssh_login import SshTarget
from batchio.transports._streams import Reader, Writer, lost

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Sequence

    from batchio.ports import ByteReader, ByteWriter, Completed
    from batchio.transports._ssh_connect import Client
    from batchio.transports.ssh_config import HostConfig

__all__ = ["Limits", "SshTarget", "SshTransport", "connect"]

_forwards_none: Final[set[SshTarget]] = set()
"""The hosts whose servers were found to forward no sockets."""

_LAST_WORDS_S: Final = 3.0
"""Seconds that killing a command, or closing a connection, may take."""


async def connect(
    target: SshTarget | str, limits: Limits | None = None, host_config: HostConfig | None = None
) -> SshTransport:
    """Connect to a host; a plain name means as `ssh NAME` would.

    Args:
        target: The host.
        limits: None: the usual ones, and what the configuration says.
        host_config: What `ssh_config.read_config` said of it, if it has been asked.

    Raises:
        Unreachable, NotAuthorised, Unfit, UsageError: see `_ssh_connect.connect`.
    """
    if isinstance(target, str):
        target = SshTarget(target)
    connection, client = await _connect(target, limits, host_config=host_config)
    return SshTransport(target, limits, connection, client)


class SshTransport:
    """One connection to one host, made by `connect`."""

    local = False

    def __init__(
        self,
        target: SshTarget,
        limits: Limits | None,
        connection: asyncssh.SSHClientConnection,
        client: Client,
    ) -> None:
        self.where = target.where
        self.python = target.python
        self.work = target.work
        self._target = target
        self._limits = limits
        self._connection = connection
        self._client = client
        self._sessions = Sessions(target.where)
        self._carriers: list[asyncssh.SSHClientConnection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | AsyncIterable[bytes] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """Run one command there to its end.

        Cancelling, or the timeout, kills the command's process group, as far as the
        connection still allows. When the server takes no more sessions at a time, the
        command waits for its turn.

        Raises:
            Unreachable: the connection broke: nobody knows how the command ended.
            TimeoutError: it took longer than `timeout` seconds; it is killed.
            NotAuthorised: the account may log in, but not run commands.
        """
        line = command_line(argv)
        async with asyncio.timeout(timeout):
            process = await self._sessions.take(lambda: self._begin(line))
            command = Command(process, self.where)
            try:
                outcome = await command.outcome(stdin)
            except BaseException:
                await to_its_end(self._kill(command))
                raise
            finally:
                command.close()
                self._sessions.give_back()
        if outcome is None:
            raise self._lost()
        return outcome

    async def open_unix(self, path: str, python: str = "") -> tuple[ByteReader, ByteWriter]:
        """Connect to a Unix socket there; this takes none of this connection's sessions.

        A server that forwards no sockets is remembered: a session of a connection of its own
        carries them.

        Raises:
            Unreachable: nobody listens, or the connection broke.
            Unfit: the server forwards no sockets, and there is no Python to carry one.
        """
        if self._target not in _forwards_none:
            with contextlib.suppress(asyncssh.ChannelOpenError):
                return await self._forward(path)
        reader, writer = await self._carry(path, python)
        if self._target in _forwards_none:
            return reader, writer
        try:  # it may only just have begun to listen
            forwarded = await self._forward(path)
        except asyncssh.ChannelOpenError:
            _forwards_none.add(self._target)
            return reader, writer
        except BaseException:
            writer.close()
            raise
        writer.close()
        return forwarded

    async def _forward(self, path: str) -> tuple[ByteReader, ByteWriter]:
        """Open the socket, forwarded. Raises asyncssh.ChannelOpenError when the server refuses."""
        try:
            reader, writer = await owned(
                self._connection.open_unix_connection(path), _close, _LAST_WORDS_S
            )
        except asyncssh.ChannelOpenError as error:
            if self._connection.is_closed():
                raise self._lost() from error
            raise
        except BROKEN as error:
            raise self._lost() from error
        return Reader(reader, self.where, BROKEN), Writer(writer, self.where, BROKEN)

    async def _carry(self, path: str, python: str) -> tuple[ByteReader, ByteWriter]:
        """Open the socket, carried by a session.

        Commands take turns where a server allows few sessions, and this one never ends: so it
        has a connection to itself.
        """
        if self._connection.is_closed():
            raise self._lost()
        try:
            other = await connect(self._target, self._limits)
        except NodeError as error:
            raise Unreachable(
                "it forwards no sockets, and takes no second connection to carry one: "
                f"{error.message}",
                where=self.where,
                hint=MISSING,
            ) from error
        try:
            process = await other._sessions.take(
                lambda: other._begin(carry_line(path, self.python or python))
            )
            await connected(process, path, self.where)
        except BaseException:
            other._connection.abort()
            raise
        self._carriers = [one for one in self._carriers if not one.is_closed()]
        self._carriers.append(other._connection)
        carried = Carried(process, other._connection)
        return Reader(process.stdout, self.where, BROKEN), Writer(carried, self.where, BROKEN)

    async def wait_closed(self) -> None:
        """Return when the connection is closed, whoever closed it."""
        await self._connection.wait_closed()

    async def close(self) -> None:
        """Close the connection. Commands that still run there are neither awaited nor killed."""
        for carrier in self._carriers:
            carrier.close()
        self._connection.close()
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                await self._connection.wait_closed()
        except TimeoutError:  # a silent peer never takes our last bytes
            self._connection.abort()
        except BaseException:
            self._connection.abort()
            raise

    async def _begin(self, line: bytes) -> asyncssh.SSHClientProcess[bytes]:
        """Start a command; one that is cancelled before it is known to run is ended."""

        async def end(process: asyncssh.SSHClientProcess[bytes]) -> None:
            command = Command(process, self.where)
            try:
                await self._kill(command)
            finally:
                command.close()

        return await owned(self._open(line), end, _LAST_WORDS_S)

    async def _open(self, line: bytes) -> asyncssh.SSHClientProcess[bytes]:
        """Start a command. Raises asyncssh.ChannelOpenError when the server refuses."""
        try:
            # asyncssh sends bytes as they are; its types know only text.
            return await self._connection.create_process(cast("str", line), encoding=None)
        except asyncssh.ChannelOpenError as error:
            if self._connection.is_closed():
                raise self._lost() from error
            raise
        except BROKEN as error:
            raise self._lost() from error

    async def _kill(self, command: Command) -> None:
        """Kill a command's process group: neither closing its channel nor disconnecting does."""
        if command.ended or self._connection.is_closed():
            return
        with contextlib.suppress(*BROKEN, TimeoutError, BatchioError):
            async with asyncio.timeout(_LAST_WORDS_S):
                group = await command.group()
                if not group:
                    return
                try:
                    await kill_group(self._connection, group)
                except asyncssh.ChannelOpenError:  # no second session here: connect again
                    async with await connect(self._target, self._limits) as other:
                        await kill_group(other._connection, group)

    def _lost(self) -> Unreachable:
        return lost(self.where, self._client.ended)


async def _close(pair: tuple[object, asyncssh.SSHWriter[bytes]]) -> None:
    """Close a connection to a socket for which nobody waits any more."""
    pair[1].close()

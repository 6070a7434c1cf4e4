"""The transport to this computer: commands are child processes, sockets are ordinary ones.

Nothing here knows about agents or jobs. A command runs in a session of its own, so that
Ctrl-C is for the caller and a command can be killed with its children.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import TYPE_CHECKING, Final, Self

from batchio.errors import Unreachable
from batchio.owned import owned, to_its_end
from batchio.ports import Completed
from batchio.transports._streams import Reader, Writer, while_feeding

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Sequence

    from batchio.ports import ByteReader, ByteWriter

_BROKEN: Final = (OSError,)
START_PATIENCE_S: Final = 1.0
"""Seconds that a process may take to start once its caller is cancelled.

Where `asyncio.run` ends, it cancels also asyncio's own task that opens the pipes, and the start
would wait for them for ever; cancelled once more, it gives up. The process is killed by then.
"""

_BUFFER: Final = 1 << 20
"""Bytes that a socket's reader buffers before it makes the other side wait."""


class LocalTransport:
    """The connection to this computer itself; many may be open at once."""

    local = True
    python = sys.executable
    work = ""

    def __init__(self) -> None:
        self.where = socket.gethostname()
        self._closed = asyncio.Event()

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
        """Run one command to its end.

        As in a shell, 127 stands for a program that is not there, 126 for one that may
        not be run. Cancelling, or the timeout, kills the command's process group.

        Raises:
            Unreachable: this transport is closed.
            TimeoutError: it took longer than `timeout` seconds; it is killed.
        """
        self._check_open()
        try:
            starting = asyncio.create_subprocess_exec(
                *argv,
                stdin=DEVNULL if stdin is None else PIPE,
                stdout=PIPE,
                stderr=PIPE,
                start_new_session=True,
            )
            process = await owned(starting, _kill, START_PATIENCE_S)
        except FileNotFoundError:
            return Completed(127, b"", os.fsencode(f"{argv[0]}: not found\n"))
        except OSError as error:
            return Completed(126, b"", os.fsencode(f"{argv[0]}: {error.strerror}\n"))
        try:
            async with asyncio.timeout(timeout):
                if stdin is None:
                    return await _outcome(process)
                assert process.stdin is not None
                return await while_feeding(process.stdin, stdin, _BROKEN, _outcome(process))
        except BaseException:
            await to_its_end(_kill(process))
            raise

    async def open_unix(self, path: str, python: str = "") -> tuple[ByteReader, ByteWriter]:
        """Connect to a Unix socket.

        Raises:
            Unreachable: nobody listens.
        """
        self._check_open()
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=_BUFFER)
        except OSError as error:
            raise Unreachable(
                f"nothing answers at {path} ({error.strerror})", where=self.where
            ) from error
        return Reader(reader, self.where, _BROKEN), Writer(writer, self.where, _BROKEN)

    async def wait_closed(self) -> None:
        """Return once `close` was called: this computer does not go away by itself."""
        await self._closed.wait()

    async def close(self) -> None:
        """Close the transport; sockets that were opened stay open."""
        self._closed.set()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise Unreachable("the connection is closed", where=self.where)


async def _outcome(process: Process) -> Completed:
    assert process.stdout is not None
    assert process.stderr is not None
    stdout, stderr, code = await asyncio.gather(
        process.stdout.read(), process.stderr.read(), process.wait()
    )
    return Completed(code, stdout, stderr)


async def _kill(process: Process) -> None:
    """End the command and its process group, and close its pipes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    transport = process._transport  # type: ignore[attr-defined]
    # First, for `wait` waits for pipes that a grandchild may hold which left the group. Not by
    # closing all of the transport: that asks for the exit code, beside asyncio's own thread.
    for pipe in filter(None, map(transport.get_pipe_transport, range(3))):
        pipe.close()
    await process.wait()
    transport.close()

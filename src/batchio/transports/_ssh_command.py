"""One command inside an SSH connection: its exact words, its output, its end.

Knows asyncssh's processes and nothing of how the connection came to be.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
from typing import TYPE_CHECKING, Final, cast

import asyncssh

from batchio.errors import NotAuthorised, Unfit
from batchio.ports import Completed
from batchio.transports._streams import while_feeding

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Sequence

    Process = asyncssh.SSHClientProcess[bytes]

BROKEN: Final = (OSError, asyncssh.Error)
"""The exceptions of asyncssh for a connection or channel that is no more."""

_WRAPPER: Final = 'printf "\\001"; printf "\\001%s\\001" $$ >&2; exec "$@"'
"""Marks where the command's own output begins, after what the login shell's start-up files
may have printed, and tells its pid, which is also its process group: sshd starts each
command in a session of its own."""
_MARK: Final = b"\x01"
_PID: Final = re.compile(rb"\x01(\d+)\x01")
_PID_LENGTH: Final = 22

_PATIENCE_S: Final = 10.0
"""Seconds for which a server is asked again that refuses even our only session."""


def command_line(argv: Sequence[str]) -> bytes:
    """`argv` as one line for the login shell, which gives every word back byte for byte.

    Exact for POSIX shells and zsh. fish and csh get the same line; they differ only in
    words that hold a backslash before a quote (fish), a newline or an exclamation mark
    (csh).

    Raises:
        ValueError: a word holds a NUL byte, which cannot be passed to a program.
    """
    words = [os.fsencode(shlex.quote(word)) for word in argv]
    if any(b"\0" in word for word in words):
        raise ValueError("a word of a command cannot contain a NUL byte")
    return b" ".join([b"exec /bin/sh -c", shlex.quote(_WRAPPER).encode(), b"sh", *words])


class Command:
    """One command that was started on the host `where`."""

    def __init__(self, process: Process, where: str) -> None:
        self._process = process
        self._where = where
        self._group = 0
        self._before = b""  # what was said instead of running it

    async def outcome(self, stdin: bytes | AsyncIterable[bytes] | None) -> Completed | None:
        """Return how the command ended; None when the connection broke, which asyncssh does not
        raise.

        Raises:
            NotAuthorised: the login shell did not run it.
            Exception: what `stdin` itself raised.
        """
        process = self._process
        if stdin is None:
            with contextlib.suppress(*BROKEN):
                process.stdin.write_eof()
        began = await self.group()
        if stdin is None or not began:
            done = await process.wait()
        else:
            done = await while_feeding(process.stdin, stdin, BROKEN, process.wait())
        if done.returncode is None:
            return None
        stdout = cast("bytes", done.stdout or b"")
        stderr = cast("bytes", done.stderr or b"")
        if not began:
            raise NotAuthorised(
                f"its login shell runs no commands: {_last_line(self._before + stderr + stdout)}",
                where=self._where,
            )
        return Completed(done.returncode, stdout.partition(_MARK)[2], stderr)

    async def group(self) -> int:
        """Return the command's process group; 0 when it ended without telling."""
        if not self._group:
            try:
                said = await self._process.stderr.readuntil(_PID, _PID_LENGTH)
            except asyncio.IncompleteReadError as error:
                self._before = error.partial
            except BROKEN:
                pass
            else:
                self._group = int(said.split(_MARK)[-2])
        return self._group

    @property
    def ended(self) -> bool:
        """Whether it is known how the command ended."""
        return self._process.returncode is not None

    def close(self) -> None:
        """Close the command's channel; this does not end the command."""
        self._process.close()


async def kill_group(connection: asyncssh.SSHClientConnection, group: int) -> None:
    """Kill a process group on the host.

    Raises:
        asyncssh.ChannelOpenError: there is no session for it.
    """
    process = await connection.create_process(f"kill -KILL -{group}")
    await process.wait()


class Sessions:
    """The sessions of one connection, counted to learn how many the server allows at once.

    sshd's MaxSessions (10 by default) is nowhere announced: the next one is refused.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._taken = 0  # asked for, or open
        self._open = 0
        self._most_open = 0
        self._limit = 1 << 30
        self._freed = asyncio.Event()

    async def take(self, start: Callable[[], Awaitable[Process]]) -> Process:
        """Start a command as soon as the server allows a session for it.

        Raises:
            Unfit: it refuses even when none of ours is open.
        """
        pause, waited = 0.02, 0.0
        while True:
            while self._taken >= self._limit:
                self._freed.clear()
                await self._freed.wait()
            self._taken += 1
            try:
                process = await start()
            except asyncssh.ChannelOpenError as error:
                self._leave()
                if not self._open and waited >= _PATIENCE_S:
                    raise Unfit(
                        f"its SSH server refuses to run anything ({error.reason})",
                        where=self._where,
                        hint="check MaxSessions in its sshd_config",
                    ) from error
            except BaseException:
                self._leave()
                raise
            else:
                self._open += 1
                self._most_open = max(self._most_open, self._open)
                return process
            self._limit = max(self._most_open, 1)
            # sshd counts a session a little longer than we see it: ask again shortly.
            await asyncio.sleep(pause)
            waited = 0.0 if self._open else waited + pause
            pause = min(pause * 2, 0.5)

    def give_back(self) -> None:
        """Count one session less: a command has ended."""
        self._open -= 1
        self._leave()

    def _leave(self) -> None:
        self._taken -= 1
        self._freed.set()


def _last_line(said: bytes) -> str:
    lines = [line.strip() for line in said.decode("utf-8", "replace").split("\n")]
    return next((line for line in reversed(lines) if line), "it gave no reason")

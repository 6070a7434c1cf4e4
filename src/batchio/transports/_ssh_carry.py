"""A Unix socket of a host inside a session, where its SSH server forwards none.

`AllowTcpForwarding no`, `DisableForwarding yes` and `restrict` before a key allow commands only.
So a few lines of Python there carry the socket on the stdin and stdout of one.
"""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchio.errors import NodeError, Unfit, Unreachable
from batchio.transports import carry
from batchio.transports._ssh_command import BROKEN, Command, command_line
from batchio.transports._streams import lost

if TYPE_CHECKING:
    import asyncssh

    from batchio.transports._ssh_command import Process

PYTHONS: Final = ("python3", "/usr/bin/python3", "/usr/local/bin/python3", "python")
"""Names of Python on a host to be tried, when none was given."""

MISSING: Final = (
    "its sshd_config must allow AllowStreamLocalForwarding and AllowTcpForwarding, without "
    "DisableForwarding, and its authorized_keys have no `restrict`"
)
"""The remedy for a host on which a session cannot carry a socket either."""

_FIND: Final = (
    'carry=$1; path=$2; shift 2; for python; do command -v "$python" >/dev/null 2>&1 && '
    'exec "$python" -I -S -c "$carry" "$path"; done; echo "no Python there" >&2; exit 127'
)
_MARK: Final = b"\x01"
_START_S: Final = 60.0
"""Seconds that a loaded host may take to start Python."""


class Carried:
    """The writing half; closing it ends the program on the host and the connection it used."""

    def __init__(self, process: Process, connection: asyncssh.SSHClientConnection) -> None:
        self._process = process
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Queue bytes to be sent."""
        self._process.stdin.write(data)

    async def drain(self) -> None:
        """Wait until there is room for more bytes."""
        await self._process.stdin.drain()

    def close(self) -> None:
        """Close both halves."""
        self._process.close()
        self._connection.close()


def carry_line(path: str, python: str) -> bytes:
    """Return the command line that carries the socket `path`.

    Args:
        path: The socket there.
        python: A Python there; empty: one is looked for.
    """
    pythons = [python] if python else PYTHONS
    return command_line(["/bin/sh", "-c", _FIND, "sh", _program(), path, *pythons])


async def connected(process: Process, path: str, where: str) -> None:
    """Return when the program on the host is connected to the socket `path`.

    Raises:
        Unreachable: nobody listens at `path`, or the connection broke.
        Unfit: there is no Python.
    """
    try:
        async with asyncio.timeout(_START_S):
            await Command(process, where).group()
            await process.stdout.readuntil(_MARK)
            await process.stdout.readexactly(len(carry.CONNECTED))
    except asyncio.IncompleteReadError:
        raise await _why(process, path, where) from None
    except BROKEN as error:
        raise lost(where, error) from error


async def _why(process: Process, path: str, where: str) -> NodeError:
    """Return why the program on the host is not connected, as an error."""
    try:
        done = await process.wait()
    except BROKEN as error:
        return lost(where, error)
    said = done.stderr or b""
    lines = (said if isinstance(said, bytes) else said.encode()).decode("utf-8", "replace")
    why = lines.strip().splitlines()[-1] if lines.strip() else "it gave no reason"
    if done.returncode in (126, 127):
        return Unfit(
            f"it does not forward sockets, and batchio cannot work around that: {why}",
            where=where,
            hint=MISSING,
        )
    return Unreachable(f"nothing answers at {path} ({why})", where=where)


@functools.cache
def _program() -> str:
    return Path(carry.__file__).read_text("utf-8")

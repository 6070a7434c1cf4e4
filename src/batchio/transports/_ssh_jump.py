"""Connections to jump hosts, each shared by the hosts behind it.

Two hundred hosts behind one are reached by a few connections to it, not by two hundred, which
its `MaxStartups` would refuse. A connection ends with the last host that is reached through it;
when it breaks, so do the connections inside, and the first that comes again opens another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import asyncssh

from batchio.owned import to_its_end

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

MOST_BEHIND: Final = 64
"""Most hosts that are reached through one connection. OpenSSH counts only sessions (MaxSessions),
which these are not; other servers have limits of their own."""

_FULL: Final = (asyncssh.OPEN_RESOURCE_SHORTAGE, asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED)
"""Codes by which a server may refuse one host more, when it takes no more of them."""

_Opening = asyncio.Task[asyncssh.SSHClientConnection]
_jumps: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, list[_Jump]]]
_jumps = WeakKeyDictionary()


class _Jump:
    """One connection to a jump host, open or being opened."""

    def __init__(self, opening: _Opening) -> None:
        self.opening = opening
        self.behind = 0
        """How many hosts are reached through it, or wait for it."""
        self.full = False

    @property
    def usable(self) -> bool:
        """Whether it may take one host more."""
        if self.full or self.behind >= MOST_BEHIND:
            return False
        if not self.opening.done():
            return True
        return _opened(self.opening) and not self.opening.result().is_closed()

    def leave(self) -> None:
        """Count one host less; behind the last one the connection is closed."""
        self.behind -= 1
        if self.behind:
            return
        if not self.opening.done():
            self.opening.cancel()
        elif _opened(self.opening):
            self.opening.result().close()


class Passage:
    """The way of one host through a jump host, to be closed with that host's connection."""

    def __init__(self, jump: _Jump) -> None:
        self._jump = jump
        self._closed = False
        self.connection = jump.opening.result()

    def refuses_more(self, error: asyncssh.ChannelOpenError) -> bool:
        """Return whether the server may let the host pass on another connection, which has room.

        This one takes no more hosts then.
        """
        self._jump.full |= error.code in _FULL
        return self._jump.full and self._jump.behind > 1

    def close(self) -> None:
        """Leave the connection. May be called twice."""
        if not self._closed:
            self._closed = True
            self._jump.leave()

    async def wait_closed(self) -> None:
        """Return when the connection is closed; at once while others use it."""
        if not self._jump.behind:
            await self.connection.wait_closed()


async def passage(
    way: Hashable, open_jump: Callable[[], Coroutine[None, None, asyncssh.SSHClientConnection]]
) -> Passage:
    """Return a passage on a connection of this event loop that has room, or on a new one.

    Args:
        way: What connections must have in common to be the same.
        open_jump: Opens a connection; what it raises all get who wait for it.
    """
    shared = _jumps.setdefault(asyncio.get_running_loop(), {})
    jumps = shared[way] = [jump for jump in shared.get(way, ()) if jump.behind]
    jump = next((jump for jump in jumps if jump.usable), None)
    if jump is None:
        jump = _Jump(asyncio.ensure_future(open_jump()))
        jumps.append(jump)
    jump.behind += 1
    try:
        await asyncio.shield(jump.opening)
    except asyncio.CancelledError:
        jump.leave()
        if not jump.behind:
            await to_its_end(_ended(jump.opening))
        raise
    except BaseException:
        jump.leave()
        raise
    return Passage(jump)


def _opened(opening: _Opening) -> bool:
    return not opening.cancelled() and opening.exception() is None


async def _ended(opening: _Opening) -> None:
    """Await a connection for which nobody waits any more, and close it if it came to be."""
    await asyncio.wait({opening})
    if _opened(opening):
        opening.result().close()

"""What people who look on may know of a running job: a topic each, a fact a node.

Never journaled and never right for long: only the newest fact of each node.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from batchio.ports import Clock, JobStore, Timer

LOADS: Final = "loads"
"""How busy nodes are, from their heartbeats: `load`, `disk_free` in bytes, …"""

PREPARING: Final = "preparing"
"""What nodes do before they are ready: bytes of the job's files that one has, and all of
them, `[sent, size]`; then a text."""

EVERY_S: Final = {LOADS: 2.0, PREPARING: 0.25}
"""Seconds between two writes, at least: a thousand nodes beat every five."""


class LiveStatus:
    """One topic, and what shall be shown about it.

    Args:
        spawn: Runs a write beside the loop.
    """

    def __init__(
        self,
        store: JobStore,
        topic: str,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._store = store
        self._topic = topic
        self._clock = clock
        self._spawn = spawn
        self._every = EVERY_S[topic]
        self._newest: dict[int, Any] = {}
        self._written = 0.0
        self._next: Timer | None = None
        self._writing = asyncio.Lock()
        self._over = False

    def show(self, node: int, fact: Any) -> None:
        """Show the newest fact of a node soon, with what others have to show meanwhile."""
        self._newest[node] = fact
        if self._next is None and not self._over:
            now = self._clock.now()
            when = max(now, self._written + self._every)
            self._next = self._clock.call_at(when, self._begin)

    def stop(self) -> None:
        """Write no more."""
        self._over = True
        if self._next is not None:
            self._next.cancel()

    def _begin(self) -> None:
        work = self._write()
        try:
            self._spawn(work)
        except RuntimeError:  # the head is ending, and nobody waits for more
            work.close()

    async def _write(self) -> None:
        self._next, self._written = None, self._clock.now()
        async with self._writing:  # a slow disk keeps the order
            facts = {str(node): fact for node, fact in self._newest.items()}
            await asyncio.to_thread(self._store.show, self._topic, facts)


def read_live_status(store: JobStore, topic: str) -> dict[int, Any]:
    """Return the newest facts about a topic, by node; may be empty. Blocks, shortly."""
    return {int(node): fact for node, fact in store.shown(topic).items()}

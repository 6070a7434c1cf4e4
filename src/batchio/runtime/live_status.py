"""What people who look on may know of a running job: a topic each, a fact a node.

Never journaled and never right for long: only the newest fact of each node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchio.runtime.showing import Showing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from batchio.ports import Clock, JobStore

LOADS: Final = "loads"
"""How busy nodes are, from their heartbeats: `load`, `disk_free` in bytes, …"""

PREPARING: Final = "preparing"
"""What nodes do before they are ready: bytes of the job's files that one has, and all of
them, `[sent, size]`; then a text."""

EVERY_S: Final = {LOADS: 2.0, PREPARING: 0.25}
"""Seconds between two writes, at least: a thousand nodes beat every five."""


class LiveStatus:
    """One topic, and the newest fact of each node about it."""

    def __init__(
        self,
        store: JobStore,
        topic: str,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._newest: dict[int, Any] = {}
        self._showing = Showing(store, topic, self._facts, EVERY_S[topic], clock, spawn)

    def show(self, node: int, fact: Any) -> None:
        """Show the newest fact of a node soon, with what others have to show meanwhile."""
        self._newest[node] = fact
        self._showing.soon()

    def stop(self) -> None:
        """Write no more."""
        self._showing.stop()

    def _facts(self) -> dict[str, Any]:
        return {str(node): fact for node, fact in self._newest.items()}


def read_live_status(store: JobStore, topic: str) -> dict[int, Any]:
    """Return the newest facts about a topic, by node; may be empty. Blocks, shortly."""
    return {int(node): fact for node, fact in store.shown(topic).items()}

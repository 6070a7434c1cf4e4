"""Live status of a running job's nodes, for people: by topic, one fact for each node.

It is never journaled: only the newest fact of each node is kept, and none is true for long.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from batchio.core.checks import LARGEST, integer, items, moment, number, text
from batchio.runtime.showing import Showing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from batchio.core.spec import JobSpec
    from batchio.ports import Clock, JobStore

LOADS: Final = "loads"
"""Topic: how busy nodes are, from their heartbeats: `load`, `disk_free` in bytes, …"""

PREPARING: Final = "preparing"
"""Topic: what nodes do before they are ready: bytes of the job's files that have arrived, and
all bytes, `[sent, size]`; then a text."""

REACHING: Final = "reaching"
"""Topic: failures to reach nodes that were never ready: how often, since when (Unix seconds), and
why, `[3, 1763900000.0, "no answer"]`."""

EVERY_S: Final = {LOADS: 2.0, PREPARING: 0.25, REACHING: 0.25}
"""By topic, least seconds between two writes: a thousand nodes beat every five seconds."""


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
        """Write the newest fact of a node soon, together with those of other nodes."""
        self._newest[node] = fact
        self._showing.soon()

    def stop(self) -> None:
        """Begin no further write."""
        self._showing.stop()

    def _facts(self) -> dict[str, Any]:
        return {str(node): fact for node, fact in self._newest.items()}


def read_live_status(store: JobStore, topic: str) -> dict[int, Any]:
    """Return the newest facts about a topic, by node number; may be empty. Blocks, shortly.

    A fact that makes no sense, as of a file that was damaged, is left out.
    """
    facts, check = {}, _CHECKS[topic]
    for node, fact in store.shown(topic).items():
        with suppress(TypeError, ValueError):
            facts[integer(int(node))] = check(fact)
    return facts


def _load(fact: object) -> dict[str, float]:
    if not isinstance(fact, dict):
        raise TypeError("a load without numbers")
    return {name: number(value, 0, LARGEST) for name, value in fact.items()}


def _preparing(fact: object) -> str | list[int]:
    if isinstance(fact, str):
        return text(fact)
    sent, size = items(fact)
    return [integer(sent), integer(size)]


def _reaching(fact: object) -> list[Any]:
    times, since, why = items(fact)
    return [integer(times), moment(since), text(why)]


_CHECKS: Final[dict[str, Callable[[object], Any]]] = {
    LOADS: _load,
    PREPARING: _preparing,
    REACHING: _reaching,
}


def kept_in(store: JobStore, spec: JobSpec) -> str:
    """Return how people call the place where a job's outputs are, as its workspace has them."""
    parts = store.parts()
    return parts.where if parts else spec.collect or str(store.outputs())

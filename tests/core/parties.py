"""Who a head deals with, as far as `machines.World` plays them: agents, links to them, orders."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from batchio.core import events as ev
    from batchio.core.reports import Ended
    from tests.core.builders import Pair


@dataclass
class Agent:
    """What runs on one node, whoever listens."""

    slots: int
    instance: int = 1
    queue: list[Pair] = field(default_factory=list)
    running: dict[Pair, str] = field(default_factory=dict)
    """What runs, and the reason of a stop that is under way."""
    results: dict[int, list[Ended]] = field(default_factory=dict)
    seq: int = 0

    def knows(self, key: Pair) -> bool:
        told = any((r.task, r.attempt) == key for rs in self.results.values() for r in rs)
        return told or key in self.queue or key in self.running


@dataclass
class Link:
    """The head's session with one agent. What is on the way dies with the connection."""

    handle: str
    instance: str
    up: bool = False
    told: set[tuple[str, int, int]] = field(default_factory=set)
    """What was said on this connection: verb, task, attempt."""
    out: deque[list[Any]] = field(default_factory=deque)
    back: deque[ev.Event] = field(default_factory=deque)


class Wanted(NamedTuple):
    """One node of an order that is under way."""

    token: str
    node: int
    offer: str

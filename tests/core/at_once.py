"""Nodes that do whatever they are told at once, as facts: for the engine alone, and for its speed.

Three worlds stand beside each other, because what they may do to a job differs. Here nothing
waits. In `machines.World` every answer waits until a test gives it, late, twice or never; it
plays provider, links and agents as facts, so that hypothesis lives a thousand lives a second.
`batchio.testing` speaks the protocol, byte for byte and by the head's clock, so that the real
sessions run on it. `tests/agent/client.Client` is no world but a head: it faces a real agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.reports import Ended, Facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.core.plan import Offer


class AtOnce:
    """All nodes of a job, each of so many slots."""

    def __init__(self, offers: Sequence[Offer], slots: int) -> None:
        self._offers = [offer.to_json() for offer in offers]
        self._slots = slots
        self._seq = 0

    def answer(self, effect: ef.Effect, now: float) -> list[ev.Event]:
        """Return the facts that an effect leads to."""
        match effect:
            case ef.StartTasks(node, pairs):
                return [self.ended(node, pairs, now)]
            case ef.StopTasks(node, pairs, reason):
                return [self.ended(node, pairs, now, -15, reason)]
            case ef.ListOffers():
                return [ev.OffersListed(now, self._offers)]
            case ef.PlaceOrder():
                return [ev.NodeCreated(now, node, f"n{node}") for node in effect.nodes]
            case ef.ConnectNode(node):
                facts = Facts(hostname=f"n{node}", instance=str(node), address="10.0.0.1")
                return [ev.NodeGreeted(now, node, self._slots, facts)]
            case ef.DeleteNode(node):
                return [ev.NodeDeleted(now, node)]
            case _:
                return []  # an acknowledgement

    def ended(
        self, node: int, pairs: list[list[int]], now: float, code: int = 0, reason: str = ""
    ) -> ev.TasksFinished:
        """Return that these attempts ended on a node, in one piece of news."""
        self._seq += 1
        tail = "" if code == 0 else "last words"
        records = [
            Ended(task, attempt, code, reason, now - 1e-3, now, 1 << 20, 1e-3, 0, 0, 0, 0, tail)
            for task, attempt in pairs
        ]
        return ev.TasksFinished(now, node, self._seq, records)

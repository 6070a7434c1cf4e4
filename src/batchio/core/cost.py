"""Cost of a job's nodes in US dollars, computed from its journal. Pure.

A node costs its rate from when it was taken until its provider confirmed that it is gone.
One that was ordered and not answered may be there, and is counted apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.node import NodeState

if TYPE_CHECKING:
    from batchio.core.machine import Machine
    from batchio.core.node import Node

HOUR_S: Final = 3600.0

ABANDONED_S: Final = 3600.0
"""Seconds that a node without a head still costs money: after them its agent ends it."""


class Cost(NamedTuple):
    """US dollars.

    Attributes:
        spent: For nodes that are or were held.
        reserved: For nodes that may be held, since they were ordered.
        worst: Both, and what would follow if everything that could end nodes died now.
    """

    spent: float
    reserved: float
    worst: float


def cost(machine: Machine, now: float) -> Cost | None:
    """Return the job's cost until `now` (Unix seconds); None where no node or offer has a rate."""
    spent = reserved = hourly = 0.0
    priced = any(offer.rate for offer in (machine.offers or {}).values())
    for node in machine.nodes:
        rate = _rate(machine, node)
        priced = priced or rate > 0
        if node.handle is not None:
            spent += rate * max((node.ended_at or now) - node.rented, 0.0) / HOUR_S
        elif node.state is not NodeState.GONE:
            reserved += rate * max(now - node.ordered, 0.0) / HOUR_S
        if not node.ended_at and node.state is not NodeState.GONE:
            hourly += rate
    if not priced:
        return None
    return Cost(spent, reserved, spent + reserved + hourly * ABANDONED_S / HOUR_S)


def _rate(machine: Machine, node: Node) -> float:
    """Return the node's price in US dollars an hour; the highest of its order until it is known."""
    if node.handle is not None:
        return node.rate
    known = machine.offers or {}
    rows = machine.orders[node.order]
    return max((known[row[0]].rate for row in rows if row[0] in known), default=0.0)

"""Cost of a job's nodes in US dollars, computed from its journal. Pure.

A node costs its rate from when it was taken until its provider confirmed that it is gone, and
at least a minute of it. One that was ordered and not answered may be there, and is counted apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.node import NodeState

if TYPE_CHECKING:
    from batchio.core.machine import Machine
    from batchio.core.node import Node

HOUR_S: Final = 3600.0

LEAST_S: Final = 60.0
"""Seconds of a node that are paid for at least, however soon it is given back."""

ABANDONED_S: Final = 2700.0
"""Seconds that a node may cost money yet when nobody leads it: a quarter of an hour to boot, and
half an hour of its agent's lease."""


class Cost(NamedTuple):
    """US dollars.

    Attributes:
        spent: For nodes that are or were held.
        reserved: For nodes that may be held, since they were ordered.
        worst: Both, and what would follow if everything that could end nodes died now.
        hourly: An hour of all nodes that are or may be held.
        wasted: The part of `spent` that went to attempts which ended badly or were run again.
    """

    spent: float
    reserved: float
    worst: float
    hourly: float
    wasted: float


def cost(machine: Machine, now: float) -> Cost | None:
    """Return the job's cost until `now` (Unix seconds); None where no node or offer has a rate."""
    spent = reserved = hourly = 0.0
    priced = any(offer.rate for offer in (machine.offers or {}).values())
    for node in machine.nodes:
        rate = _rate(machine, node)
        priced = priced or rate > 0
        if node.handle is not None:
            spent += node_cost(node, now) or 0.0
        elif node.state is not NodeState.GONE:
            reserved += rate * max(now - node.ordered, 0.0) / HOUR_S
        if not node.ended_at and node.state is not NodeState.GONE:
            hourly += rate
    if not priced:
        return None
    worst = spent + reserved + hourly * ABANDONED_S / HOUR_S
    return Cost(spent, reserved, worst, hourly, sum(machine.endings.wasted.values(), 0.0))


def node_cost(node: Node, now: float) -> float | None:
    """Return what a node cost until `now` (Unix seconds); None for one that is free, or not had."""
    if node.handle is None or not node.rate:
        return None
    return node.rate * max((node.ended_at or now) - node.rented, LEAST_S) / HOUR_S


def attempt_cost(machine: Machine, task: int, now: float = 0.0) -> float:
    """Return the cost of a task's present attempt: of its node's price, the share of one slot.

    Args:
        now: Until when one that has not ended is counted, in Unix seconds; 0: it costs nothing.
    """
    tasks = machine.tasks
    number, started = tasks.node[task], tasks.started[task]
    if number < 0 or not started:
        return 0.0
    node = machine.nodes[number]
    seconds = max((tasks.ended[task] or now) - started, 0.0)
    return node.rate / HOUR_S * seconds / max(node.slots, 1)


def task_cost(machine: Machine, task: int, now: float) -> float:
    """Return what all attempts of a task cost until `now` (Unix seconds)."""
    endings = machine.endings
    present = 0.0 if task in endings.of else attempt_cost(machine, task, now)
    return present + endings.wasted.get(task, 0.0)


def _rate(machine: Machine, node: Node) -> float:
    """Return the node's price in US dollars an hour; the highest of its order until it is known."""
    if node.handle is not None:
        return node.rate
    known = machine.offers or {}
    rows = machine.orders[node.order]
    return max((known[row[0]].rate for row in rows if row[0] in known), default=0.0)

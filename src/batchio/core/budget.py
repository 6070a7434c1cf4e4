"""What --max-cost allows: how many nodes may be ordered, and when the money is gone. Pure.

Everything held now is reckoned with what it would cost if whoever leads the job died, until it
ends by itself (`cost.ABANDONED_S`), so no accident makes a job cost more than was said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.core import events as ev
from batchio.core.cost import ABANDONED_S, HOUR_S, cost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.core.machine import Machine
    from batchio.core.plan import Take

RESERVED_SHARE: Final = 0.5
"""Part of the money left that may be reserved: the other part is there to work with."""

LEAST: Final = 1e-6
"""US dollars that are as good as none."""


def reserve(rate: float) -> float:
    """Return what a node may cost yet if nobody leads it, in US dollars; `rate`: an hour's."""
    return rate * ABANDONED_S / HOUR_S


def payable(max_cost: float, rate: float) -> int:
    """Return how many nodes of a rate (US dollars an hour) --max-cost lets be there at first."""
    return int((max_cost * RESERVED_SHARE + LEAST) / reserve(rate))


def within(m: Machine, taken: list[Take], now: float) -> list[Take]:
    """Return what of `taken` may be ordered at `now` (Unix seconds).

    A rented node without a known price may not: nobody knows whether it can be paid.
    """
    limit, offers = m.running_job.spec.max_cost, m.offers or {}
    if limit is None:
        return taken
    paid = cost(m, now)
    spent, hourly = (paid.spent + paid.reserved, paid.hourly) if paid else (0.0, 0.0)
    room = (limit - spent) * RESERVED_SHARE - reserve(hourly)
    kept = []
    for take in taken:
        offer = offers[take.offer]
        each = reserve(offer.rate)
        if offer.rented and not each:
            continue
        nodes = min(take.nodes, int((room + LEAST) / each)) if each else take.nodes
        if nodes > 0:
            kept.append(take._replace(nodes=nodes))
            room -= nodes * each
    return kept


def run_out(m: Machine, now: float, *, refused: bool) -> Iterator[ev.MoneyGone]:
    """End the job when its money is spent or reserved; else look again when it may be.

    Args:
        refused: Whether no node can be ordered for want of money.
    """
    job = m.running_job
    limit = job.spec.max_cost
    if limit is None or not m.undone or job.cut_short:
        return
    paid = cost(m, now)
    if paid is None and not refused:
        return
    spent, worst, hourly = (paid.spent, paid.worst, paid.hourly) if paid else (0.0, 0.0, 0.0)
    # A node that only leads runs none of the tasks, and one that leaves gives its share back.
    leaving = m.doomed or m.quarantined or m.held > m.live
    stuck = refused and not m.capacity and not leaving
    if worst > limit - LEAST or stuck:
        yield ev.MoneyGone(now, limit, round(spent, 6))
    elif hourly:
        m.wake_at(now + (limit - worst) / hourly * HOUR_S)

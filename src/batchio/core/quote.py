"""What a job on rented nodes would cost, before anything is rented. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.budget import payable, reserve
from batchio.core.cost import HOUR_S, LEAST_S
from batchio.core.plan import Need, choose, expected_slots, most_nodes
from batchio.core.record import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.core.plan import Offer
    from batchio.core.spec import JobSpec

BOOT_S: Final = 60.0
"""Seconds from when a node is paid for until its first task starts, as a rule."""


class Durations(NamedTuple):
    """How long tasks are expected to run, in seconds: half of them, and nine of ten, no longer.

    `because` says who expects it.
    """

    half: float
    most: float
    because: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pool(View):
    """One kind of machine in one place that nodes may be taken of."""

    offer: str
    machine: str
    """Type of machine."""
    zone: str
    """"" where that is not known yet."""
    spot: bool
    rate: float | None
    """US dollars an hour a node, disk and address included; None: not known."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Quota(View):
    """A limit of the account that nodes of an offer count against."""

    offer: str
    code: str
    name: str
    limit: float | None
    """None: not known."""
    used: float | None
    needed: float
    """What the nodes of this job would take of it."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Quote(View):
    """The estimate for one job. Money is in US dollars, times are in seconds."""

    source: str
    """Where prices come from, and of when they are."""
    tasks: int
    nodes: int
    """Number of nodes at the same time, at most."""
    slots: int
    """Number of tasks that one runs at a time."""
    offer: str
    """Where the first nodes are taken."""
    low: float | None
    """An hour of one of its nodes at its cheapest, and `high` at its dearest."""
    high: float | None
    launch: float
    """Until the last node is launched, by the rate at which the account may launch."""
    duration: tuple[float, ...]
    """How long tasks are expected to run: half of them no longer, nine of ten no longer."""
    because: str
    """Who expects that; "" when it is not known."""
    expected: tuple[float, ...]
    """What the job is expected to cost: P50 and P90; empty where durations are not known."""
    worst: float | None
    """What follows when all that leads the job dies at the moment at which all nodes are there."""
    max_cost: float | None
    pools: tuple[Pool, ...]
    """In the order in which they are tried."""
    quotas: tuple[Quota, ...]
    notes: tuple[str, ...]


def quote(
    spec: JobSpec,
    offers: Sequence[Offer],
    pools: Sequence[Pool],
    *,
    source: str,
    burst: int,
    a_second: float,
    quotas: Sequence[Quota] = (),
    durations: Durations | None = None,
    notes: Sequence[str] = (),
) -> Quote:
    """Return what a job would take of these offers, the best first.

    Args:
        pools: Of all offers; an offer costs between its cheapest and its dearest.
        burst: Number of nodes that may be launched at once; `a_second`: and then each second.
        quotas: Of the offers, with nothing `needed` yet.
    """
    waiting = min(len(spec.tasks), spec.at_once or len(spec.tasks))
    need = Need(waiting, 0, most_nodes(spec))
    [*taken], _ = choose(need, offers, {}, {}, spec, 0.0)
    first = offers[0].id if not taken else taken[0].offer
    slots = taken[0].slots if taken else expected_slots(spec, offers[0])
    rates = [pool.rate for pool in pools if pool.offer == first and pool.rate]
    low, high = (min(rates), max(rates)) if rates else (None, None)
    nodes = sum(take.nodes for take in taken)
    said = list(notes)
    if spec.max_cost is not None and high and (most := payable(spec.max_cost, high)) < nodes:
        nodes = most
        said.append(f"--max-cost allows {nodes} of these nodes at a time")
    if any(pool.rate is None for pool in pools):
        said.append("types without a known price are taken last")
    return Quote(
        source=source,
        tasks=len(spec.tasks),
        nodes=nodes,
        slots=slots,
        offer=first,
        low=low,
        high=high,
        launch=max(nodes - burst, 0) / a_second,
        duration=durations[:2] if durations else (),
        because=durations.because if durations else "",
        expected=_expected(spec, nodes, slots, (low, high), durations),
        worst=None if high is None else round(nodes * reserve(high), 6),
        max_cost=spec.max_cost,
        pools=tuple(pools),
        quotas=tuple(_needed(quota, offers, nodes) for quota in quotas),
        notes=tuple(said),
    )


def _expected(
    spec: JobSpec,
    nodes: int,
    slots: int,
    rates: tuple[float | None, float | None],
    durations: Durations | None,
) -> tuple[float, ...]:
    """Return P50, at the cheapest price, and P90, at the dearest; () when it is not known.

    Nodes are given back as soon as nothing is left for them, so what they cost is what the
    tasks take, and what each takes to boot.
    """
    low, high = rates
    if durations is None or low is None or high is None or not nodes:
        return ()
    out = []
    for rate, seconds in ((low, durations.half), (high, durations.most)):
        working = -(-len(spec.tasks) // slots) * seconds
        out.append(round(max(working + nodes * BOOT_S, nodes * LEAST_S) * rate / HOUR_S, 6))
    return tuple(out)


def _needed(quota: Quota, offers: Sequence[Offer], nodes: int) -> Quota:
    [units] = {offer.quota_units for offer in offers if offer.id == quota.offer} or {0.0}
    return Quota(quota.offer, quota.code, quota.name, quota.limit, quota.used, units * nodes)

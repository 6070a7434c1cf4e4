"""The offers for a job: which pools one call may take nodes of, cheapest first. Pure."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.core.budget import RESERVED_SHARE, payable, reserve
from batchio.core.plan import Offer
from batchio.core.sizes import format_dollars
from batchio.errors import UsageError
from batchio.providers.aws import prices
from batchio.providers.aws.kinds import Kind, fitting, nearest, wanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchio.core.spec import JobSpec

MOST_KINDS: Final = 20
"""The cheapest types that fit; more would only make requests longer."""

BATCH: Final = 250
"""Most nodes of one call."""

LIMIT: Final = 2000
"""Most nodes of an offer at the same time, where its quota is not known."""

DISK_GB: Final = 40
"""Size of a node's disk in GB when --disk-size is not given."""

QUOTAS: Final = {
    "L-1216C47A": "Running On-Demand Standard instances",
    "L-34B43A08": "All Standard Spot Instance Requests",
    "L-DB2E81BA": "Running On-Demand G and VT instances",
    "L-3819A6DF": "All G and VT Spot Instance Requests",
    "L-417A185B": "Running On-Demand P instances",
    "L-7212CCBC": "All P Spot Instance Requests",
}
"""Names of the quotas of EC2 in vCPUs, by their codes.

Source: docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html.
"""

UNKNOWN: Final = 1e6
"""Price by which types without a known one are ordered: they come last."""


class Networks(NamedTuple):
    """Where in the account's network nodes may be.

    Attributes:
        subnets: Subnet id by zone.
        public: Nodes get public addresses; else they are reached by their private ones.
    """

    vpc: str
    subnets: Mapping[str, str]
    public: bool


class Place(NamedTuple):
    """Where nodes of a job may be, settled before anything is taken.

    Attributes:
        image: Id of the image to boot, by architecture.
        user: The user to log in as.
        nets: The network, and the subnet of each zone.
        owner: Who pays, as the tag says it.
        root: Name of the image's root disk.
        disk_gb: Size of a node's disk in GB.
        rates: On-demand prices in dollars an hour by type, where AWS said them; others are
            estimated.
    """

    region: str
    image: Mapping[str, str]
    user: str
    nets: Networks
    owner: str
    root: str
    disk_gb: int
    rates: Mapping[str, float] = {}  # never changed


def offers(
    spec: JobSpec,
    place: Place,
    kinds: Mapping[str, Kind],
    zones: Mapping[str, tuple[str, ...]],
    spot_prices: Mapping[tuple[str, str], float] = {},  # never changed
) -> list[Offer]:
    """Return the offers of one place, best first: spot before on demand where both may be.

    Args:
        spot_prices: Dollars an hour by type and zone, where they are known.

    Raises:
        UsageError: no type fits, or none that does is in a zone with a subnet.
    """
    chosen = cheapest(spec, place.region, kinds.values(), place.rates)
    if spec.max_cost is not None:
        chosen = _priced(chosen, place)
    pools = [
        (kind, zone)
        for kind in chosen
        for zone in zones.get(kind.name, ())
        if zone in place.nets.subnets
    ]
    if not pools:
        raise UsageError(
            f"{chosen[0].name} is in none of the zones that have a subnet for it",
            where=place.region,
        )
    if spec.cross_zone is False:
        best = max({zone for _, zone in pools}, key=lambda zone: _count(pools, zone))
        pools = [pool for pool in pools if pool[1] == best]
    markets = {"spot": ("spot",), "spot_with_fallback": ("spot", "on-demand")}.get(
        spec.spot_policy or "", ("on-demand",)
    )
    out = []
    for market in markets:
        there = [pool for pool in pools if market != "spot" or pool[0].spot]
        if there:
            out.append(_offer(spec, place, market, there, spot_prices))
    if spec.max_cost is not None and not any(payable(spec.max_cost, one.rate) for one in out):
        least = reserve(min(one.rate for one in out)) / RESERVED_SHARE
        raise UsageError(
            f"--max-cost {format_dollars(spec.max_cost)} pays for no node: one needs at least "
            f"{format_dollars(least)}, so that it is paid even if nobody is left to end it",
            where=place.region,
        )
    return out


def disk_gb(spec: JobSpec) -> int:
    """Return the size of a node's disk in GB."""
    return max(-(-(spec.disk or 0) // 10**9), DISK_GB)


def price(
    kind: Kind, place: Place, spot: float | None = None, *, is_spot: bool = False
) -> float | None:
    """Return what a node of a type costs an hour, disk and address included; None: not known."""
    alone = spot if is_spot and spot is not None else on_demand(kind, place.region, place.rates)
    if alone is None:
        return None
    if is_spot and spot is None:
        alone *= prices.SPOT_SHARE
    return alone + prices.beside(place.disk_gb)


def on_demand(kind: Kind, region: str, rates: Mapping[str, float]) -> float | None:
    """Return the price of a type alone, as AWS said it or as it is estimated; None: not known."""
    return rates.get(kind.name) or prices.on_demand(kind.name, kind.cpus, region)


def _priced(kinds: list[Kind], place: Place) -> list[Kind]:
    """Return the types of which a price is known, so that --max-cost can be kept.

    Raises:
        UsageError: there are none, or a node of none can be paid.
    """
    known = [kind for kind in kinds if on_demand(kind, place.region, place.rates)]
    if not known:
        raise UsageError(
            f"no price of {kinds[0].name} is known, so --max-cost cannot be kept",
            where=place.region, hint=f"batchio prices --refresh --region {place.region}",
        )  # fmt: skip
    return known


def cheapest(
    spec: JobSpec, region: str, kinds: Iterable[Kind], rates: Mapping[str, float] = {}
) -> list[Kind]:
    """Return the cheapest types that fit a job, all of one architecture, cheapest first.

    Args:
        rates: As in `Place`.

    Raises:
        UsageError: none fits, or a name is unknown.
    """
    want = wanted(spec)
    known = list(kinds)
    if missing := [name for name in want.names if name not in {kind.name for kind in known}]:
        alike = get_close_matches(missing[0], [kind.name for kind in known], n=3)
        raise UsageError(
            f"there is no instance type {missing[0]}", where=region,
            hint=f"did you mean {' or '.join(alike)}?" if alike else None,
        )  # fmt: skip
    fit = fitting(known, want)
    if not fit:
        near = "; ".join(f"{kind.name}: {why}" for kind, why in nearest(known, want))
        raise UsageError(
            "no instance type fits", where=region, hint=f"the nearest: {near}" if near else None
        )

    def cost(kind: Kind) -> tuple[float, str]:
        return on_demand(kind, region, rates) or UNKNOWN * kind.cpus, kind.name

    same = [kind for kind in fit if kind.arch == fit[0].arch] if want.names else fit
    return sorted(same, key=cost)[:MOST_KINDS]


def _offer(
    spec: JobSpec,
    place: Place,
    market: str,
    pools: list[tuple[Kind, str]],
    spot_prices: Mapping[tuple[str, str], float],
) -> Offer:
    is_spot = market == "spot"
    rates: dict[str, float] = {}
    for kind, zone in pools:
        known = spot_prices.get((kind.name, zone))
        rate = price(kind, place, known, is_spot=is_spot)
        rates[f"{kind.name} {zone}"] = rate or 0.0
    kinds = {kind for kind, _ in pools}
    detail: dict[str, Any] = {
        "region": place.region,
        "owner": place.owner,
        "image": place.image[pools[0][0].arch],
        "user": place.user,
        "vpc": place.nets.vpc,
        "public": place.nets.public,
        "root": place.root,
        "disk": place.disk_gb,
        "pools": [[kind.name, zone, place.nets.subnets[zone]] for kind, zone in pools],
        "rates": {name: round(rate, 6) for name, rate in rates.items()},
    }
    return Offer(
        f"{place.region}/{market}",
        limit=LIMIT,
        slots=spec.slots or 1,
        cpus=float(min(kind.cpus for kind in kinds)),
        memory=min(kind.memory for kind in kinds),
        gpus=min(kind.gpus for kind in kinds),
        arch=pools[0][0].arch,
        rented=True,
        rate=round(max(rates.values()), 6),
        spot=is_spot,
        region=place.region,
        quota=quota_of(pools[0][0].name, is_spot=is_spot),
        quota_units=float(max(kind.cpus for kind in kinds)),
        batch=BATCH,
        detail=detail,
    )


def counts_alone(offer: Offer) -> bool:
    """Return whether all nodes of an offer count against the quota that it names."""
    names = {str(name) for name, _, _ in offer.detail["pools"]}
    quotas = {quota_of(name, is_spot=offer.spot) for name in names}
    return quotas == {offer.quota} and all(map(_COUNTED.match, names))


_COUNTED: Final = re.compile(r"(?:[acdhimrtzgp]|im|is|gr|vt)\d")
"""Types of the families that the quotas of `QUOTAS` are for; X, F, Inf, Trn, ... have others."""


def quota_of(name: str, *, is_spot: bool) -> str:
    """Return the code of the quota that nodes of a type count against, in vCPUs."""
    if name.startswith("p"):
        return "L-7212CCBC" if is_spot else "L-417A185B"
    if name.startswith(("g", "vt")):
        return "L-3819A6DF" if is_spot else "L-DB2E81BA"
    return "L-34B43A08" if is_spot else "L-1216C47A"


def _count(pools: list[tuple[Kind, str]], zone: str) -> tuple[int, str]:
    return sum(pool[1] == zone for pool in pools), zone

"""What a job would cost on EC2: by the table alone, or as AWS says when it can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.core.quote import Durations, Pool, Quota, Quote, quote
from batchio.errors import BatchioError, UsageError
from batchio.providers.aws import choice, here, known, prices, rates

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchio.core.plan import Offer
    from batchio.core.spec import JobSpec

BURST: Final = 1000
"""Instances that an account may launch at once, and `A_SECOND` how many each second from then on.
Source: docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html, the bucket of
RunInstances."""

A_SECOND: Final = 2.0

TABLE: Final = f"the table of {prices.DATED}, estimates"


async def estimate(spec: JobSpec, durations: Durations | None = None) -> Quote:
    """Return what a job would cost. Where this computer has no credentials, no SDK is loaded.

    Raises:
        UsageError: no type of machine fits, or one is unknown.
    """
    if not here.has_credentials():
        return by_table(spec, durations, "no AWS credentials here: quotas are not known")
    from batchio.providers.aws.asked import offers_and_quotas  # which loads the SDK

    try:
        offers, quotas, source, notes = await offers_and_quotas(spec)
    except UsageError:
        raise
    except BatchioError as error:
        return by_table(spec, durations, f"AWS cannot be asked: {error}")
    return _quote(spec, offers, source, quotas, durations, notes)


def by_table(spec: JobSpec, durations: Durations | None, *notes: str) -> Quote:
    """Return what a job would cost by the table of prices, without asking anybody.

    Raises:
        UsageError: no type of machine fits, or one is not in the table.
    """
    regions = spec.regions or (here.usual_region() or here.FALLBACK,)
    offers: list[Offer] = []
    for region in regions:
        offers += in_region(spec, region)
    return _quote(spec, offers, TABLE, (), durations, notes)


def in_region(spec: JobSpec, region: str) -> list[Offer]:
    """Return the offers of a region as far as the table knows it: in a zone without a name."""
    kinds = known.kinds()
    nets = choice.Networks("", {"": ""}, public=True)
    arches = {"x86_64": "", "aarch64": ""}
    place = choice.Place(
        region, arches, "", nets, "", "", choice.disk_gb(spec), rates.cached(region)
    )
    return choice.offers(spec, place, kinds, dict.fromkeys(kinds, ("",)))


def pools_of(offers: Iterable[Offer]) -> list[Pool]:
    """Return the pools of offers, in the order in which they are tried."""
    return [
        Pool(offer.id, kind, zone, offer.spot, offer.detail["rates"][f"{kind} {zone}"] or None)
        for offer in offers
        for kind, zone, _ in offer.detail["pools"]
    ]


def _quote(
    spec: JobSpec,
    offers: Sequence[Offer],
    source: str,
    quotas: Sequence[Quota],
    durations: Durations | None,
    notes: Sequence[str],
) -> Quote:
    return quote(
        spec, offers, pools_of(offers), source=source, burst=BURST, a_second=A_SECOND,
        quotas=quotas or named(offers), durations=durations, notes=notes,
    )  # fmt: skip


def named(offers: Iterable[Offer]) -> list[Quota]:
    """Return the quotas of offers, as far as they are known without asking."""
    return [
        Quota(offer.id, offer.quota, choice.QUOTAS[offer.quota], None, None, 0.0)
        for offer in offers
    ]

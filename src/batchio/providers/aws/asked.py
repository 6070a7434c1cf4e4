"""What AWS itself says of a job's offers: prices of now, and how much of the quotas is free."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchio.core.quote import Quota
from batchio.core.sizes import format_duration
from batchio.errors import BatchioError
from batchio.providers.aws import choice, rates
from batchio.providers.aws.catalog import catalog
from batchio.providers.aws.clients import Clients, ask, pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchio.core.plan import Offer
    from batchio.core.spec import JobSpec
    from batchio.providers.aws.kinds import Kind


async def offers_and_quotas(spec: JobSpec) -> tuple[list[Offer], list[Quota], str]:
    """Return the offers for a job, the quotas they count against, and the source of prices.

    Raises:
        BatchioError: nothing fits, or AWS refused or did not answer.
    """
    from batchio.providers.aws.provider import AwsProvider  # which checks with this module

    provider, clients = AwsProvider(spec, _no_seed), Clients()
    try:
        offers = await provider.listed(spec)
        quotas = [await quota_of_offer(clients, offer) for offer in offers]
    finally:
        await provider.aclose()
        await clients.close()
    told = {offer.region: rates.known_prices(offer.region) for offer in offers}
    sources = {_source(found.source, found.age): None for found in told.values()}
    return offers, quotas, "; ".join(sources)


def _source(source: str, age: float | None) -> str:
    return source if age is None else f"{source}, asked {format_duration(age // 1)} ago"


async def quota_of_offer(clients: Clients, offer: Offer) -> Quota:
    """Return a quota with its limit and what is used of it; both None where AWS does not say."""
    limit = used = None
    name = choice.QUOTAS[offer.quota]
    try:
        service = await clients.get("service-quotas", offer.region)
        found = await ask(service, "get_service_quota", ServiceCode="ec2", QuotaCode=offer.quota)
        limit, name = float(found["Quota"]["Value"]), str(found["Quota"].get("QuotaName") or name)
        ec2 = await clients.get("ec2", offer.region)
        running = await pages(ec2, "describe_instances", "Reservations", Filters=_LIVING)
        used = _used(running, offer, (await catalog(clients, offer.region)).kinds)
    except BatchioError:
        pass
    return Quota(offer.id, offer.quota, name, limit, used, 0.0)


async def within_quota(clients: Clients, offer: Offer) -> Offer:
    """Return an offer of no more nodes than its quota has room for, where AWS says it.

    One node is always left: where there is no room for it, EC2 says so with a code and a link.
    """
    if not choice.counts_alone(offer):
        return offer
    quota = await quota_of_offer(clients, offer)
    if quota.limit is None or not offer.cpus:
        return offer
    room = int((quota.limit - (quota.used or 0.0)) // offer.cpus)
    return replace(offer, limit=max(min(room, offer.limit), 1))


_LIVING = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]


def _used(
    reservations: Iterable[Mapping[str, Any]], offer: Offer, kinds: Mapping[str, Kind]
) -> float:
    """Return the vCPUs of running instances that count against an offer's quota."""
    return sum(
        kinds[one["InstanceType"]].cpus if one["InstanceType"] in kinds else 0
        for reservation in reservations
        for one in reservation["Instances"]
        if choice.quota_of(one["InstanceType"], is_spot=one.get("InstanceLifecycle") == "spot")
        == offer.quota
    )


def _no_seed() -> bytes:
    return b""

"""On-demand prices of a region: as AWS said at most a week ago, else as the table estimates."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from batchio.ports.account import PriceList
from batchio.providers.aws import cache, known, prices

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchio.providers.aws.clients import Clients

WEEK_S: Final = 7 * 24 * 3600.0

LAYOUT: Final = 1

HOMES: Final = {"us": "us-east-1", "eu": "eu-central-1", "ap": "ap-south-1"}
"""Where the service of prices answers, by the beginning of a region's name; else in the first.

Source: docs.aws.amazon.com/general/latest/gr/billing.html.
"""


def cached(region: str) -> dict[str, float]:
    """Return what AWS said within a week, in dollars an hour by type; {} when it said nothing."""
    found = cache.read(_name(region), LAYOUT, WEEK_S)
    rates = found.get("rates") if found else None
    return rates if isinstance(rates, dict) else {}


def known_prices(region: str) -> PriceList:
    """Return the prices that are reckoned with in a region; nobody is asked."""
    rates, age = cached(region), cache.age_of(_name(region))
    if rates:
        return PriceList(region, "AWS", age, rates)
    table = {
        kind.name: rate
        for kind in known.kinds().values()
        if (rate := prices.on_demand(kind.name, kind.cpus, region)) is not None
    }
    return PriceList(region, f"the table of {prices.DATED}, estimates", None, table)


async def asked(clients: Clients, region: str, *, refresh: bool = False) -> PriceList:
    """Return the prices of a region as AWS says, asked for when they are older than a week.

    Raises:
        BatchioError: AWS refused or did not answer.
    """
    if refresh or not cached(region):
        rates = await _ask(clients, region)
        await asyncio.to_thread(cache.write, _name(region), LAYOUT, {"rates": rates})
        return PriceList(region, "AWS", 0.0, rates)
    return known_prices(region)


async def _ask(clients: Clients, region: str) -> dict[str, float]:
    from batchio.providers.aws.clients import pages

    pricing = await clients.get("pricing", HOMES.get(region.partition("-")[0], "us-east-1"))
    wanted = {
        "regionCode": region, "operatingSystem": "Linux", "tenancy": "Shared",
        "capacitystatus": "Used", "preInstalledSw": "NA",
    }  # fmt: skip
    filters = [{"Type": "TERM_MATCH", "Field": f, "Value": v} for f, v in wanted.items()]
    found = await pages(
        pricing, "get_products", "PriceList", ServiceCode="AmazonEC2", Filters=filters
    )
    return dict(_rates(map(json.loads, found)))


def _rates(products: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, float]]:
    """Yield type and price of each product that is paid by the hour and on demand."""
    for product in products:
        kind = product.get("product", {}).get("attributes", {}).get("instanceType")
        for term in product.get("terms", {}).get("OnDemand", {}).values():
            for part in term.get("priceDimensions", {}).values():
                rate = float(part.get("pricePerUnit", {}).get("USD") or 0)
                if kind and rate and part.get("unit") == "Hrs":
                    yield kind, rate


def _name(region: str) -> str:
    return f"aws-prices-{region}.json"

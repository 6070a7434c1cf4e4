"""The instance types of a region, and the zones that have each: asked once a week.

The list is 2 MB and the same for everybody, so it is kept below the user's cache folder.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from batchio.providers.aws import cache
from batchio.providers.aws.clients import pages
from batchio.providers.aws.kinds import Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.providers.aws.clients import Clients

WEEK_S: Final = 7 * 24 * 3600.0

LAYOUT: Final = 1
"""Number of the layout of the file; one of another layout is asked for again."""


class Catalog:
    """What a region has, in the order of names.

    Attributes:
        kinds: Its types, by name.
        zones: Names of the zones that have a type.
    """

    def __init__(self, kinds: Mapping[str, Kind], zones: Mapping[str, tuple[str, ...]]) -> None:
        self.kinds = kinds
        self.zones = zones


async def catalog(clients: Clients, region: str) -> Catalog:
    """Return what a region has, from the cache when that is younger than a week.

    Raises:
        BatchioError: AWS refused or did not answer.
    """
    name = f"aws-types-{region}.json"
    known = await asyncio.to_thread(cache.read, name, LAYOUT, WEEK_S)
    if known is None or not _sound(known):
        ec2 = await clients.get("ec2", region)
        kinds = await pages(ec2, "describe_instance_types", "InstanceTypes")
        places = await pages(
            ec2, "describe_instance_type_offerings", "InstanceTypeOfferings",
            LocationType="availability-zone",
        )  # fmt: skip
        known = {
            "kinds": sorted(kind_of(item) for item in kinds),
            "zones": sorted((item["InstanceType"], item["Location"]) for item in places),
        }
        await asyncio.to_thread(cache.write, name, LAYOUT, known)
    zones: dict[str, tuple[str, ...]] = {}
    for name, zone in known["zones"]:
        zones[name] = (*zones.get(name, ()), zone)
    return Catalog({item[0]: Kind(*item) for item in known["kinds"]}, zones)


def _sound(known: Mapping[str, Any]) -> bool:
    """Return whether what was kept has the form of today."""
    try:
        return bool(known["zones"]) and all(
            len(item) == len(Kind._fields) for item in known["kinds"]
        )
    except (KeyError, TypeError):
        return False

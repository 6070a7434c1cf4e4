"""When what was taken for a job is nobody's any more: told by tags alone, by AWS's own clock.

Whoever leads a job puts the time on all that it holds, anew every few minutes. What has no such
tag yet counts from when it was made.
"""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from batchio.errors import BatchioError, ProviderDown
from batchio.providers.aws.clients import ask, pages
from batchio.providers.aws.tags import EXPIRES, JOB, tag_filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchio.providers.aws.clients import Clients

EVERY_S: Final = 300.0
"""Seconds between two renewals."""

FIRST_S: Final = 60.0
"""Seconds until the first one, and until one that failed is tried again."""

LIFE_S: Final = 1800.0
"""Seconds for which what was made or renewed is somebody's."""

AT_ONCE: Final = 1000
"""Most things of one CreateTags."""

ENDED: Final = ("shutting-down", "terminated")


async def renewing(clients: Clients, regions: Iterable[str], job: str) -> None:
    """Renew all that is held for a job, for as long as this is not cancelled."""
    places = list(regions)
    wait = FIRST_S
    while True:
        await asyncio.sleep(wait)
        wait = EVERY_S
        for region in places:
            try:
                await renew(clients, region, job)
            except BatchioError:
                wait = FIRST_S


async def renew(clients: Clients, region: str, job: str) -> int:
    """Say of all that is held for a job in a region that it is somebody's; return how much it is.

    Raises:
        BatchioError: AWS refused or did not answer.
    """
    ec2, which = await clients.get("ec2", region), [tag_filter(JOB, job)]
    found = await pages(ec2, "describe_instances", "Reservations", Filters=which)
    held = [
        one["InstanceId"]
        for reservation in found
        for one in reservation["Instances"]
        if one["State"]["Name"] not in ENDED
    ]
    templates = await pages(ec2, "describe_launch_templates", "LaunchTemplates", Filters=which)
    answer = await ask(ec2, "describe_security_groups", Filters=which)
    held += [one["LaunchTemplateId"] for one in templates]
    held += [one["GroupId"] for one in answer.get("SecurityGroups", [])]
    expires = [{"Key": EXPIRES, "Value": str(int(date_of(answer) + LIFE_S))}]
    for at in range(0, len(held), AT_ONCE):
        await ask(ec2, "create_tags", Resources=held[at : at + AT_ONCE], Tags=expires)
    return len(held)


def date_of(answer: Mapping[str, Any]) -> float:
    """Return when AWS answered, in Unix seconds, by its own clock.

    Raises:
        ProviderDown: the answer does not say it.
    """
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError) as error:
        raise ProviderDown("AWS's answer has no date") from error


def expired(now: float, tags: Mapping[str, str], made: float) -> float:
    """Return the seconds since something has been nobody's; negative: it is somebody's.

    Args:
        now: By AWS's clock, as `made`, in Unix seconds.
    """
    try:
        until = float(tags[EXPIRES])
    except (KeyError, ValueError):
        until = made + LIFE_S
    return now - until

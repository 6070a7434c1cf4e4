"""Answers of EC2 as XML: what became of a fleet, and of instances that were to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_SPACE: Final = "http://ec2.amazonaws.com/doc/2016-11-15/"


def terminated(ids: Iterable[str]) -> bytes:
    items = "".join(
        f"<item><instanceId>{one}</instanceId><currentState><code>32</code>"
        "<name>shutting-down</name></currentState></item>"
        for one in ids
    )
    return (
        f'<TerminateInstancesResponse xmlns="{_SPACE}"><requestId>1</requestId>'
        f"<instancesSet>{items}</instancesSet></TerminateInstancesResponse>"
    ).encode()


def fleet(
    market: str,
    groups: list[tuple[str, str, str, list[str]]],
    errors: list[tuple[str, str, str]],
) -> bytes:
    def pool(kind: str, subnet: str, zone: str = "") -> str:
        where = f"<availabilityZone>{zone}</availabilityZone>" if zone else ""
        return (
            "<launchTemplateAndOverrides><overrides>"
            f"<instanceType>{kind}</instanceType><subnetId>{subnet}</subnetId>{where}"
            f"</overrides></launchTemplateAndOverrides><lifecycle>{market}</lifecycle>"
        )

    given = "".join(
        f"<item>{pool(kind, subnet, zone)}<instanceType>{kind}</instanceType><instanceIds>"
        + "".join(f"<item>{one}</item>" for one in ids)
        + "</instanceIds></item>"
        for kind, subnet, zone, ids in groups
    )
    short = "".join(
        f"<item>{pool(kind, subnet)}<errorCode>{code}</errorCode>"
        "<errorMessage>made by the test bed</errorMessage></item>"
        for kind, subnet, code in errors
    )
    return (
        f'<CreateFleetResponse xmlns="{_SPACE}"><requestId>1</requestId><fleetId>fleet-1</fleetId>'
        f"<errorSet>{short}</errorSet><fleetInstanceSet>{given}</fleetInstanceSet>"
        "</CreateFleetResponse>"
    ).encode()

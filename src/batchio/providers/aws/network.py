"""The network of a job's nodes: the subnets they may be in, and the job's security group."""

from __future__ import annotations

import asyncio
import ipaddress
import urllib.request
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from batchio.errors import BatchioError, UsageError
from batchio.providers.aws.choice import Networks
from batchio.providers.aws.clients import ask, pages
from batchio.providers.aws.errors import code_of
from batchio.providers.aws.tags import JOB, tag_filter, tag_list

if TYPE_CHECKING:
    from batchio.providers.aws.clients import Clients

MINE: Final = "https://checkip.amazonaws.com"
"""Page that says the public address of whoever asks."""

PATIENCE_S: Final = 10.0


async def subnets(clients: Clients, region: str, subnet: str | None) -> Networks:
    """Return where nodes may be: in the default subnets, or in the one that was named.

    Raises:
        UsageError: there is no such subnet, or no default network.
    """
    ec2 = await clients.get("ec2", region)
    if subnet:
        found = await _named(ec2, region, subnet)
    else:
        default = [{"Name": "default-for-az", "Values": ["true"]}]
        found = await pages(ec2, "describe_subnets", "Subnets", Filters=default)
    if not found:
        raise UsageError(
            "this account has no default network here", where=region,
            hint="aws ec2 create-default-vpc, or name a subnet: --subnet subnet-…",
        )  # fmt: skip
    zones = {item["AvailabilityZone"]: item["SubnetId"] for item in found}
    public = all(item.get("MapPublicIpOnLaunch") for item in found)
    return Networks(str(found[0]["VpcId"]), dict(sorted(zones.items())), public)


async def _named(ec2: Any, region: str, subnet: str) -> list[Any]:
    """Return the subnet of a name.

    Raises:
        UsageError: there is none; those of the account that come nearest are named.
    """
    try:
        return await pages(ec2, "describe_subnets", "Subnets", SubnetIds=[subnet])
    except UsageError as error:
        there = await pages(ec2, "describe_subnets", "Subnets")
        names = {one["SubnetId"]: one["AvailabilityZone"] for one in there}
        near = get_close_matches(subnet, names, n=3, cutoff=0.0)
        known = ", ".join(f"{name} in {names[name]}" for name in near)
        hint = f"the nearest: {known}" if near else "this account has no subnets there"
        raise UsageError(str(error), where=region, hint=hint) from error


def group_name(job: str) -> str:
    """Return the name of a job's security group, and of the beginning of its templates."""
    return f"batchio-{job}"


async def security_group(
    clients: Clients, region: str, vpc: str, job: str, owner: str, allowed: str
) -> str:
    """Make the job's security group, or find it; return its id.

    Args:
        allowed: Addresses that may connect by SSH, as a CIDR.

    Raises:
        BatchioError: AWS refused or did not answer.
    """
    ec2 = await clients.get("ec2", region)
    name = group_name(job)
    tags = [{"ResourceType": "security-group", "Tags": tag_list(owner=owner, job=job)}]
    try:
        answer = await ask(
            ec2, "create_security_group", GroupName=name, VpcId=vpc,
            Description=f"SSH to the nodes of batchio job {job}", TagSpecifications=tags,
        )  # fmt: skip
        group = str(answer["GroupId"])
    except BatchioError as error:
        if code_of(error)[0] != "InvalidGroup.Duplicate":
            raise
        group = await _found(ec2, vpc, name)
    await _allow(ec2, group, allowed)
    return group


async def _found(ec2: Any, vpc: str, name: str) -> str:
    filters = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc]}]
    [one] = await pages(ec2, "describe_security_groups", "SecurityGroups", Filters=filters)
    return str(one["GroupId"])


async def _allow(ec2: Any, group: str, allowed: str) -> None:
    ssh: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    kind = "Ipv6Ranges" if ":" in allowed else "IpRanges"
    cidr = "CidrIpv6" if ":" in allowed else "CidrIp"
    for rule in (
        {**ssh, kind: [{cidr: allowed}]},
        {**ssh, "UserIdGroupPairs": [{"GroupId": group}]},
    ):
        try:
            await ask(ec2, "authorize_security_group_ingress", GroupId=group, IpPermissions=[rule])
        except BatchioError as error:
            if code_of(error)[0] != "InvalidPermission.Duplicate":
                raise


async def own_address() -> str:
    """Return this computer's public address, as a CIDR of one address.

    Raises:
        UsageError: it cannot be found out.
    """

    def asked() -> str:
        with urllib.request.urlopen(MINE, timeout=PATIENCE_S) as answer:
            return str(ipaddress.ip_network(answer.read(100).decode("ascii").strip()))

    try:
        return await asyncio.to_thread(asked)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"this computer's public address cannot be found out ({error})",
            hint="name from where SSH is let in: --allow-ssh-from 203.0.113.7/32",
        ) from error


async def remove(clients: Clients, region: str, job: str) -> list[str]:
    """Remove a job's launch templates and security group; return what could not be removed yet.

    Raises:
        BatchioError: AWS did not answer.
    """
    ec2 = await clients.get("ec2", region)
    which, left = [tag_filter(JOB, job)], list[str]()
    for item in await pages(ec2, "describe_launch_templates", "LaunchTemplates", Filters=which):
        await ask(ec2, "delete_launch_template", LaunchTemplateId=item["LaunchTemplateId"])
    for item in await pages(ec2, "describe_security_groups", "SecurityGroups", Filters=which):
        try:
            await ask(ec2, "delete_security_group", GroupId=item["GroupId"])
        except BatchioError as error:
            if code_of(error)[0] not in ("DependencyViolation", "InvalidGroup.InUse"):
                raise
            left.append(f"{region}/{item['GroupId']}")
    return left

"""Instances taken with one call, whose every repetition means the same instances.

A request is a function of the order and the job's keys alone: no time, no choice of the moment.
EC2 answers a repeated one with the same instances for as long as it remembers the token; after
that they are found by the tag of the order.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.errors import BatchioError, NoCapacity, NotAuthorised, QuotaExceeded, UsageError
from batchio.ports.rent import Refused, Rented
from batchio.providers.aws.clients import ask, pages
from batchio.providers.aws.errors import code_of, refusal
from batchio.providers.aws.network import group_name
from batchio.providers.aws.tags import JOB, ORDER, OWNER, tag_filter, tag_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from batchio.core.plan import Offer

MISMATCH: Final = "IdempotentParameterMismatch"
"""Code by which EC2 says that a token was used already, with another request."""

NAMED: Final = 3
"""Pools whose words an error repeats."""


class Taken(NamedTuple):
    """An instance that was taken."""

    instance: str
    kind: str
    zone: str


async def ensure_template(
    ec2: Any, job: str, detail: Mapping[str, Any], group: str, user_data: str, profile: str | None
) -> str:
    """Make the launch template of a job and an image, or find it made; return its name.

    Raises:
        BatchioError: AWS refused or did not answer.
    """
    data: dict[str, Any] = {
        "ImageId": detail["image"],
        "UserData": user_data,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "BlockDeviceMappings": [
            {
                "DeviceName": detail["root"],
                "Ebs": {
                    "VolumeSize": detail["disk"],
                    "VolumeType": "gp3",
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "Groups": [group],
                "AssociatePublicIpAddress": detail["public"],
                "DeleteOnTermination": True,
            }
        ],
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": _tags(detail, job)}
            for kind in ("volume", "network-interface")
        ],
    }
    if profile:
        data["IamInstanceProfile"] = {"Name": profile}
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]
    name = f"{group_name(job)}-{digest}"
    try:
        await ask(
            ec2, "create_launch_template", LaunchTemplateName=name, LaunchTemplateData=data,
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": _tags(detail, job)}],
        )  # fmt: skip
    except BatchioError as error:
        if code_of(error)[0] != "InvalidLaunchTemplateName.AlreadyExistsException":
            raise
    return name


async def launch(
    ec2: Any, token: str, job: str, offer: Offer, count: int, template: str
) -> tuple[list[Taken], list[BatchioError]]:
    """Take instances; return those that the order has, sorted, and why there are no more.

    Raises:
        BatchioError: nothing was taken, or nobody knows, as its remedy says.
    """
    detail, market = offer.detail, "spot" if offer.spot else "on-demand"
    known = {taken.instance: taken for taken in await ordered(ec2, token)}
    if len(known) >= count:
        return sorted(known.values()), []
    answer = await ask(
        ec2,
        "create_fleet",
        Type="instant",
        ClientToken=token,
        TargetCapacitySpecification={
            "TotalTargetCapacity": count,
            "DefaultTargetCapacityType": market,
        },
        SpotOptions={"AllocationStrategy": "price-capacity-optimized"},
        OnDemandOptions={"AllocationStrategy": "lowest-price"},
        LaunchTemplateConfigs=[
            {
                "LaunchTemplateSpecification": {"LaunchTemplateName": template, "Version": "1"},
                "Overrides": [
                    {"InstanceType": kind, "SubnetId": subnet}
                    for kind, _, subnet in detail["pools"]
                ],
            }
        ],
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": _tags(detail, job, token)},
            {"ResourceType": "fleet", "Tags": _tags(detail, job, token)},
        ],
    )
    zones = {subnet: zone for _, zone, subnet in detail["pools"]}
    for part in answer.get("Instances", []):
        chosen = part.get("LaunchTemplateAndOverrides", {}).get("Overrides", {})
        zone = chosen.get("AvailabilityZone") or zones.get(chosen.get("SubnetId"), "")
        for instance in part["InstanceIds"]:
            known.setdefault(instance, Taken(instance, part["InstanceType"], zone))
    return sorted(known.values()), list(_reasons(answer.get("Errors", [])))


async def ordered(ec2: Any, token: str) -> list[Taken]:
    """Return the instances that have the tag of an order, whatever became of them.

    Raises:
        BatchioError: AWS refused or did not answer.
    """
    found = await pages(
        ec2, "describe_instances", "Reservations", Filters=[tag_filter(ORDER, token)]
    )
    return [
        Taken(one["InstanceId"], one["InstanceType"], one["Placement"]["AvailabilityZone"])
        for reservation in found
        for one in reservation["Instances"]
    ]


def launched_otherwise(token: str, offer: Offer) -> NoCapacity:
    """Return why an order gets no more nodes that EC2 has launched by another request before."""
    return NoCapacity(
        f"{MISMATCH}: EC2 launched order {token} before, by a request that was not quite this one "
        "(of another version of batchio, or of a job that was changed); the instances with its "
        "tag are taken, and what it has no instance for is ordered anew",
        where=offer.id,
    )


def answers(
    offer: Offer, nodes: Sequence[int], taken: Sequence[Taken], why: Sequence[BatchioError]
) -> Iterable[Rented | Refused]:
    """Yield the answer for each node of an order: the instances in their order, then why not."""
    for node, one in zip(nodes, taken, strict=False):
        yield Rented(
            node,
            f"{offer.region}/{one.instance}",
            offer.id,
            rate=offer.detail["rates"].get(f"{one.kind} {one.zone}", offer.rate),
            zone=one.zone,
            spot=offer.spot,
            reach={"type": one.kind},
        )
    if missing := tuple(nodes[len(taken) :]):
        yield Refused(missing, offer.id, _worst(why, offer))


def _reasons(errors: Iterable[Mapping[str, Any]]) -> Iterable[BatchioError]:
    for item in errors:
        chosen = item.get("LaunchTemplateAndOverrides", {}).get("Overrides", {})
        pool = f"{chosen.get('InstanceType', '?')} in {chosen.get('SubnetId', '?')}"
        yield refusal(str(item.get("ErrorCode")), str(item.get("ErrorMessage") or ""), pool)


def _worst(why: Sequence[BatchioError], offer: Offer) -> BatchioError:
    """Return one error for an answer that was short, with the words of the first pools.

    A quota or a right that lacks holds for all pools. Anything else that not all pools say, or
    that may pass, makes the offer rest: the answer to this order is known, and stays as it is.
    """
    if not why:
        return NoCapacity("EC2 gave fewer than were asked for, and no reason", where=offer.id)
    whole: list[BatchioError] = [
        error for error in why if isinstance(error, (QuotaExceeded, NotAuthorised))
    ]
    if not whole and all(isinstance(error, UsageError) for error in why):
        whole = list(why)
    first = whole[0] if whole else NoCapacity("")
    why = sorted(why, key=lambda error: not isinstance(error, type(first)))
    told = "; ".join(dict.fromkeys(str(error) for error in why[:NAMED]))
    more = f"; and {len(why) - NAMED} more" if len(why) > NAMED else ""
    return type(first)(told + more, where=offer.id, hint=first.hint)


def _tags(detail: Mapping[str, Any], job: str, token: str = "") -> list[dict[str, str]]:
    tags = {OWNER: detail["owner"], JOB: job} | ({ORDER: token} if token else {})
    return tag_list(**tags)

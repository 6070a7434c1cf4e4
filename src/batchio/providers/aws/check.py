"""Checks of an account before anything is rented; they take nothing, and cost nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from batchio.core.sizes import format_bytes, format_duration
from batchio.errors import BatchioError
from batchio.ports.rent import Finding
from batchio.providers.aws import gc
from batchio.providers.aws.asked import quota_of_offer
from batchio.providers.aws.clients import ask
from batchio.providers.aws.errors import QUOTAS, SPOT_ROLE, answer_of, code_of
from batchio.providers.aws.expiry import date_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from batchio.core.plan import Offer
    from batchio.core.spec import JobSpec
    from batchio.providers.aws.clients import Clients

CLOCK_S: Final = 300.0
"""Seconds by which this computer's clock may be wrong before AWS refuses its signatures."""

TRAFFIC: Final = 0.02
"""US dollars for a GB from one region to another, about."""

ROLE: Final = "AWSServiceRoleForEC2Spot"

SETUP: Final = "batchio setup aws prints a policy that allows it"

_TRIES: Final[Mapping[str, dict[str, Any]]] = {
    "create_security_group": {"GroupName": "batchio-check", "Description": "batchio check"},
    "create_launch_template": {
        "LaunchTemplateName": "batchio-check", "LaunchTemplateData": {"InstanceType": "m7i.large"},
    },
    "create_fleet": {
        "Type": "instant",
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": 1, "DefaultTargetCapacityType": "on-demand",
        },
        "LaunchTemplateConfigs": [
            {
                "LaunchTemplateSpecification": {
                    "LaunchTemplateName": "batchio-check", "Version": "1",
                }
            }
        ],
    },
    "create_tags": {
        "Resources": ["i-0123456789abcdef0"], "Tags": [{"Key": "batchio:job", "Value": "check"}],
    },
    "terminate_instances": {"InstanceIds": ["i-0123456789abcdef0"]},
}  # fmt: skip
"""Actions that a job needs, with arguments with which they are tried, by DryRun."""


async def findings(
    clients: Clients,
    spec: JobSpec,
    region: str,
    bucket: str,
    offers: Callable[[JobSpec], Awaitable[list[Offer]]],
) -> list[Finding]:
    """Return what was found, in the order in which it matters.

    Args:
        bucket: Name of the bucket of the workspace; "" when it is in none.
        offers: Lists what such a job could have.
    """
    first = await identity(clients, region)
    if first.ok is False:
        return [first]
    allowed, best, role, where, left = await asyncio.gather(
        rights(clients, region, spec),
        _machines(clients, spec, offers),
        _spot_role(clients, region, spec),
        _bucket(clients, region, bucket),
        gc.told(clients, spec.regions or (region,)),
    )
    orphans = [Finding("orphans", None, left, "batchio gc --yes ends them")] if left else []
    return [first, await _lifetime(clients), allowed, *best, *role, *where, *orphans]


async def identity(clients: Clients, region: str) -> Finding:
    """Check that AWS knows who asks, and that this computer's clock is right."""
    name = "credentials"
    try:
        sts = await clients.get("sts", region)
        answer = await ask(sts, "get_caller_identity")
    except BatchioError as error:
        skew = _skew(answer_of(error))
        if abs(skew) > CLOCK_S:
            return _wrong_clock(skew)
        return Finding(name, False, str(error), error.hint or "")
    skew = _skew(answer)
    return _wrong_clock(skew) if abs(skew) > CLOCK_S else Finding(name, True, str(answer["Arn"]))


def _skew(answer: Mapping[str, Any]) -> float:
    """Return by how many seconds this computer's clock is ahead of AWS's; 0 when unknown."""
    try:
        return time.time() - date_of(answer)
    except BatchioError:
        return 0.0


def _wrong_clock(skew: float) -> Finding:
    told = f"this computer's clock is {format_duration(abs(skew) // 1)}"
    said = f"{told} {'ahead of' if skew > 0 else 'behind'} that of AWS, which refuses its requests"
    return Finding("clock", False, said, "set it: sudo timedatectl set-ntp true")


async def _lifetime(clients: Clients) -> Finding:
    """Say whether the credentials end, and whether they are renewed then."""
    name = "renewal"
    try:
        way, left, unrenewed = await clients.renewal()
    except BatchioError as error:
        return Finding(name, None, f"cannot be found out: {error}")
    if unrenewed:
        said = "these credentials are temporary; a job that outlasts them waits for new ones"
        return Finding(name, None, said, "a profile that renews itself (SSO, a role) needs no care")
    if left is None:
        return Finding(name, True, f"they do not end ({way})")
    return Finding(name, True, f"in {format_duration(left // 1)} ({way})")


async def rights(clients: Clients, region: str, spec: JobSpec) -> Finding:
    """Check by DryRun that each action is allowed which a job needs."""
    ec2 = await clients.get("ec2", region)
    missing, unknown = list[str](), list[str]()
    for verb, arguments in _TRIES.items():
        try:
            await ask(ec2, verb, DryRun=True, **arguments)
        except BatchioError as error:
            code = code_of(error)[0]
            if code == "UnauthorizedOperation":
                missing.append(_action(verb))
            elif code != "DryRunOperation":
                unknown.append(f"{_action(verb)} ({code or error})")
    if missing:
        return Finding("rights", False, f"not allowed: {', '.join(missing)}", SETUP)
    if unknown:
        return Finding("rights", None, f"cannot be found out: {', '.join(unknown)}")
    return Finding("rights", True, "nodes may be rented, tagged and ended")


def _action(verb: str) -> str:
    return f"ec2:{''.join(part.capitalize() for part in verb.split('_'))}"


async def _machines(
    clients: Clients, spec: JobSpec, offers: Callable[[JobSpec], Awaitable[list[Offer]]]
) -> list[Finding]:
    """Check that something fits the job, and that the quota has room for it."""
    try:
        found = await offers(spec)
    except BatchioError as error:
        return [Finding("machines", False, str(error), error.hint or "")]
    out = []
    for offer in found:
        pools, room = len(offer.detail["pools"]), format_bytes(offer.memory or 0)
        said = f"{offer.id}: {pools} pools of {offer.cpus:g} vCPU and {room} at least"
        price = f", at most ${offer.rate:.4f} an hour" if offer.rate else ", at an unknown price"
        out += [Finding("machines", True, said + price), await _quota(clients, offer)]
    return out


async def _quota(clients: Clients, offer: Offer) -> Finding:
    quota = await quota_of_offer(clients, offer)
    name = f"quota {quota.code}"
    if quota.limit is None:
        return Finding(name, None, f"{quota.name}: AWS does not say it")
    free = quota.limit - (quota.used or 0.0)
    said = f"{quota.name}: {free:g} of {quota.limit:g} vCPU are free"
    if free < offer.quota_units:
        needs = f"{said}, and one node of {offer.id} takes {offer.quota_units:g}"
        return Finding(name, False, needs, f"ask for more: {QUOTAS}/{quota.code}")
    return Finding(name, True, said)


async def _spot_role(clients: Clients, region: str, spec: JobSpec) -> list[Finding]:
    """Check that the role exists which the first spot instance of an account needs."""
    if spec.spot_policy not in ("spot", "spot_with_fallback"):
        return []
    iam = await clients.get("iam", region)
    try:
        await ask(iam, "get_role", RoleName=ROLE)
    except BatchioError as error:
        if code_of(error)[0] == "NoSuchEntity":
            return [Finding("spot role", False, f"there is no {ROLE}", SPOT_ROLE)]
        said = f"cannot be found out: {error}"
        return [Finding("spot role", None, said, f"to make it: {SPOT_ROLE}")]
    return [Finding("spot role", True, ROLE)]


async def _bucket(clients: Clients, region: str, bucket: str) -> list[Finding]:
    """Say whether the bucket of the workspace is where the nodes are."""
    if not bucket:
        return []
    s3 = await clients.get("s3", region)
    try:
        answer = await ask(s3, "get_bucket_location", Bucket=bucket)
    except BatchioError as error:
        return [Finding("bucket", None, f"cannot be found out: {error}")]
    where = answer.get("LocationConstraint") or "us-east-1"
    if where == region:
        return [Finding("bucket", True, f"{bucket} is in {region}, as the nodes are")]
    said = f"{bucket} is in {where} and the nodes are in {region}"
    cost = f"what goes between them costs about ${TRAFFIC:.2f} a GB"
    return [Finding("bucket", None, f"{said}: {cost}", f"use a bucket in {region}")]

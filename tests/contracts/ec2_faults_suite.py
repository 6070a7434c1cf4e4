"""What EC2 refuses, forgets or does not know yet. Run by test_aws.py, sealed only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchio.errors import (
    BatchioError,
    NoCapacity,
    NotAuthorised,
    ProviderDown,
    QuotaExceeded,
    Unreachable,
    UsageError,
)
from batchio.ports import Line, NodeOrder, Refused, Rented
from tests.contracts.ec2 import Ec2, job, provider, taken_with
from tests.contracts.provider_suite import all_of, handles, order
from tests.testbed.cloud.front import Fault, Front

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("VcpuLimitExceeded", QuotaExceeded),
        ("MaxSpotInstanceCountExceeded", QuotaExceeded),
        ("UnauthorizedOperation", NotAuthorised),
        ("InvalidAMIID.NotFound", UsageError),
        ("RequestLimitExceeded", ProviderDown),
        ("InternalError", ProviderDown),
        ("ExpiredToken", ProviderDown),
    ],
)
def test_what_ec2_refuses_says_what_helps(
    front: Front, code: str, error: type[BatchioError]
) -> None:
    status = 503 if code in ("RequestLimitExceeded", "InternalError") else 400
    front.cloud.faults.append(Fault("CreateFleet", code, status))

    with pytest.raises(error, match=code):
        taken_with(front, job())


def refused_with(answers: list[Rented | Refused]) -> BatchioError:
    """The error for the nodes of an order that were not given."""
    [refused] = [one for one in answers if isinstance(one, Refused)]
    return refused.error


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("InsufficientInstanceCapacity", NoCapacity),
        ("InsufficientFreeAddressesInSubnet", NoCapacity),
        ("UnfulfillableCapacity", NoCapacity),
        ("VcpuLimitExceeded", QuotaExceeded),
        ("UnauthorizedOperation", NotAuthorised),
        ("InvalidSubnetID.NotFound", UsageError),
        # Of a launch that was answered nothing more will come, so the offer rests.
        ("RequestLimitExceeded", NoCapacity),
        ("InternalError", NoCapacity),
        ("InvalidLaunchTemplateName.NotFoundException", NoCapacity),
    ],
)
def test_what_pools_say_of_an_answered_launch_is_known_for_good(
    front: Front, code: str, error: type[BatchioError]
) -> None:
    front.cloud.most, front.cloud.refusal = 7, code

    answers = taken_with(front, job(), nodes=20)

    assert sum(isinstance(one, Rented) for one in answers) == 7
    assert type(refused_with(answers)) is error
    assert code in str(refused_with(answers))


def test_a_quota_names_where_more_can_be_asked_for(front: Front) -> None:
    front.cloud.most, front.cloud.refusal = 0, "VcpuLimitExceeded"

    assert "servicequotas" in str(refused_with(taken_with(front, job())).hint)


def test_no_capacity_in_one_zone_is_made_up_for_by_the_others(front: Front) -> None:
    front.cloud.capacity["m5a.xlarge", "us-east-1a", "on-demand"] = 0

    answers = taken_with(front, job(vm_types=("m5a.xlarge",)))

    zones = {one.zone for one in answers if isinstance(one, Rented)}
    assert len(answers) == 3
    assert zones
    assert "us-east-1a" not in zones


def test_an_order_that_was_launched_by_another_request_has_its_instances_and_no_more(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    from batchio.providers.aws import provider as module

    front.cloud.most = 2
    first = taken_with(front, job(), nodes=5)
    changed = job(job_timeout=77.0)  # so that the user data are not the same
    kind = Ec2(provider(changed), changed)

    async def again() -> list[Rented | Refused]:
        asked = await order(kind, 5)
        front.cloud.hidden_s = 3600.0  # not known by their tags yet: nothing is sure
        with pytest.raises(ProviderDown, match="IdempotentParameterMismatch"):
            await all_of(kind.provider.create(asked))
        front.cloud.hidden_s = 0.0
        monkeypatch.setattr(module, "UNKNOWN_S", 0.0)
        return await all_of(kind.provider.create(asked))

    second = kind.run(again)
    assert handles(second) == handles(first)
    assert len(handles(second)) == 2
    [refused] = [one for one in second if isinstance(one, Refused)]
    assert refused.nodes == (2, 3, 4)
    assert type(refused.error) is NoCapacity
    assert "launched order j1-0 before" in str(refused.error)


@pytest.mark.parametrize(
    "code", ["InvalidLaunchTemplateName.NotFoundException", "InvalidGroup.NotFound"]
)
def test_what_was_made_a_moment_ago_may_not_be_known_yet(front: Front, code: str) -> None:
    front.cloud.faults.append(Fault("CreateFleet", code))

    with pytest.raises(ProviderDown, match=code):
        taken_with(front, job())


def test_a_template_and_a_group_that_somebody_deleted_are_made_again(front: Front) -> None:
    spec = job()
    kind = Ec2(provider(spec), spec)

    async def twice() -> tuple[list[Any], list[Any]]:
        asked = await order(kind)
        first = await all_of(kind.provider.create(asked))
        await kind.provider.end("j1")
        lines = tuple(Line(line.offer, (7, 8)) for line in asked.lines)
        return first, await all_of(kind.provider.create(NodeOrder("j1-7", "j1", lines)))

    _, second = kind.run(twice)
    assert [type(one) for one in second] == [Rented, Rented]
    assert len(front.client().describe_launch_templates()["LaunchTemplates"]) == 1


def test_a_node_that_ec2_does_not_know_yet_is_not_gone(front: Front) -> None:
    spec = job()
    kind = Ec2(provider(spec), spec)
    front.cloud.hidden_s = 3600.0

    async def looked() -> tuple[list[str], Any]:
        taken = handles(await all_of(kind.provider.create(await order(kind))))
        return taken, await kind.provider.locate(taken)

    taken, there = kind.run(looked)
    assert there.keys() == set(taken)


@pytest.mark.parametrize("known", [True, False], ids=["throttled", "never known"])
def test_a_node_that_boots_is_waited_for_until_the_deadline_and_no_longer(
    front: Front, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from batchio.providers.aws import provider as module

    monkeypatch.setattr(module, "BOOT_LIMIT_S", 0.0)
    monkeypatch.setattr(module, "LOOKS_S", 0.0)
    spec = job()
    kind = Ec2(provider(spec), spec)
    front.cloud.hidden_s = 0.0 if known else 3600.0

    async def reach() -> None:
        [handle] = handles(await all_of(kind.provider.create(await order(kind, 1))))
        if known:
            front.cloud.faults.append(Fault("DescribeInstances", "RequestLimitExceeded", 503))
        await kind.provider.connect(handle)

    with pytest.raises(Unreachable, match="RequestLimitExceeded" if known else "not there"):
        kind.run(reach)


def test_a_throttled_look_while_a_node_boots_is_repeated(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    from batchio.errors import NodeError
    from batchio.providers.aws import provider as module

    monkeypatch.setattr(module, "LOOKS_S", 0.0)
    spec = job()
    kind = Ec2(provider(spec), spec)

    async def reach() -> None:
        [handle] = handles(await all_of(kind.provider.create(await order(kind, 1))))
        await kind.provider.delete([handle])
        front.cloud.faults.append(Fault("DescribeInstances", "RequestLimitExceeded", 503, times=3))
        await kind.provider.connect(handle)

    with pytest.raises(NodeError, match="it has ended"):
        kind.run(reach)
    assert [fault.times for fault in front.cloud.faults] == [0]


def test_a_protected_instance_keeps_none_of_the_others_alive_and_is_never_called_gone(
    front: Front,
) -> None:
    spec = job()
    kind = Ec2(provider(spec), spec)

    async def ended() -> tuple[list[str], frozenset[str]]:
        taken = handles(await all_of(kind.provider.create(await order(kind, 5))))
        front.cloud.protected.add(taken[1].partition("/")[2])
        return taken, await kind.provider.delete(taken)

    taken, gone = kind.run(ended)
    assert gone == {*taken} - {taken[1]}


def test_a_group_that_is_still_in_use_is_named_and_removed_later(front: Front) -> None:
    spec = job()
    kind = Ec2(provider(spec), spec)
    front.cloud.faults.append(Fault("DeleteSecurityGroup", "DependencyViolation"))

    async def twice() -> tuple[Sequence[str], Sequence[str]]:
        await all_of(kind.provider.create(await order(kind, 1)))
        return await kind.provider.end("j1"), await kind.provider.end("j1")

    [name], after = kind.run(twice)
    assert name.startswith("us-east-1/sg-")
    assert after == []


@pytest.mark.parametrize(
    ("more", "said", "hint"),
    [
        ({"vm_types": ("m7i.xlrge",)}, "no instance type m7i.xlrge", "m7i.xlarge"),
        ({"regions": ("us-est-1",)}, "no region us-est-1", "us-east-1"),
        ({"cpu": 4096.0}, "no instance type fits", "vCPU"),
        ({"image": "ami-0123456789abcdef0"}, "ami-0123456789abcdef0", ""),
        ({"subnet": "subnet-0123456789abcdef0"}, "subnet-0123456789abcdef0", ""),
    ],
)
def test_what_does_not_exist_is_named_with_what_comes_nearest(
    front: Front, more: dict[str, Any], said: str, hint: str
) -> None:
    spec = job(**more)
    kind = Ec2(provider(spec), spec)

    with pytest.raises(UsageError, match=said) as refused:
        kind.run(lambda: kind.provider.offers(spec))

    assert hint in str(refused.value.hint or "")
    assert front.cloud.count("CreateFleet") == 0


def test_a_subnet_is_asked_for_where_the_account_has_no_default_network(front: Front) -> None:
    ec2 = front.client()
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    spec = job()
    kind = Ec2(provider(spec), spec)

    with pytest.raises(UsageError, match="no default network") as refused:
        kind.run(lambda: kind.provider.offers(spec))

    assert "--subnet" in str(refused.value.hint)


def test_one_bad_id_among_many_keeps_none_of_the_others_alive(front: Front) -> None:
    spec = job()
    kind = Ec2(provider(spec), spec)

    async def ended() -> tuple[list[str], frozenset[str]]:
        taken = handles(await all_of(kind.provider.create(await order(kind, 5))))
        asked = [*taken[:2], "us-east-1/i-0123456789abcdef0", *taken[2:]]
        return taken, await kind.provider.delete(asked)

    taken, gone = kind.run(ended)
    assert gone == set(taken)

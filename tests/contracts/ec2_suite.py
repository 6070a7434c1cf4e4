"""The contract of providers, for EC2 as the front plays it. Run by test_aws.py, sealed only."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core.plan import Offer
from batchio.ports import Line, NodeOrder, Refused, Rented
from tests.contracts import provider_suite
from tests.contracts.ec2 import SEED, Ec2, job, provider, taken_with
from tests.contracts.provider_suite import Kind, all_of, handles, order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.testbed.cloud.front import Front


class TestEc2(provider_suite.RentingSuite):
    """The same promises as every provider's."""

    def test_a_node_can_be_reached_by_its_handle_alone(self, kind: Kind) -> None:
        """Shown over real hosts: tests/e2e/test_aws.py."""


def test_another_head_with_a_clock_and_a_cache_of_its_own_asks_the_very_same(
    front: Front, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    spec = job()
    one, other = Ec2(provider(spec), spec), Ec2(provider(spec), spec)
    placed: list[Offer] = []

    async def first() -> list[Any]:
        asked = await order(one)
        placed.extend(line.offer for line in asked.lines)
        return await all_of(one.provider.create(asked))

    async def second() -> list[Any]:
        lines = tuple(Line(Offer.from_json(offer.to_json()), (0, 1)) for offer in placed)
        return await all_of(other.provider.create(NodeOrder("j1-0", "j1", lines)))

    taken = one.run(first)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("time.time", lambda: 2e9)
    front.cloud.hidden_s = 3600  # EC2 does not know the instances by their tags yet

    assert other.run(second) == taken
    asked = [a for name, a in front.cloud.calls if name == "CreateFleet"]
    assert len(asked) == 2
    assert asked[0] == asked[1]
    assert front.cloud.count("DescribeInstances") >= 2


def test_a_capacity_error_with_instances_means_that_all_of_them_are_taken(front: Front) -> None:
    [kind, *_] = ["m5a.xlarge"]
    for zone in "abcdef":
        front.cloud.capacity[kind, f"us-east-1{zone}", "on-demand"] = 1 if zone == "a" else 0

    answers = taken_with(front, job(vm_types=(kind,)))

    assert [type(one) for one in answers] == [Rented, Refused]
    [refused] = [one for one in answers if isinstance(one, Refused)]
    assert refused.nodes == (1, 2)
    assert "InsufficientInstanceCapacity" in str(refused.error)
    assert kind in str(refused.error)


@pytest.mark.parametrize(
    ("vcpus", "most"), [(30.0, 5), (8.0, 1), (1e6, 2000), (None, 2000)],
    ids=["room", "no room", "room for more than anybody asks for", "not known"],
)  # fmt: skip
def test_an_offer_has_no_more_nodes_than_its_quota_has_room_for(
    front: Front, vcpus: float | None, most: int
) -> None:
    spec = job(vm_types=("m5a.xlarge",), spot_policy="spot_with_fallback")
    kind = Ec2(provider(spec), spec)
    front.cloud.quotas = {} if vcpus is None else {"L-1216C47A": vcpus}
    front.client().run_instances(
        ImageId="ami-12c6146b", InstanceType="m7i.xlarge", MinCount=2, MaxCount=2
    )

    found = kind.run(lambda: kind.provider.offers(spec))

    assert {offer.id: offer.limit for offer in found} == {
        "us-east-1/spot": 2000,
        "us-east-1/on-demand": most,
    }


def test_calls_do_not_grow_with_the_nodes(front: Front) -> None:
    spec = job()
    ours = provider(spec)
    kind = Ec2(ours, spec)

    async def life() -> None:
        taken = handles(await all_of(ours.create(await order(kind, 200))))
        await asyncio.gather(*(ours._looks.at(*handle.split("/")) for handle in taken))
        await ours.delete(taken)

    kind.run(life)
    count = front.cloud.count
    assert (count("CreateFleet"), count("DescribeInstances"), count("TerminateInstances")) == (
        1, 2, 2,
    )  # fmt: skip


def test_nothing_is_left_of_a_job_that_has_ended(front: Front) -> None:
    spec = job()
    kind = Ec2(provider(spec), spec)

    async def life() -> Sequence[str]:
        taken = handles(await all_of(kind.provider.create(await order(kind))))
        await kind.provider.delete(taken)
        return await kind.provider.end("j1")

    assert kind.run(life) == []
    ec2 = front.client()
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    groups = ec2.describe_security_groups()["SecurityGroups"]
    assert [group["GroupName"] for group in groups if "batchio" in group["GroupName"]] == []


def test_user_data_hold_the_jobs_own_keys_and_no_others(front: Front) -> None:
    import base64

    from batchio.providers.aws.keys import JobKeys

    taken = taken_with(front, job(), nodes=1)
    ec2 = front.client()
    [rented] = [one for one in taken if isinstance(one, Rented)]
    said = ec2.describe_instance_attribute(
        InstanceId=rented.handle.partition("/")[2], Attribute="userData"
    )
    text = base64.b64decode(said["UserData"]["Value"]).decode()
    told = json.loads("".join(line for line in text.splitlines(True) if line[0] != "#"))

    keys = JobKeys.of(SEED)
    assert told["ssh_keys"]["ed25519_private"] == keys.host.private
    assert told["ssh_authorized_keys"] == [keys.login.public]
    assert keys.login.private.splitlines()[2] not in text
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in text
    assert len(text) < 4096

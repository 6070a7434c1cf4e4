"""The contract of providers, for EC2 as the front plays it. Run by test_aws.py, sealed only."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core.arrays import TaskIds
from batchio.core.plan import Offer
from batchio.core.spec import JobSpec
from batchio.errors import BatchioError, NotAuthorised, ProviderDown, QuotaExceeded, UsageError
from batchio.ports import Line, NodeOrder, Refused, Rented
from tests.contracts import provider_suite, sealed
from tests.contracts.provider_suite import Kind, all_of, handles, order

sealed.enter()  # before anything loads the SDK or moto

from tests.testbed.cloud.front import Fault, Front  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from batchio.providers.aws.provider import AwsProvider

SEED = b"1" * 32


def job(**more: Any) -> JobSpec:
    settings: dict[str, Any] = {"allow_ssh_from": "everyone"} | more
    return JobSpec(name="j", provider="aws", argv=("true",), tasks=TaskIds.count(4), **settings)


def provider(spec: JobSpec) -> AwsProvider:
    from batchio.providers.aws.provider import AwsProvider

    return AwsProvider(spec, lambda: SEED)


@dataclass
class Ec2(Kind):
    """EC2: what is open when a test ends is closed in the same loop."""

    def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            try:
                return await work()
            finally:
                await self.provider.aclose()

        return asyncio.run(main())


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def session() -> Callable[[], Any]:
    """A session of the SDK for all tests, since one that reads the models takes a second of CPU."""
    from batchio.providers.aws.clients import _session

    return cache(_session)


@pytest.fixture
def front(
    moto: str, cache_folder: str, session: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Front]:
    from batchio.providers.aws import clients

    monkeypatch.setattr(clients, "_session", session)
    # What the SDK repeats by itself takes seconds; that the engine repeats is what counts.
    monkeypatch.setitem(clients._PATIENCE, "retries", {"mode": "standard", "total_max_attempts": 1})
    with Front(moto) as front:
        front.forget()
        for name, value in {
            "AWS_ENDPOINT_URL": front.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "XDG_CACHE_HOME": cache_folder,
        }.items():
            monkeypatch.setenv(name, value)
        yield front


@pytest.fixture
def kind(front: Front) -> Kind:
    spec = job()
    action = {"held": "DescribeInstances", "locate": "DescribeInstances"}

    def broken(verb: str, _: Exception) -> None:
        lost = verb == "created"
        faults = [Fault(action.get(verb, "CreateFleet"), lost=lost, cut=not lost)]
        front.cloud.faults += faults

    def limited(most: int) -> None:
        front.cloud.most = most

    def delayed(times: int) -> None:
        front.cloud.kept_alive = times

    def vanished(handle: str) -> None:
        front.client().terminate_instances(InstanceIds=[handle.partition("/")[2]])

    return Ec2(provider(spec), spec, limited, broken, delayed, vanished)


class TestEc2(provider_suite.RentingSuite):
    """The same promises as every provider's."""

    def test_a_node_can_be_reached_by_its_handle_alone(self, kind: Kind) -> None:
        """Shown over real hosts: tests/e2e/test_aws.py."""


def taken_with(front: Front, spec: JobSpec, nodes: int = 3) -> list[Rented | Refused]:
    kind = Ec2(provider(spec), spec)

    async def take() -> list[Rented | Refused]:
        return await all_of(kind.provider.create(await order(kind, nodes)))

    return kind.run(take)  # type: ignore[no-any-return]


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


def test_one_bad_id_among_many_keeps_none_of_the_others_alive(front: Front) -> None:
    spec = job()
    kind = Ec2(provider(spec), spec)

    async def ended() -> tuple[list[str], frozenset[str]]:
        taken = handles(await all_of(kind.provider.create(await order(kind, 5))))
        asked = [*taken[:2], "us-east-1/i-0123456789abcdef0", *taken[2:]]
        return taken, await kind.provider.delete(asked)

    taken, gone = kind.run(ended)
    assert gone == set(taken)


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

"""EC2 as the front plays it, for the suites that test_aws.py runs; sealed only."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core.arrays import TaskIds
from batchio.core.spec import JobSpec
from tests.contracts import sealed
from tests.contracts.provider_suite import Kind, all_of, order

sealed.enter()  # before anything loads the SDK or moto

from tests.testbed.cloud.front import Fault, Front  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from batchio.ports import Refused, Rented
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


def taken_with(front: Front, spec: JobSpec, nodes: int = 3) -> list[Rented | Refused]:
    kind = Ec2(provider(spec), spec)

    async def take() -> list[Rented | Refused]:
        return await all_of(kind.provider.create(await order(kind, nodes)))

    return kind.run(take)  # type: ignore[no-any-return]

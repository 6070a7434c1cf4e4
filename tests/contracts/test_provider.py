"""One contract for this computer, hosts over real SSH, and scripted nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchio import providers
from batchio.core.arrays import TaskIds
from batchio.core.spec import JobSpec
from batchio.testing import FakeClock, ScriptedProvider
from tests.contracts.provider_suite import Kind, ProviderSuite, RentingSuite
from tests.contracts.sshd import Sshd, missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def job(provider: str, **more: Any) -> JobSpec:
    return JobSpec(name="j", provider=provider, argv=("true",), tasks=TaskIds.count(4), **more)


class TestThisComputer(ProviderSuite):
    """One node, and nothing that could go wrong."""

    @pytest.fixture
    def kind(self) -> Kind:
        spec = job("local")
        return Kind(providers.load(spec), spec)


class TestHosts(ProviderSuite):
    """Two names of one real server."""

    @pytest.fixture
    def kind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kind]:
        if why := missing():
            pytest.skip(why)
        with Sshd(tmp_path) as server:
            server.trust(tmp_path / "home")
            monkeypatch.setenv("HOME", str(tmp_path / "home"))
            key = f"?key={server.folder}/user_key"
            hosts = (
                f"{server.user}@127.0.0.1:{server.port}{key}",
                f"{server.user}@localhost:{server.port}{key}",
            )
            spec = job("ssh", hosts=hosts)
            yield Kind(providers.load(spec), spec)


class TestScripted(RentingSuite):
    """What stands for clouds in every other test."""

    @pytest.fixture
    def kind(self) -> Kind:
        clock = FakeClock()
        provider = ScriptedProvider(clock, nodes=5, rents=True)
        return Kind(
            provider,
            job("scripted"),
            limit=lambda most: setattr(provider, "capacity", most),
            break_call=lambda verb, error: provider.fail(verb, error),
            delay_deletes=lambda times: setattr(provider, "unconfirmed", times),
            vanish=provider.vanish,
            clock=clock,
        )

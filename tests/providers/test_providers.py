"""The providers that rent nothing: this computer, and hosts over SSH."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from batchio import providers
from batchio.core.node import same_computer
from batchio.core.plan import Offer
from batchio.core.reports import Facts
from batchio.errors import UsageError
from batchio.ports import Line, NodeOrder, Refused, Rented, Transport
from batchio.providers.ssh import SshProvider
from tests.contracts.sshd import Sshd, missing
from tests.core import builders
from tests.house.heavy import HEAVY
from tests.house.source import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.core.spec import JobSpec
    from batchio.ports import Provider


SOURCE = ROOT / "src" / "batchio"


def spec(provider: str, **more: Any) -> JobSpec:
    """A job of one task."""
    return builders.spec(1, provider=provider, **more)


async def one_node(provider: Provider, job: JobSpec) -> tuple[str, bytes]:
    """Take the first offer twice, run a command on the node, give it back twice."""
    [offer, *_] = await provider.offers(job)
    order = NodeOrder("token", "job", (Line(offer, (0,)),))
    [answer] = [one async for one in provider.create(order)]
    assert [one async for one in provider.create(order)] == [answer]
    assert isinstance(answer, Rented)
    handle = answer.handle
    way = await provider.connect(handle)
    assert isinstance(way, Transport)
    done = await way.run(["echo", "here"])
    await way.close()
    assert await provider.delete([handle]) == {handle}
    assert await provider.delete([handle]) == {handle}
    await provider.aclose()
    return handle, done.stdout


def test_every_name_can_be_loaded() -> None:
    loaded = [providers.load(spec(name)) for name in providers.NAMES]

    assert [one.name for one in loaded] == list(providers.NAMES)
    assert [one.traits for one in loaded] == [providers.traits(name) for name in providers.NAMES]


def test_no_module_asks_for_a_provider_by_its_name() -> None:
    """What differs stands in the traits, so a provider more is a module more."""
    asks = re.compile(r"provider(\.name)? (==|!=|in) ?[\"'(]")
    found = [
        f"{path.name}:{number}"
        for room in ("core", "runtime", "providers", "submit", "heads", ".")
        for path in (SOURCE / room).glob("*.py")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if asks.search(line)
    ]
    assert found == []


def test_an_unknown_provider_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UsageError, match="there is no provider aws3") as caught:
        providers.load(spec("aws3"))
    assert caught.value.hint == "providers are local, ssh, aws"


def test_offers_are_made_without_loading_any_ssh() -> None:
    program = (
        "import asyncio, sys, batchio.providers as p\n"
        "from batchio.core.spec import JobSpec\n"
        "from batchio.core.arrays import TaskIds\n"
        "one = lambda name: JobSpec(name='j', provider=name, argv=(), tasks=TaskIds.count(1))\n"
        "p.load(one('local')); p.load(one('ssh'))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert HEAVY & set(done.stdout.split()) == set()


def test_this_computer_is_one_node() -> None:
    handle, said = asyncio.run(one_node(providers.load(spec("local")), spec("local")))

    assert (handle, said) == ("local", b"here\n")


@pytest.mark.parametrize(("most", "slots"), [(None, None), (-1, None), (0, None), (3, 3)])
def test_max_workers_limits_what_this_computer_does_at_once(
    most: int | None, slots: int | None
) -> None:
    job = spec("local", max_workers=most)

    offers = asyncio.run(providers.load(job).offers(job))

    assert offers == [Offer(socket.gethostname(), most_slots=slots, strict=False)]


def test_hosts_are_offers_in_their_order() -> None:
    hosts = ("alice@b:2222?slots=4&label=rack=3", "a")

    job = spec("ssh", hosts=hosts)

    offers = asyncio.run(providers.load(job).offers(job))

    assert offers == [
        Offer("alice@b:2222", slots=4, labels=("rack=3",), group="hosts"),
        Offer("a", group="hosts"),
    ]


def test_no_hosts_is_a_mistake_with_what_to_do() -> None:
    with pytest.raises(UsageError, match="the ssh provider needs hosts") as caught:
        asyncio.run(providers.load(spec("ssh")).offers(spec("ssh")))
    assert "--hosts-file FILE" in str(caught.value.hint)


def test_a_handle_says_all_that_a_later_head_needs() -> None:
    word = "alice@b:2222?slots=4&key=/k"
    order = NodeOrder("token", "job", (Line(Offer("alice@b:2222"), (7,)),))

    async def taken() -> list[Rented | Refused]:
        return [one async for one in SshProvider(spec("ssh", hosts=(word,))).create(order)]

    assert asyncio.run(taken()) == [Rented(7, word, reach={"host": "b"})]


def test_a_host_is_a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if why := missing():
        pytest.skip(why)
    with Sshd(tmp_path) as server:
        server.trust(tmp_path / "home")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        host = f"{server.user}@127.0.0.1:{server.port}?key={server.folder}/user_key"
        job = spec("ssh", hosts=(host,))

        assert asyncio.run(one_node(providers.load(job), job)) == (host, b"here\n")


FACTS = Facts(boot_id="b", hostname="h", address="10.0.0.1", namespace=7)
OLD = Facts(boot_id="b", hostname="h", address="10.0.0.1")
"""What an agent said that knew of no namespaces."""


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Facts(), True),
        (Facts(cpus=3), True),
        (Facts(boot_id="c"), False),
        (Facts(hostname="container"), False),
        (Facts(address="10.0.0.2"), True),
        (Facts(namespace=8), False),
    ],
)
def test_one_machine_under_two_names_is_known_by_its_facts(other: Facts, same: bool) -> None:
    assert same_computer(FACTS, FACTS | other) is same


def test_without_a_namespace_the_address_has_to_do() -> None:
    unknown, elsewhere = Facts(namespace=0), Facts(address="10.0.0.2")

    assert same_computer(OLD, FACTS)
    assert not same_computer(OLD, FACTS | elsewhere)
    assert not same_computer(FACTS | unknown, FACTS | unknown | elsewhere)


def test_machines_without_a_boot_id_are_told_apart_by_nothing() -> None:
    assert not same_computer({"hostname": "h"}, {"hostname": "h"})

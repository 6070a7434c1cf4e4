"""Hosts behind a jump host share a connection to it: what it costs, carries, and leaves."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from batchio.errors import NotAuthorised, Unreachable, UsageError
from batchio.transports import _ssh_jump, ssh
from tests.contracts.cancelling import at_each_step
from tests.contracts.sshd import Sshd, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., tuple[Sshd, Sshd]]

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]
BEHIND = ("one", "two", "three")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes a jump host, with lines of sshd_config, and a server that has three names behind it."""
    if why := missing():
        pytest.skip(why)
    home, started = tmp_path / "home", []
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    def made(*lines: str, config: tuple[str, ...] = ()) -> tuple[Sshd, Sshd]:
        (tmp_path / "inner").mkdir()
        for folder, told in ((tmp_path, lines), (tmp_path / "inner", ())):
            started.append(Sshd(folder, *told))
            started[-1].start()
        door, inner = started
        (inner.folder / "authorized_keys").write_text(door.user_key)
        behind = f"Host {' '.join(BEHIND)}\n  HostName 127.0.0.1\n  Port {inner.port}"
        every = f"Host *\n  IdentityFile {tmp_path}/user_key\n  User {inner.user}"
        keys = f"{door.known_hosts()}{inner.known_hosts()}"
        door.trust(home, *config, behind, "  ProxyJump testhost", every, known_hosts=keys)
        return door, inner

    yield made
    for server in started:
        server.stop()


def logins(server: Sshd) -> int:
    return (server.folder / "sshd.log").read_text().count("Accepted publickey")


async def alone(server: Sshd) -> bool:
    """Whether the server has no connection any more, soon."""
    for _ in range(300):
        if not server.connections():
            return True
        await asyncio.sleep(0.01)
    return False


async def test_hosts_behind_one_jump_host_share_a_connection_that_ends_with_the_last(
    make: Make,
) -> None:
    door, inner = make("MaxSessions 1")
    nodes = await asyncio.gather(*map(ssh.connect, BEHIND))

    assert (logins(door), logins(inner)) == (1, 3)
    for node in nodes:
        assert (await node.run(["echo", "well"])).stdout == b"well\n"
        await node.close()
    assert await alone(door)
    async with await ssh.connect("one") as again:
        assert (await again.run(["echo", "well"])).stdout == b"well\n"
    assert logins(door) == 2


async def test_a_connection_carries_only_so_many(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ssh_jump, "MOST_BEHIND", 2)
    door, _ = make()
    nodes = await asyncio.gather(*map(ssh.connect, BEHIND))

    assert logins(door) == 2
    await asyncio.gather(*(node.close() for node in nodes))
    assert await alone(door)


async def test_when_the_jump_host_hangs_up_all_behind_notice_and_share_another(
    make: Make,
) -> None:
    door, _ = make()
    nodes = await asyncio.gather(*map(ssh.connect, BEHIND))
    door.hang_up()

    async with asyncio.timeout(20):
        await asyncio.gather(*(node.wait_closed() for node in nodes))
    with pytest.raises(Unreachable):
        await nodes[0].run(["true"])
    again = await asyncio.gather(*map(ssh.connect, BEHIND))
    assert logins(door) == 2
    assert (await again[2].run(["echo", "well"])).stdout == b"well\n"
    await asyncio.gather(*(node.close() for node in (*nodes, *again)))
    assert await alone(door)


async def test_a_jump_host_that_refuses_us_refuses_all_behind_by_its_own_name(
    make: Make,
) -> None:
    door, _ = make()
    (door.folder / "authorized_keys").write_text("")

    found = await asyncio.gather(*map(ssh.connect, BEHIND), return_exceptions=True)
    assert [type(error) for error in found] == [NotAuthorised] * 3
    assert all(str(error).startswith("testhost: ") for error in found)
    (door.folder / "authorized_keys").write_text(door.user_key)
    async with await ssh.connect("one") as node:
        assert (await node.run(["echo", "well"])).stdout == b"well\n"


async def test_a_jump_host_that_lets_nobody_pass_is_asked_no_more_than_once_more(
    make: Make,
) -> None:
    door, _ = make("AllowTcpForwarding no")

    found = await asyncio.gather(*map(ssh.connect, BEHIND), return_exceptions=True)
    assert [type(error) for error in found] == [Unreachable] * 3
    assert "closed the connection" in str(found[0])
    assert logins(door) <= 3
    assert await alone(door)


async def test_jump_hosts_in_a_circle_end_in_words(make: Make) -> None:
    make(config=("Host testhost", "  ProxyJump one"))

    async with asyncio.timeout(30):
        with pytest.raises(UsageError, match="leads in a circle"):
            await ssh.connect("two")


@pytest.mark.timeout(300)
async def test_one_that_is_cancelled_while_connecting_leaves_the_others_and_nothing_else(
    make: Make,
) -> None:
    door, _ = make()

    async def call() -> None:
        await (await ssh.connect("one")).close()

    async def left() -> bool:
        return not await alone(door)

    assert await at_each_step(call, left, stride=4) > 3

    for steps in range(1, 120, 20):
        first = asyncio.ensure_future(ssh.connect("one"))
        second = asyncio.ensure_future(ssh.connect("two"))
        for _ in range(steps):
            await asyncio.sleep(0)
        first.cancel()
        node = await second
        assert (await node.run(["echo", "well"])).stdout == b"well\n"
        await node.close()
        for other in await asyncio.gather(first, return_exceptions=True):
            if isinstance(other, ssh.SshTransport):
                await other.close()
    assert await alone(door)

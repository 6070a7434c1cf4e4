"""What only SSH has: host keys, users, configuration, limits, and connections that break."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from batchio.errors import NodeError, NotAuthorised, Unreachable, UsageError
from batchio.transports import ssh
from batchio.transports.ssh import Limits, SshTarget
from tests.contracts.sshd import Sshd, make_key, missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchio.transports.ssh import SshTransport
    from tests.testbed.client import Lab
    from tests.testbed.fixtures import MakeVms

IMPATIENT = Limits(connect=1, login=1, keepalive=0.2)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory whose .ssh counts."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path / "home"


@pytest.fixture
def server(tmp_path: Path, home: Path) -> Iterator[Sshd]:
    """A server that `home` trusts as testhost."""
    if why := missing():
        pytest.skip(why)
    with Sshd(tmp_path) as server:
        server.trust(home)
        yield server


async def whoami(target: SshTarget | str = "testhost") -> str:
    """One command over a connection of its own."""
    async with await ssh.connect(target) as node:
        return (await node.run(["whoami"])).stdout.decode().strip()


def refusal(target: SshTarget | str = "testhost", limits: Limits = IMPATIENT) -> NodeError:
    """The error that connecting ends in."""

    async def attempt() -> None:
        await (await ssh.connect(target, limits)).close()

    with pytest.raises(NodeError) as caught:
        asyncio.run(attempt())
    return caught.value


# -- whom we trust -------------------------------------------------------------------------


def test_an_alias_of_the_users_configuration_is_a_host(server: Sshd) -> None:
    assert asyncio.run(whoami()) == server.user


def test_an_unknown_host_key_is_refused_with_what_to_do(server: Sshd, home: Path) -> None:
    server.trust(home, known_hosts="")

    error = refusal()

    assert isinstance(error, NotAuthorised)
    assert str(error).startswith("testhost: its host key is not known: ssh-ed25519 SHA256:")
    assert error.hint == (
        "ssh testhost once to accept its key, "
        f"or: ssh-keyscan -p {server.port} 127.0.0.1 >> ~/.ssh/known_hosts"
    )


def test_a_changed_host_key_is_refused_and_both_are_named(
    server: Sshd, home: Path, tmp_path: Path
) -> None:
    server.trust(home, known_hosts=server.known_hosts(make_key(tmp_path / "other")))

    error = refusal()

    assert isinstance(error, NotAuthorised)
    assert "its host key has changed: it is ssh-ed25519 SHA256:" in str(error)
    assert str(error).count("SHA256:") == 2
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in str(error.hint)


def test_a_known_key_of_another_kind_is_a_changed_key(
    server: Sshd, home: Path, tmp_path: Path
) -> None:
    words = ["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "ecdsa")]
    subprocess.run(words, check=True)
    other = (tmp_path / "ecdsa.pub").read_text()
    server.trust(home, known_hosts=server.known_hosts(other))

    assert "its host key has changed" in str(refusal())


@pytest.mark.parametrize("setting", ["StrictHostKeyChecking no", "UserKnownHostsFile none"])
def test_no_setting_makes_us_take_any_host_key(server: Sshd, home: Path, setting: str) -> None:
    server.trust(home, setting, known_hosts="")

    assert "its host key is not known" in str(refusal())


def test_a_garbled_line_of_known_hosts_hides_no_other(server: Sshd, home: Path) -> None:
    server.trust(home, known_hosts=f"garbage\n@what is this\n{server.known_hosts()}")

    assert asyncio.run(whoami()) == server.user


def test_known_hosts_is_read_again_when_it_has_changed(server: Sshd, home: Path) -> None:
    server.trust(home, known_hosts="")
    refusal()
    server.trust(home)

    assert asyncio.run(whoami()) == server.user


def test_a_pinned_key_needs_no_file_of_the_user(server: Sshd, home: Path) -> None:
    shutil.rmtree(home)
    key = (server.folder / "user_key").read_bytes()
    pinned = SshTarget("127.0.0.1", server.user, server.port, (key,), server.known_hosts())

    assert asyncio.run(whoami(pinned)) == server.user


def test_a_pinned_node_with_another_key_is_not_our_node(server: Sshd, tmp_path: Path) -> None:
    pinned = server.known_hosts(make_key(tmp_path / "other"))
    keys = (str(server.folder / "user_key"),)

    error = refusal(SshTarget("127.0.0.1", server.user, server.port, keys, pinned))

    assert isinstance(error, NotAuthorised)
    assert "its host key is not the one it was created with" in str(error)


def test_a_host_certificate_is_trusted_by_its_authority(tmp_path: Path, home: Path) -> None:
    if why := missing():
        pytest.skip(why)
    authority = make_key(tmp_path / "ca")
    server = Sshd(tmp_path, f"HostCertificate {tmp_path}/host_key-cert.pub")
    sign(tmp_path, "host_key", "-h", "-n", "127.0.0.1")
    server.trust(home, known_hosts=f"@cert-authority * {authority}")

    with server:
        assert asyncio.run(whoami()) == server.user


# -- who we are ----------------------------------------------------------------------------


def sign(folder: Path, key: str, *options: str) -> None:
    """Certify folder/KEY.pub by folder/ca."""
    words = ["ssh-keygen", "-q", "-s", f"{folder}/ca", "-I", "test", *options]
    subprocess.run([*words, f"{folder}/{key}.pub"], check=True)


def test_a_wrong_user_key_is_refused_with_what_to_try(
    server: Sshd, home: Path, tmp_path: Path
) -> None:
    make_key(tmp_path / "stranger")
    server.trust(home, "Host testhost", f"  IdentityFile {tmp_path}/stranger")
    (server.folder / "authorized_keys").write_text(make_key(tmp_path / "someone"))

    error = refusal()

    assert isinstance(error, NotAuthorised)
    assert f"user {server.user} was refused" in str(error)
    assert error.hint == (
        "this must work first: ssh -o BatchMode=yes -o ControlPath=none testhost true"
    )


def test_a_missing_key_file_is_named(server: Sshd) -> None:
    with pytest.raises(UsageError, match="/no/such/key"):
        asyncio.run(whoami(SshTarget("testhost", keys=("/no/such/key",))))


def test_a_user_certificate_beside_the_key_is_offered(tmp_path: Path, home: Path) -> None:
    if why := missing():
        pytest.skip(why)
    make_key(tmp_path / "ca")
    server = Sshd(tmp_path, f"TrustedUserCAKeys {tmp_path}/ca.pub")
    (tmp_path / "authorized_keys").write_text("")
    sign(tmp_path, "user_key", "-n", server.user)
    server.trust(home)

    with server:
        assert asyncio.run(whoami()) == server.user


def test_the_users_agent_is_asked_for_keys(
    server: Sshd, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = home / ".ssh/config"
    kept = [line for line in config.read_text().splitlines() if "Identit" not in line]
    config.write_text("\n".join(kept) + "\n")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", f"{tmp_path}/agent"], stdout=-3)
    monkeypatch.setenv("SSH_AUTH_SOCK", f"{tmp_path}/agent")
    try:
        while not (tmp_path / "agent").exists():
            time.sleep(0.002)
        subprocess.run(["ssh-add", "-q", f"{tmp_path}/user_key"], check=True)
        assert asyncio.run(whoami()) == server.user
    finally:
        agent.terminate()
        agent.wait()


def test_a_jump_host_is_gone_through_and_its_key_is_checked(
    server: Sshd, home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    with Sshd(folder) as inner:
        (folder / "authorized_keys").write_text(server.user_key)
        target = f"Host inner\n  HostName 127.0.0.1\n  Port {inner.port}\n  ProxyJump testhost\n"
        every = f"Host *\n  IdentityFile {tmp_path}/user_key\n  User {inner.user}"
        both = f"{server.known_hosts()}{inner.known_hosts()}"
        server.trust(home, target, every, known_hosts=both)
        assert asyncio.run(whoami("inner")) == inner.user
        assert "Accepted publickey" in (server.folder / "sshd.log").read_text()

        server.trust(home, target, every, known_hosts=inner.known_hosts())
        error = refusal("inner")

    assert str(error).startswith("testhost: its host key is not known")


def test_an_account_that_runs_no_commands_says_so(tmp_path: Path, home: Path) -> None:
    if why := missing():
        pytest.skip(why)
    with Sshd(tmp_path, "ForceCommand echo 'This account is not available.'; exit 1") as server:
        server.trust(home)
        with pytest.raises(NotAuthorised, match="runs no commands: This account is not available"):
            asyncio.run(whoami())


# -- no answer -----------------------------------------------------------------------------


def test_a_name_that_does_not_exist_is_not_worth_asking_again(home: Path) -> None:
    error = refusal("no-such-host.invalid")

    assert not isinstance(error, Unreachable)
    assert str(error).startswith("no-such-host.invalid: its name cannot be looked up")


def test_a_closed_port_is_unreachable(home: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = refusal(SshTarget("127.0.0.1", port=port))

    assert str(error) == f"127.0.0.1: cannot connect to port {port} (Connection refused)"


def test_a_server_that_never_speaks_is_given_up(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = refusal(SshTarget("127.0.0.1", port=silent.getsockname()[1]))

    assert isinstance(error, Unreachable)
    assert "no SSH login within 1 s" in str(error)


def test_something_that_is_no_ssh_server_is_told(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:

        async def attempt() -> NodeError:
            loop = asyncio.get_running_loop()
            web.setblocking(False)
            target = SshTarget("127.0.0.1", port=web.getsockname()[1])
            trying = asyncio.ensure_future(ssh.connect(target, IMPATIENT))
            peer, _ = await loop.sock_accept(web)
            await loop.sock_sendall(peer, b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.close()
            with pytest.raises(NodeError) as caught:
                await trying
            return caught.value

        assert asyncio.run(attempt()).where == "127.0.0.1"


# -- connections that break ----------------------------------------------------------------


async def server_pid(node: SshTransport) -> int:
    """The sshd process that holds this connection."""
    done = await node.run(["sh", "-c", "echo $PPID"])
    return int(done.stdout)


def test_a_command_whose_connection_is_cut_has_no_exit_code(server: Sshd) -> None:
    async def cut() -> None:
        async with await ssh.connect("testhost") as node:
            pid = await server_pid(node)
            running = asyncio.ensure_future(node.run(["sh", "-c", f"kill -9 {pid}; sleep 1"]))
            with pytest.raises(Unreachable, match="testhost: the connection broke"):
                await running
            await asyncio.wait_for(node.wait_closed(), 5)

    asyncio.run(cut())


def test_a_silent_death_is_noticed_by_commands_and_sockets(server: Sshd, tmp_path: Path) -> None:
    async def silence() -> None:
        node = await ssh.connect("testhost", IMPATIENT)
        reader, _ = await node.open_unix(str(tmp_path / "s"))
        pid = await server_pid(node)
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(Unreachable):
                await node.run(["sleep", "60"])
            with pytest.raises(Unreachable):
                await reader.readexactly(1)
            await node.wait_closed()
        finally:
            os.kill(pid, signal.SIGKILL)
        await node.close()

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        asyncio.run(silence())


def test_a_silent_death_is_noticed_within_15_seconds() -> None:
    assert 3 * Limits().keepalive < 15


def test_a_connection_outlives_its_server_being_restarted(server: Sshd) -> None:
    async def through() -> int:
        async with await ssh.connect("testhost") as node:
            server.stop()
            server.start()
            return (await node.run(["true"])).exit_code

    assert asyncio.run(through()) == 0


def test_closing_does_not_wait_for_a_silent_peer(server: Sshd) -> None:
    async def leave() -> None:
        node = await ssh.connect("testhost", Limits(keepalive=3600))  # nothing else would end it
        pid = await server_pid(node)
        os.kill(pid, signal.SIGSTOP)
        await node.close()
        os.kill(pid, signal.SIGKILL)

    asyncio.run(leave())


# -- on the test bed -----------------------------------------------------------------------


def target_of(lab: Lab, ip: str, known_hosts: str) -> SshTarget:
    """Root on a host of the lab."""
    return SshTarget(ip, "root", keys=(str(lab.identity_file),), pinned=known_hosts)


def test_a_host_whose_cable_is_out_is_given_up(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms()
    vm.link(up=False)

    error = refusal(target_of(lab, vm.ip, vm.known_hosts))

    assert isinstance(error, Unreachable)


def test_a_host_that_dies_silently_is_lost_in_the_middle_of_a_command(
    lab: Lab, vms: MakeVms
) -> None:
    [vm] = vms()

    async def die() -> None:
        node = await ssh.connect(target_of(lab, vm.ip, vm.known_hosts), IMPATIENT)
        running = asyncio.ensure_future(node.run(["sleep", "100"]))
        await node.run(["true"])
        await asyncio.to_thread(vm.kill)
        with pytest.raises(Unreachable):
            await running
        await node.close()

    asyncio.run(die())


def test_a_slow_and_lossy_line_loses_no_byte(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms()
    vm.delay(50)
    vm.lose(10)
    data = os.urandom(1 << 20)
    patient = Limits(connect=30, login=60)

    async def through() -> bytes:
        async with await ssh.connect(target_of(lab, vm.ip, vm.known_hosts), patient) as node:
            return (await node.run(["cat"], stdin=data)).stdout

    assert asyncio.run(through()) == data

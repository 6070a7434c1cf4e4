"""A failed login says what failed: no answer, no login, or what the server would take."""

from __future__ import annotations

import asyncio
import shutil
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from batchio.errors import BatchioError
from batchio.transports import ssh
from tests.contracts.openssh import Place, place, why_not
from tests.contracts.sshd import make_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_what_the_server_would_take_is_said(tmp_path: Path, home: Path) -> None:
    with place(tmp_path, home, "PasswordAuthentication yes") as here:
        (here.folder / "authorized_keys").write_text("")
        said = why_not()

    assert "(it accepts publickey, password)" in said


def test_a_second_factor_is_said_to_be_out_of_reach(tmp_path: Path, home: Path) -> None:
    with place(tmp_path, home, "PubkeyAuthentication no", "PasswordAuthentication yes"):
        said = why_not()

    assert "(it accepts password)" in said
    assert "batchio cannot type passwords" in said


def test_hints_carry_what_was_asked_for(here: Place) -> None:
    make_key(here.folder / "mine")
    here.without("IdentityFile")
    target = ssh.SshTarget("127.0.0.1", "eve", here.server.port, (f"{here.folder}/mine",))
    with pytest.raises(BatchioError) as caught:
        asyncio.run(ssh.connect(target))

    words = f"-i {here.folder}/mine -p {here.server.port} eve@127.0.0.1 true"
    assert str(caught.value.hint).endswith(f"-o BatchMode=yes -o ControlPath=none {words}")


def test_no_answer_and_no_login_are_told_apart(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        limits = ssh.Limits(connect=1, login=0.2)
        with pytest.raises(BatchioError) as caught:
            asyncio.run(ssh.connect(ssh.SshTarget("127.0.0.1", port=port), limits))
        assert f"port {port} is open, but there was no SSH login within 0.2 s" in str(caught.value)
        assert "ConnectTimeout" in str(caught.value.hint)
    with full_queue() as port:
        with pytest.raises(BatchioError) as caught:
            asyncio.run(ssh.connect(ssh.SshTarget("127.0.0.1", port=port), ssh.Limits(connect=0.2)))
        assert f"no answer from 127.0.0.1 port {port} within 0.2 s" in str(caught.value)


@contextmanager
def full_queue() -> Iterator[int]:
    """A port that takes no further connection and does not say so."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        try:
            yield address[1]
        finally:
            for one in waiting:
                one.close()


@pytest.mark.skipif(not shutil.which("ssh"), reason="apt-get install openssh-client")
def test_a_slow_login_is_given_the_time_that_the_configuration_says(
    home: Path,
) -> None:
    (home / ".ssh").mkdir(parents=True)
    for said, connect, login in (("90", 90, 90), ("3", 3, 60), ("none", 10, 60)):
        (home / ".ssh" / "config").write_text(f"ConnectTimeout {said}\n")
        limits = asyncio.run(_limits_of("gpu1"))
        assert (limits.connect, limits.login) == (connect, login)


async def _limits_of(host: str) -> ssh.Limits:
    from batchio.transports._ssh_connect import limits_of
    from batchio.transports.ssh_config import read_config

    host_config = await read_config(host)
    assert host_config is not None
    return limits_of(host_config)


def test_hosts_that_are_slow_hold_up_no_other(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchio.transports._ssh_connect.HANDSHAKES", 1)
    monkeypatch.setattr("batchio.transports._ssh_connect._BRISK_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = ssh.SshTarget("127.0.0.1", port=silent.getsockname()[1])

        async def both() -> None:
            waiting = asyncio.ensure_future(ssh.connect(target))
            peer, _ = await asyncio.to_thread(silent.accept)
            async with await ssh.connect("testhost") as node:
                assert (await node.run(["true"])).exit_code == 0
            assert not waiting.done()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            peer.close()

        asyncio.run(both())

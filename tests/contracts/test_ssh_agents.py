"""An ssh-agent gives us the keys that it gives OpenSSH; one that is ill costs no host."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from batchio.transports import ssh
from tests.contracts.openssh import Place, openssh, public_key_only, why_not
from tests.contracts.sshd import make_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def agent(path: Path, *keys: Path) -> Iterator[None]:
    """An ssh-agent with these keys."""
    running = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE)
    assert running.stdout is not None
    try:
        running.stdout.readline()  # it listens
        for key in keys:
            env = {**os.environ, "SSH_AUTH_SOCK": str(path)}
            subprocess.run(["ssh-add", "-q", str(key)], check=True, env=env)
        yield
    finally:
        running.terminate()
        running.communicate()


@contextmanager
def sick_agent(path: Path, answer: Callable[[bytes], bytes]) -> Iterator[None]:
    """Something at an agent's place that answers so to what it is asked."""

    def serve() -> None:
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(peer,), daemon=True).start()

    def talk(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            while (said := answer(b"")) and (asked := peer.recv(65536)):
                said = answer(asked)
                if not said:
                    return
                peer.sendall(said)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        threading.Thread(target=serve, daemon=True).start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("form", ["SSH_AUTH_SOCK", "$SSH_AUTH_SOCK", "${SSH_AUTH_SOCK}", "{path}"])
def test_the_agent_is_found_however_it_is_named(
    here: Place, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    path = here.folder / "agent"
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    here.configure(f"IdentityAgent {form.replace('{path}', str(path))}")
    here.without("IdentityFile")
    here.without("IdentitiesOnly")
    assert why_not() != ""
    with agent(path, here.folder / "user_key"):
        assert openssh(here)
        assert why_not() == ""


def test_a_key_that_only_the_agent_has_is_chosen_by_its_public_half(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_key_only(here)
    others = [here.folder / f"other{n}" for n in range(7)]  # a server takes six tries
    for other in others:
        make_key(other)
    monkeypatch.setenv("SSH_AUTH_SOCK", f"{here.folder}/agent")
    here.configure(f"IdentityFile {here.home}/work.pub")
    here.without("user_key")
    with agent(here.folder / "agent", *others, here.folder / "user_key"):
        assert openssh(here)
        assert why_not() == ""
        here.without("IdentitiesOnly")
        assert openssh(here)
        assert why_not() == ""
        assert why_not("testhost") == ""


def test_a_key_that_is_asked_for_may_be_the_agents(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_key_only(here)
    monkeypatch.setenv("SSH_AUTH_SOCK", f"{here.folder}/agent")
    here.without("IdentityFile")
    target = ssh.SshTarget("testhost", keys=(f"{here.home}/work.pub",))
    with agent(here.folder / "agent", here.folder / "user_key"):
        asyncio.run(_in_and_out(target))


async def _in_and_out(target: ssh.SshTarget) -> None:
    await (await ssh.connect(target)).close()


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: b"",  # it hangs up
        lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
        lambda _: b"\0\0\0\1\5",  # failure
        lambda _: b"\0\0\0\5\x0c\xff\xff\xff\xff",  # a list of four billion keys
    ],
)
def test_an_agent_that_is_ill_does_not_cost_the_host(
    here: Place,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[bytes], bytes],
) -> None:
    monkeypatch.setattr("batchio.transports._ssh_keys.AGENT_PATIENCE_S", 0.2)
    monkeypatch.setenv("SSH_AUTH_SOCK", f"{here.folder}/agent")
    with sick_agent(here.folder / "agent", answer):
        assert openssh(here)
        assert why_not() == ""
        (here.folder / "authorized_keys").write_text("")
        assert f"the ssh-agent at {here.folder}/agent (" in why_not()


def test_an_agent_that_does_not_sign_does_not_cost_the_host(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", f"{here.folder}/sick")
    make_key(here.folder / "second")
    both = here.server.user_key + (here.folder / "second.pub").read_text()
    (here.folder / "authorized_keys").write_text(both)
    here.without("IdentitiesOnly")
    blob = asyncssh_blob(here.folder / "second.pub")
    listed = b"\x0c\0\0\0\1" + len(blob).to_bytes(4, "big") + blob + b"\0\0\0\0"

    def answer(asked: bytes) -> bytes:
        body = listed if asked[4:5] == b"\x0b" else b"\5"
        return len(body).to_bytes(4, "big") + body

    with sick_agent(here.folder / "sick", answer):
        assert openssh(here)
        assert why_not() == ""


def asyncssh_blob(path: Path) -> bytes:
    """A public key as an agent lists it."""

    return base64.b64decode(path.read_text().split()[1])

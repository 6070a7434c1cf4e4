"""A loop and a home directory of a test's own, a server that it trusts, a socket that answers."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tests.contracts.openssh import Place, place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchio.ports import Transport


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory whose .ssh counts."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path / "home"


@pytest.fixture
def here(tmp_path: Path, home: Path) -> Iterator[Place]:
    """A server that `home` knows as testhost."""
    with place(tmp_path, home) as here:
        yield here


@pytest.fixture(autouse=True)
def new_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered of the server that an earlier test called testhost."""
    monkeypatch.setattr("batchio.transports.ssh._forwards_none", set())


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for a whole test."""
    with asyncio.Runner() as runner:
        yield runner


ECHO = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
if os.fork():
    os._exit(0)
os.setsid()
for fd in range(3):
    os.close(fd)
peer, _ = server.accept()
peer.sendall(peer.recv(100))
"""


@pytest.fixture
def echo(loop: asyncio.Runner, way: Transport, tmp_path: Path) -> Iterator[str]:
    """A socket there that answers once with what it was sent."""
    path = f"/tmp/batchio-echo-{os.getpid()}-{tmp_path.name}"
    done = loop.run(way.run(["python3", "-c", ECHO, path]))
    assert done == (0, b"", b"")
    yield path
    loop.run(way.run(["rm", "-f", path]))

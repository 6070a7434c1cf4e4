"""Whoever is cancelled, at whatever step, leaves no process, no descriptor and no session."""

from __future__ import annotations

import asyncio
import os
import socketserver
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from batchio.runtime import files
from batchio.runtime.bootstrap import bootstrap, remove
from batchio.transports import ssh
from batchio.transports.local import LocalTransport
from tests.contracts.cancelling import at_each_step, cancelled_at
from tests.contracts.sshd import Sshd, missing

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from batchio.ports import Transport

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
    pytest.mark.timeout(300),
]
MARK = f"7{os.getpid()}"
HOLDS_PIPES = ["sh", "-c", f"sleep {MARK} & cat; kill $!"]
"""Its child holds its pipes, and it waits for our stdin: killing the shell alone is no use."""


async def still_run() -> list[str]:
    """Command lines with our mark, once the killed ones are reaped."""
    for _ in range(200):
        if not (found := marked()):
            break
        await asyncio.sleep(0.01)
    return found


def marked() -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if MARK.encode() in words and int(folder.name) != os.getpid():
            found.append(words.replace(b"\0", b" ").decode())
    return found


@pytest.fixture(params=["local", "ssh", "ssh with one session"])
def way_to(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Which way, and a server for it."""
    if request.param == "local":
        yield "local"
        return
    if why := missing():
        pytest.skip(why)
    lines = ["MaxSessions 1"] if "one" in request.param else []
    with Sshd(tmp_path, *lines) as server:
        server.trust(tmp_path / "home")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        yield "testhost"


async def opened(way_to: str) -> Transport:
    return LocalTransport() if way_to == "local" else await ssh.connect(way_to)


@pytest.mark.parametrize("by_timeout", [False, True], ids=["cancelled", "timed out"])
async def test_a_command_that_is_cancelled_at_any_step_ends_with_its_children(
    way_to: str, by_timeout: bool
) -> None:
    way = await opened(way_to)

    async def call() -> None:
        assert (await way.run(HOLDS_PIPES, stdin=b"hello")).stdout == b"hello"

    cancelled = await at_each_step(call, still_run, by_timeout=by_timeout)

    assert cancelled > 5
    assert (await way.run(["echo", "well"])).stdout == b"well\n"
    await way.close()


async def test_a_command_without_stdin_too(way_to: str) -> None:
    way = await opened(way_to)

    async def call() -> None:
        await way.run(["sh", "-c", f"sleep {MARK} & kill $!"])

    assert await at_each_step(call, still_run) > 3
    await way.close()


async def test_a_command_that_is_cancelled_twice_ends_as_well(way_to: str) -> None:
    way = await opened(way_to)
    for steps in range(1, 12):
        running = asyncio.ensure_future(way.run(HOLDS_PIPES, stdin=b"hello"))
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running}, timeout=20)
        assert running.done()
        assert await still_run() == []
    await way.close()


async def test_a_socket_that_is_being_opened_is_closed(way_to: str, tmp_path: Path) -> None:
    way = await opened(way_to)
    path = f"/tmp/batchio-cancel-{MARK}-{tmp_path.name}"

    async def call() -> None:
        _, writer = await way.open_unix(path)
        writer.close()

    with Listener(path) as listener:

        async def connected() -> int:
            for _ in range(300):
                if not listener.open:
                    break
                await asyncio.sleep(0.01)
            return listener.open

        assert await at_each_step(call, connected) >= 1
    await way.close()


class Listener:
    """A server in a thread of its own: how many connections to it are open."""

    def __init__(self, path: str) -> None:
        self.open = 0
        self._path = path
        handler: Any = self._serve
        self._server = socketserver.ThreadingUnixStreamServer(path, handler)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        os.unlink(self._path)

    def _serve(self, request: socket.socket, *_: object) -> None:
        self.open += 1
        while request.recv(100):
            pass
        self.open -= 1


async def test_a_login_that_is_cancelled_leaves_no_connection(way_to: str) -> None:
    async def call() -> None:
        await (await opened(way_to)).close()

    async def nothing() -> None:
        return None

    assert await at_each_step(call, nothing, stride=3 if way_to != "local" else 1) >= 1


async def test_an_agent_that_is_being_started_is_found_and_ended(
    way_to: str, tmp_path: Path
) -> None:
    way, step = await opened(way_to), 1
    name = f"job{MARK}.0"
    finished = False
    while not finished:

        async def call() -> None:
            await bootstrap(way, home_name=name, base=str(tmp_path))

        finished = (await cancelled_at(step, call, by_timeout=False)).finished
        await remove(way, name, base=str(tmp_path))
        assert await still_run() == [], f"cancelled behind step {step}"
        assert not list(tmp_path.glob("batchio-*")), f"cancelled behind step {step}"
        step += 4
    await way.close()


async def test_files_that_are_being_sent_leave_nothing_running(way_to: str, tmp_path: Path) -> None:
    way = await opened(way_to)
    bundle, home = tmp_path / "bundle.tar", tmp_path / f"home{MARK}"
    bundle.write_bytes(os.urandom(300_000))
    home.mkdir()

    async def call() -> None:
        (home / "bundle.tar").unlink(missing_ok=True)
        await files.put(way, str(home), bundle)

    await at_each_step(call, still_run, stride=2)
    await way.close()

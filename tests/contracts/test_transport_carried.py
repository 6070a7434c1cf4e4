"""Where an SSH server forwards no sockets, a session carries them: the same promises hold."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from batchio.errors import Unfit
from batchio.transports import ssh
from tests.contracts import test_transport as suite
from tests.contracts.openssh import Place, place

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.ports import Transport


class TestSshdThatForwardsNothing(suite.TestSshd):
    """AllowTcpForwarding and AllowStreamLocalForwarding no: a session carries each socket."""

    lines = ("AllowTcpForwarding no", "AllowStreamLocalForwarding no", "MaxSessions 1")

    def test_what_it_forbids_is_found_out_once(
        self, loop: asyncio.Runner, way: Transport, tmp_path: Path
    ) -> None:
        async def talk(said: bytes) -> bytes:
            reader, writer = await way.open_unix(str(tmp_path / "s"))
            writer.write(said)
            await writer.drain()
            back = await reader.readexactly(len(said))
            writer.close()
            return back

        peers: list[asyncio.StreamWriter] = []

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peers.append(writer)
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
            writer.close()

        async def both() -> None:
            async with await asyncio.start_unix_server(echo, tmp_path / "s"):
                data = os.urandom(3 << 20)
                assert await talk(data) == data
                assert (await way.run(["echo", "beside it"])).stdout == b"beside it\n"
                assert await talk(b"again") == b"again"
                for peer in peers:
                    await peer.wait_closed()

        loop.run(both())
        refused = (tmp_path / "sshd.log").read_text().count("refused streamlocal port forward")
        assert refused == 2  # the first time, and to be sure


class TestSshdWithNoForwardingAtAll(suite.TestSshd):
    """DisableForwarding yes, as the CIS benchmark wants it."""

    lines = ("DisableForwarding yes",)


class TestSshdWithRestrictedKey(suite.TestSshd):
    """`restrict` before the key in authorized_keys, and start-up files that print."""

    lines = ("MaxSessions 1",)
    key_options = "restrict "


def test_what_a_host_lacks_that_can_carry_no_socket_is_told(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchio.transports._ssh_carry.PYTHONS", ("no-python",))

    async def ask() -> None:
        async with await ssh.connect("testhost") as node:
            await node.open_unix("/tmp/s")

    with pytest.raises(Unfit) as caught:
        asyncio.run(ask())
    assert (
        "it does not forward sockets, and batchio cannot work around that: no Python there"
        in str(caught.value)
    )
    for word in ("AllowStreamLocalForwarding", "AllowTcpForwarding", "DisableForwarding"):
        assert word in str(caught.value.hint)


def test_a_carried_socket_leaves_no_process_there(tmp_path: Path, home: Path) -> None:
    async def talk(path: Path) -> None:
        ended = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            await writer.wait_closed()
            ended.set()

        async with await asyncio.start_unix_server(serve, path):
            async with await ssh.connect("testhost") as node:
                await node.open_unix(str(path))
            await asyncio.wait_for(ended.wait(), 10)

    with place(tmp_path, home, "DisableForwarding yes"):
        asyncio.run(talk(tmp_path / "s"))

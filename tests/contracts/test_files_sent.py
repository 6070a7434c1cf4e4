"""A job's files on their way to a node: whole, or not there."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from batchio.agent.bundle import Bundle
from batchio.errors import Unreachable
from batchio.runtime import files
from batchio.submit.bundle import Bundle as Packed
from batchio.submit.bundle import Item
from batchio.transports import ssh
from tests.contracts.sshd import Sshd, missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE = 8 << 20


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A server that is reached as testhost."""
    if why := missing():
        pytest.skip(why)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with Sshd(tmp_path) as server:
        server.trust(tmp_path / "home")
        yield server


@pytest.mark.asyncio
async def test_files_whose_connection_breaks_are_not_taken_for_whole(
    server: Sshd, tmp_path: Path
) -> None:
    """What reads them there sees its standard input end, as if all had come."""
    bundle, home = tmp_path / "bundle.tar", tmp_path / "job.0"
    bundle.write_bytes(os.urandom(LARGE))
    home.mkdir()

    def hang_up(count: int) -> None:
        if count:
            server.hang_up()

    async with await ssh.connect("testhost") as node:
        with pytest.raises(Unreachable):
            await files.put(node, str(home), bundle, hang_up)
    for _ in range(500):
        if not list(home.iterdir()):
            break
        await asyncio.sleep(0.01)
    assert list(home.iterdir()) == []

    async with await ssh.connect("testhost") as node:
        await asyncio.gather(*(files.put(node, str(home), bundle) for _ in range(3)))
    assert [path.name for path in home.iterdir()] == ["bundle.tar"]
    assert (home / "bundle.tar").read_bytes() == bundle.read_bytes()


@pytest.mark.parametrize("kept", [0, 100, 512, 1023, 2000])
def test_a_bundle_that_is_cut_short_is_refused_in_words(tmp_path: Path, kept: int) -> None:
    packed, target = Packed(), tmp_path / "bundle.tar"
    for name in ("a", "b"):
        packed.add(name, Item(b"x" * 700, 700, 0o644, name))
    packed.pack(target)
    os.truncate(target, kept)
    (tmp_path / "work").mkdir()

    with pytest.raises(OSError, match="cut short"):
        list(Bundle(os.fsencode(target)).unpack(os.fsencode(tmp_path / "work")))

"""The agent's compiled form is made once, and one that may not be kept runs all the same."""

from __future__ import annotations

import asyncio
import marshal
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchio import agent
from batchio.runtime import program
from batchio.runtime.bootstrap import bootstrap, remove
from batchio.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

TAG = sys.implementation.cache_tag


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installation of its own, in which nothing is compiled yet; its cache folder."""
    folder = tmp_path / "agent"
    original = Path(agent.__file__).parent
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(agent, "__file__", str(folder / "__init__.py"))
    monkeypatch.setattr(sys, "pycache_prefix", None)
    program.compiled.cache_clear()
    yield folder / "__pycache__"
    program.compiled.cache_clear()


def name(digest: str) -> str:
    return f"agent-{digest[:16]}.{TAG}.packed"


def test_it_is_kept_under_the_name_of_its_digest(installed: Path) -> None:
    packed = program.compiled()

    [place] = installed.iterdir()
    assert place.name == name(agent.digest())
    assert place.read_bytes() == packed


def test_it_is_made_once(installed: Path) -> None:
    packed = program.compiled()
    [place] = installed.iterdir()
    before = place.stat()
    program.compiled.cache_clear()

    assert program.compiled() == packed
    assert place.stat() == before


def test_one_of_older_sources_goes_and_one_of_another_python_stays(installed: Path) -> None:
    installed.mkdir()
    old, other = installed / name("0" * 64), installed / "agent-0.cpython-399.packed"
    old.touch()
    other.touch()

    program.compiled()

    assert set(installed.iterdir()) == {installed / name(agent.digest()), other}


@pytest.mark.parametrize("damage", [b"", b"not python", b"half"])
def test_a_damaged_one_is_made_again(installed: Path, damage: bytes) -> None:
    whole = program.compiled()
    [place] = installed.iterdir()
    place.write_bytes(whole[: len(whole) // 2] if damage == b"half" else damage)
    program.compiled.cache_clear()

    assert program.compiled() == whole
    assert place.read_bytes() == whole


def test_bytecode_of_another_python_is_not_run(tmp_path: Path) -> None:
    """The loader and the head call bytecode the same, and tell it apart where it differs."""
    name = program.bytecode().encode()
    for first, answer in (
        (name, b"\n@batchio agent "),
        (b"text", b"\n@batchio agent "),
        (name[:-1] + b"0", b"\n@batchio other"),
    ):
        packed = zlib.compress(b"" if first == b"text" else marshal.dumps(compile("", "", "exec")))
        done = subprocess.run(
            ["/bin/sh", "-c", 'exec "$@" 5>&1', "sh", sys.executable, "-I", "-S", "-c",
             program.loader(), "", "", str(tmp_path), "up", "j.1"],
            input=first + b"\n" + packed, capture_output=True, check=True,
        )  # fmt: skip
        assert done.stdout == answer


def test_where_none_may_be_kept_the_agent_runs_all_the_same(
    installed: Path, tmp_path: Path
) -> None:
    installed.touch()  # root may write anywhere, but not into a file

    async def scene() -> None:
        way = LocalTransport()
        first = await bootstrap(way, home_name="j.1", base=str(tmp_path))
        again = await bootstrap(way, home_name="j.1", base=str(tmp_path))
        await remove(way, "j.1", base=str(tmp_path))
        assert first == again

    asyncio.run(scene())
    assert sorted(each.name for each in tmp_path.iterdir()) == ["agent"]

"""What an attempt left, as it is sent: files with holes, locked ones, those of somebody else."""

from __future__ import annotations

import io
import os
import random
import stat
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.agent.files import outputs, tar
from batchio.runtime.placing import unpack
from batchio.runtime.tree import Tree
from batchio.runtime.untar import Archive
from tests.effort import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLE = 1 << 20
MANY = examples(60)


def sent(folder: Path) -> bytes:
    return b"".join(data for data, _ in tar(os.fsencode(folder), None, []))


def brought(data: bytes, to: Path) -> Path:
    to.mkdir()
    with Tree(to) as part:
        unpack(Archive(io.BytesIO(data)), part)
    return to


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def with_holes(path: Path, pieces: list[tuple[int, bytes]], size: int) -> None:
    with path.open("wb") as file:
        for offset, data in pieces:
            file.seek(offset)
            file.write(data)
        file.truncate(size)


def test_a_file_with_holes_costs_what_it_holds_and_arrives_with_its_holes(
    work: Path, tmp_path: Path
) -> None:
    pieces = [(0, b"start"), (5 * HOLE, b"midst" * 1000), (900 * HOLE, b"end")]
    with_holes(work / "sparse", pieces, 3000 * HOLE)

    data = sent(work)
    there = brought(data, tmp_path / "there") / "sparse"

    assert len(data) < HOLE
    assert there.stat().st_size == 3000 * HOLE
    assert there.stat().st_blocks * 512 < HOLE
    with there.open("rb") as file:
        for offset, content in pieces:
            file.seek(offset)
            assert file.read(len(content) + 1) == content + b"\0"


def test_empty_folders_and_links_arrive(work: Path, tmp_path: Path) -> None:
    (work / "a" / "empty").mkdir(parents=True)
    (work / "link").symlink_to("a/empty")

    there = brought(sent(work), tmp_path / "there")

    assert list((there / "a" / "empty").iterdir()) == []
    assert os.readlink(there / "link") == "a/empty"


def test_what_python_makes_beside_a_module_is_no_output(work: Path, tmp_path: Path) -> None:
    for folder in (work, work / "app"):
        (folder / "__pycache__").mkdir(parents=True)
        (folder / "__pycache__" / "helper.pyc").write_bytes(b"x")
    (work / "app" / "result").write_text("1")

    there = brought(sent(work), tmp_path / "there")

    assert sorted(str(path.relative_to(there)) for path in there.rglob("*")) == [
        "app", "app/result",
    ]  # fmt: skip


def test_tarfile_reads_it_as_well(work: Path) -> None:
    with_holes(work / "späce", [(HOLE, b"x" * 5000)], 2 * HOLE)
    (work / "plain").write_bytes(b"1")

    with tarfile.open(fileobj=io.BytesIO(sent(work))) as opened:
        [plain, sparse] = opened.getmembers()
        file = opened.extractfile(sparse)
        assert file
        assert (plain.name, sparse.name, sparse.size) == ("plain", "späce", 2 * HOLE)
        assert file.read() == bytes(HOLE) + b"x" * 5000 + bytes(HOLE - 5000)


@MANY
@given(
    pieces=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9000)), max_size=6),
    size=st.integers(0, 70 << 16),
    seed=st.integers(0, 99),
)
def test_any_file_arrives_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory,
    pieces: list[tuple[int, int]],
    size: int,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "work").mkdir()
    file, noise = folder / "work" / "file", random.Random(seed)
    with_holes(file, [(at << 16, noise.randbytes(length)) for at, length in pieces], size)

    there = brought(sent(folder / "work"), folder / "there") / "file"

    assert there.read_bytes() == file.read_bytes()


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that any user can reach."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "work").mkdir()
        yield Path(folder) / "work"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_what_a_task_locked_is_unlocked_and_what_is_not_its_own_is_named(
    reachable: Path,
) -> None:
    work = reachable
    (work / "folder").mkdir()
    (work / "folder" / "locked").write_text("mine")
    (work / "folder" / "locked").chmod(0o000)
    (work / "theirs").write_text("theirs")
    (work / "theirs").chmod(0o600)
    (work / "hidden").mkdir(mode=0o700)
    for path in (work, work / "folder", work / "folder" / "locked"):
        os.chown(path, 65534, 65534)
    (work / "folder").chmod(0o000)

    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            unread: list[str] = []
            found = outputs(os.fsencode(work), None, unread)
            names = [each[0].decode() for each in found if each]
            os.write(write, repr((names, sorted(unread), len(sent(work)))).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        text = said.read()
    os.waitpid(child, 0)

    assert text.startswith(
        "(['folder/locked'], ['hidden: Permission denied', 'theirs: Permission denied'], "
    )
    assert (work / "folder" / "locked").stat().st_mode & stat.S_IRUSR

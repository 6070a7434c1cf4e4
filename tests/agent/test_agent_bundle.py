"""What was packed here is what an attempt finds there, byte for byte and name for name."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.agent.bundle import LARGE
from batchio.agent.bundle import Bundle as Unpacked
from batchio.submit.bundle import Bundle, Item

if TYPE_CHECKING:
    from pathlib import Path


LETTERS = st.characters(codec="utf-8", exclude_characters="/\0") | st.just("\udcff")
NAMES = st.text(LETTERS, min_size=1, max_size=5).filter(lambda name: name not in (".", ".."))
NAMES |= st.sampled_from(["x" * 99, "y" * 200, "ä" * 90])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
FILES = st.dictionaries(PATHS, st.binary(max_size=2000), max_size=6)


def pack(target: Path, files: dict[str, bytes], folders: tuple[str, ...] = ()) -> None:
    bundle = Bundle()
    for path, data in files.items():
        bundle.add(path, Item(data, len(data), 0o751, path))
    for path in folders:
        bundle.add(path, Item("", 0, 0o755, path, is_folder=True))
    bundle.pack(target)


def unpack(bundle: Unpacked, folder: Path) -> None:
    """All slices of it."""
    for _ in bundle.unpack(os.fsencode(folder)):
        pass


def found(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if not path.is_dir()
    }


def whole(files: dict[str, bytes]) -> dict[str, bytes]:
    """Those of them that can exist beside each other."""
    return {
        path: data
        for path, data in files.items()
        if not any(other.startswith(f"{path}/") for other in files)
    }


@given(FILES.map(whole))
def test_every_file_arrives(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    pack(folder / "tar", files)
    (folder / "work").mkdir()

    given_ = Unpacked(os.fsencode(folder / "tar"))
    unpack(given_, folder / "work")
    os.close(given_.fd)

    assert found(folder / "work") == files
    assert all(stat.S_IMODE(os.stat(folder / "work" / path).st_mode) == 0o751 for path in files)


def test_a_large_file_arrives_whole(tmp_path: Path) -> None:
    data = os.urandom(3 * LARGE + 17)
    pack(tmp_path / "tar", {"small": b"x", "large": data, "none": b""}, folders=("a/b",))
    for number in (1, 2):
        work = tmp_path / str(number)
        work.mkdir()
        unpack(Unpacked(os.fsencode(tmp_path / "tar")), work)

        assert found(work) == {"small": b"x", "large": data, "none": b""}
        assert (work / "a/b").is_dir()


def test_what_was_not_touched_is_known(tmp_path: Path) -> None:
    pack(tmp_path / "tar", {"same": b"1", "d/edited": b"2"})
    work = tmp_path / "work"
    work.mkdir()
    unpacked = Unpacked(os.fsencode(tmp_path / "tar"))
    unpack(unpacked, work)
    (work / "d/edited").write_bytes(b"3")

    known = {
        path: unpacked.has(path, os.lstat(os.fsencode(work) + b"/" + path))
        for path in (b"same", b"d", b"d/edited")
    }
    assert known == {b"same": True, b"d": True, b"d/edited": False}


def test_it_is_an_ordinary_tar(tmp_path: Path) -> None:
    pack(tmp_path / "tar", {"d/ä" + "y" * 150: b"1"})
    listed = subprocess.run(["tar", "-tf", tmp_path / "tar"], check=True, capture_output=True)

    assert listed.stdout.count(b"\n") == 1


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mkfs.xfs"), reason="needs root, xfsprogs"
)
def test_a_disk_that_can_shares_a_large_file(tmp_path: Path) -> None:
    """XFS does: three attempts take the room of one."""
    disk, there = tmp_path / "disk", tmp_path / "there"
    there.mkdir()
    with disk.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run(["mkfs.xfs", "-q", disk], check=True)
    subprocess.run(["mount", "-o", "loop", disk, there], check=True)
    try:
        data = os.urandom(20 << 20)
        (tmp_path / "data").write_bytes(data)
        bundle = Bundle()
        bundle.add("data", Item(str(tmp_path / "data"), len(data), 0o644, "data"))
        bundle.pack(there / "tar")
        unpacked = Unpacked(os.fsencode(there / "tar"))
        before = os.statvfs(there)
        for number in range(3):
            (there / str(number)).mkdir()
            unpack(unpacked, there / str(number))
        after = os.statvfs(there)
        os.close(unpacked.fd)

        assert found(there / "2") == {"data": data}
        assert (before.f_bfree - after.f_bfree) * after.f_frsize < len(data) // 2
    finally:
        subprocess.run(["umount", there], check=True)

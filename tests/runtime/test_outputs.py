"""What tasks leave behind: all of it in its place, or nothing; a broken connection goes on."""

import asyncio
import io
import os
import shutil
import tarfile
import zlib
from pathlib import Path

import pytest

from batchio.errors import Unreachable
from batchio.runtime import placing
from batchio.runtime.fetch import Fetch
from batchio.runtime.landing import Landing
from batchio.runtime.outputs import Outputs
from batchio.runtime.placing import Refused, Unsaved
from batchio.runtime.tree import Tree
from batchio.runtime.untar import Garbled
from batchio.stores.placed import FolderPlacedFiles

pytestmark = pytest.mark.asyncio

LONG_AGO = 1.0


def archive(**files: str) -> bytes:
    """A tar of small files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(text), 1_700_000_000
            tar.addfile(info, io.BytesIO(text.encode()))
    return stream.getvalue()


async def sent(data: bytes, whole: tuple[int, int] | None) -> Fetch:
    """A stream of which `data` came, and what its agent said at the end; None: it broke."""
    stream = Fetch()
    await stream.put(memoryview(data))
    stream.end(whole)
    return stream


def told(data: bytes) -> tuple[int, int]:
    """What an agent says of the whole stream."""
    return len(data), zlib.crc32(data)


def arriving(folder: Path, task: int = 0, attempt: int = 1, limit: int | None = None) -> Outputs:
    """Outputs on their way to `folder`/out/`task`; the job's own folder is `folder`/job."""
    (folder / "job").mkdir(exist_ok=True)
    placed = FolderPlacedFiles(folder / "job")
    landing = Landing(folder / "out", "job", placed, limit=limit)
    return Outputs(0, landing, task, (task, attempt))


async def receive(folder: Path, data: bytes, task: int = 0, attempt: int = 1) -> list[str]:
    """All of it, in one go."""
    outputs = arriving(folder, task, attempt)
    assert await outputs.receive(await sent(data, told(data)))
    kept = await outputs.place(LONG_AGO)
    await outputs.clear()
    return kept


def found(folder: Path) -> dict[str, str]:
    """All that stands in the folder of outputs, by its path."""
    out = folder / "out"
    return {
        str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()
    }


def top(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir())


async def test_files_arrive(tmp_path: Path) -> None:
    assert await receive(tmp_path, archive(a="1", b="2")) == []

    assert found(tmp_path) == {"0/a": "1", "0/b": "2"}
    assert top(tmp_path) == ["0"]


@pytest.mark.parametrize("broken", [(100,), (512,), (700,), (1024,), (1100, 1024, 9000)])
async def test_what_broke_off_goes_on_where_it_stopped(
    tmp_path: Path, broken: tuple[int, ...]
) -> None:
    data, outputs = archive(a="1", b="2"), arriving(tmp_path)
    for size in broken:
        with pytest.raises(Unreachable, match="the connection broke"):
            await outputs.receive(await sent(data[outputs.size :][:size], None))

    assert await outputs.receive(await sent(data[outputs.size :], told(data)))
    await outputs.place(LONG_AGO)
    await outputs.clear()

    assert found(tmp_path) == {"0/a": "1", "0/b": "2"}
    assert top(tmp_path) == ["0"]


@pytest.mark.parametrize("wrong", [(1, 0), (0, 1)], ids=["another size", "another checksum"])
async def test_a_stream_that_is_not_as_it_was_sent_is_not_taken_for_whole(
    tmp_path: Path, wrong: tuple[int, int]
) -> None:
    data, outputs = archive(a="1"), arriving(tmp_path)
    size, crc = told(data)

    assert not await outputs.receive(await sent(data, (size + wrong[0], crc ^ wrong[1])))
    await outputs.clear()

    assert top(tmp_path) == []


async def test_what_was_stopped_is_never_put_in_place(tmp_path: Path) -> None:
    data, outputs = archive(a="1", b="2"), arriving(tmp_path)
    with pytest.raises(Unreachable):
        await outputs.receive(await sent(data[:1024], None))  # between two files

    outputs.stop()

    with pytest.raises(Garbled, match="not wanted"):
        await outputs.place(LONG_AGO)
    await outputs.clear()
    assert top(tmp_path) == []


async def test_what_we_put_there_is_replaced_and_what_somebody_wrote_is_kept(
    tmp_path: Path,
) -> None:
    await receive(tmp_path, archive(ours="1", theirs="1"))
    theirs = tmp_path / "out/0/theirs"
    theirs.write_text("2")

    kept = await receive(tmp_path, archive(ours="3", theirs="3"), attempt=2)

    assert kept == [f"{theirs} was newer than the job; it is now {theirs}~"]
    assert found(tmp_path) == {"0/ours": "3", "0/theirs": "3", "0/theirs~": "2"}


async def test_what_was_kept_once_is_not_overwritten_by_what_is_kept_later(tmp_path: Path) -> None:
    theirs = tmp_path / "out/0/a"
    for attempt in (1, 2, 3):
        await receive(tmp_path, archive(a="ours"), attempt=attempt)
        theirs.write_text(f"theirs {attempt}")
    await receive(tmp_path, archive(a="ours"), attempt=4)

    assert found(tmp_path) == {
        "0/a": "ours", "0/a~": "theirs 1", "0/a~2": "theirs 2", "0/a~3": "theirs 3",
    }  # fmt: skip


@pytest.mark.parametrize(
    "copied", [["cp", "-p"], ["cp", "-p", "--no-preserve=ownership"], ["rsync", "-t"]]
)
async def test_a_copy_of_what_we_put_there_is_still_ours(tmp_path: Path, copied: list[str]) -> None:
    if not shutil.which(copied[0]):
        pytest.skip(f"NOT TESTED: apt-get install {copied[0]}")
    await receive(tmp_path, archive(a="1"))
    place = tmp_path / "out/0/a"
    copying = await asyncio.create_subprocess_exec(*copied, str(place), str(tmp_path / "copy"))
    assert await copying.wait() == 0
    (tmp_path / "copy").replace(place)

    assert await receive(tmp_path, archive(a="changed"), attempt=2) == []
    assert found(tmp_path) == {"0/a": "changed"}


async def test_a_disk_that_keeps_every_second_second_does_not_make_ours_theirs(
    tmp_path: Path,
) -> None:
    data = archive(a="1")
    await receive(tmp_path, data)
    place = tmp_path / "out/0/a"
    coarse = int(place.stat().st_mtime) // 2 * 2
    os.utime(place, (coarse, coarse))

    assert await receive(tmp_path, archive(a="changed"), attempt=2) == []


async def test_a_damaged_list_of_what_is_ours_only_keeps_too_much(tmp_path: Path) -> None:
    await receive(tmp_path, archive(a="1"))
    [lines] = (tmp_path / "job/placed").iterdir()
    lines.write_bytes(lines.read_bytes()[:-9] + b"\xff\n[0, 3]\n[0, ")

    kept = await receive(tmp_path, archive(a="changed"), attempt=2)

    assert len(kept) == 1
    assert found(tmp_path) == {"0/a": "changed", "0/a~": "1"}


async def test_what_is_in_the_way_of_the_folder_is_told_and_waited_for(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")

    with pytest.raises(Unsaved, match="out"):
        await receive(tmp_path, archive(a="1"))


async def test_more_than_the_limit_is_refused_and_nothing_of_it_stays(tmp_path: Path) -> None:
    data, outputs = archive(a="0123456789" * 1000), arriving(tmp_path, limit=5000)

    with pytest.raises(Refused, match="larger than --max-output 5 KB"):
        await outputs.receive(await sent(data, told(data)))
    await outputs.clear()

    assert not (tmp_path / "out").exists() or top(tmp_path) == []


async def test_a_little_room_is_left_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = os.statvfs(tmp_path)
    monkeypatch.setattr(placing, "KEPT_FREE", disk.f_blocks * disk.f_frsize)
    monkeypatch.setattr(os, "fstatvfs", lambda _: _nearly_full(disk))

    with pytest.raises(Unsaved, match=r"No space left on device .* kept free"):
        await receive(tmp_path, archive(a="1"))


def _nearly_full(disk: os.statvfs_result) -> os.statvfs_result:
    values = list(disk)
    values[4] = disk.f_blocks // 21  # f_bavail: less than a 20th
    return os.statvfs_result(values)


async def test_more_than_may_wait_for_the_disk_arrives_too(tmp_path: Path) -> None:
    text = "0123456789" * 100_000
    data, stream, outputs = archive(a=text), Fetch(), arriving(tmp_path)

    async def send() -> None:
        for at in range(0, len(data), 1000):
            await stream.put(memoryview(data[at : at + 1000]))
        stream.end(told(data))

    sending = asyncio.create_task(send())
    assert await outputs.receive(stream)
    await sending
    await outputs.place(LONG_AGO)

    assert found(tmp_path) == {"0/a": text}


async def test_a_stream_that_nobody_reads_holds_nobody_up() -> None:
    stream = Fetch()

    async def send() -> None:
        for _ in range(1000):
            await stream.put(memoryview(os.urandom(10)))

    sending = asyncio.create_task(send())
    await asyncio.sleep(0)
    assert not sending.done()

    stream.drop()

    await asyncio.wait_for(sending, 5)


@pytest.mark.parametrize("removed_before", ["enter", "make"])
async def test_what_arrives_while_the_last_one_leaves_finds_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed_before: str
) -> None:
    """The folder for what is not whole yet is removed by whoever finds it empty."""
    below, times = Tree.below, 3

    def removed(self: Tree, name: str) -> Tree:
        nonlocal times
        if times and (name == "3.1" if removed_before == "make" else name != "3.1"):
            times -= 1
            (tmp_path / "out" / ".batchio-job").rmdir()
        tree = below(self, name)
        if removed_before == "enter" and name == ".batchio-job":
            times = 0
        return tree

    (tmp_path / "out" / ".batchio-job").mkdir(parents=True)
    monkeypatch.setattr(Tree, "below", removed)
    await receive(tmp_path, archive(a="1"), task=3)

    assert (tmp_path / "out" / "3" / "a").read_text() == "1"
    assert times == 0

"""What tasks leave behind: all of it in its place, or nothing; a broken connection goes on."""

import asyncio
import io
import os
import tarfile
import zlib
from pathlib import Path

import pytest

from batchio.errors import Unreachable
from batchio.runtime.conversation import Fetch
from batchio.runtime.outputs import Outputs

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


async def receive(target: Path, **files: str) -> list[str]:
    """All of it, in one go."""
    data, outputs = archive(**files), Outputs(0, target)
    assert await outputs.take(await sent(data, told(data)))
    kept = await outputs.place(LONG_AGO)
    await outputs.clear()
    return kept


def found(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


async def test_files_arrive(tmp_path: Path) -> None:
    assert await receive(tmp_path / "out", a="1", b="2") == []

    assert found(tmp_path / "out") == {"a": "1", "b": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("broken", [(100,), (512,), (700,), (1024,), (1100, 1024, 9000)])
async def test_what_broke_off_goes_on_where_it_stopped(
    tmp_path: Path, broken: tuple[int, ...]
) -> None:
    data, outputs = archive(a="1", b="2"), Outputs(0, tmp_path / "out")
    for size in broken:
        with pytest.raises(Unreachable, match="broke off"):
            await outputs.take(await sent(data[outputs.size :][:size], None))

    assert await outputs.take(await sent(data[outputs.size :], told(data)))
    await outputs.place(LONG_AGO)
    await outputs.clear()

    assert found(tmp_path / "out") == {"a": "1", "b": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("wrong", [(1, 0), (0, 1)], ids=["another size", "another checksum"])
async def test_a_stream_that_is_not_as_it_was_sent_is_not_taken_for_whole(
    tmp_path: Path, wrong: tuple[int, int]
) -> None:
    data, outputs = archive(a="1"), Outputs(0, tmp_path / "out")
    size, crc = told(data)

    assert not await outputs.take(await sent(data, (size + wrong[0], crc ^ wrong[1])))
    await outputs.clear()

    assert list(tmp_path.iterdir()) == []


async def test_what_was_stopped_is_never_put_in_place(tmp_path: Path) -> None:
    data, outputs = archive(a="1", b="2"), Outputs(0, tmp_path / "out")
    with pytest.raises(Unreachable):
        await outputs.take(await sent(data[:1024], None))  # between two files

    outputs.stop()

    with pytest.raises(tarfile.TarError, match="not wanted"):
        await outputs.place(LONG_AGO)
    await outputs.clear()
    assert list(tmp_path.iterdir()) == []


async def test_what_we_put_there_is_replaced_and_what_somebody_wrote_is_kept(
    tmp_path: Path,
) -> None:
    await receive(tmp_path, ours="1", theirs="1")
    (tmp_path / "theirs").write_text("changed")

    kept = await receive(tmp_path, ours="2", theirs="2")

    assert kept == [str(tmp_path / "theirs")]
    assert found(tmp_path) == {"ours": "2", "theirs": "2", "theirs~": "changed"}


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    (tmp_path / ".out.part").mkdir()

    with pytest.raises(OSError, match="out"):
        await receive(tmp_path / "out", a="1")


async def test_more_than_may_wait_for_the_disk_arrives_too(tmp_path: Path) -> None:
    text = "0123456789" * 100_000
    data, stream, outputs = archive(a=text), Fetch(), Outputs(0, tmp_path / "out")

    async def send() -> None:
        for at in range(0, len(data), 1000):
            await stream.put(memoryview(data[at : at + 1000]))
        stream.end(told(data))

    sending = asyncio.create_task(send())
    assert await outputs.take(stream)
    await sending
    await outputs.place(LONG_AGO)

    assert found(tmp_path / "out") == {"a": text}


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

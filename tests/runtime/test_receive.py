"""What tasks leave behind: all of it in its place, or nothing."""

import asyncio
import io
import os
import tarfile
import zlib
from pathlib import Path

import pytest

from batchio.errors import Unreachable
from batchio.runtime.conversation import Fetch
from batchio.runtime.files import receive

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


async def sent(data: bytes, size: int, crc: int | None = None) -> Fetch:
    """A stream of which `data` came, and whose agent says it had `size` bytes."""
    stream = Fetch()
    await stream.put(memoryview(data))
    stream.end(size, crc)
    return stream


async def whole(**files: str) -> Fetch:
    data = archive(**files)
    return await sent(data, len(data), zlib.crc32(data))


async def test_files_arrive(tmp_path: Path) -> None:
    kept = await receive(await whole(a="1", b="2"), tmp_path / "out", LONG_AGO)

    assert kept == []
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {
        "a": "1",
        "b": "2",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


async def test_a_stream_that_ends_between_two_files_is_not_whole(tmp_path: Path) -> None:
    data = archive(a="1", b="2")
    stream = await sent(data[:1024], len(data))

    with pytest.raises(Unreachable, match="broke off"):
        await receive(stream, tmp_path / "out", LONG_AGO)

    assert list(tmp_path.iterdir()) == []


async def test_a_stream_with_another_checksum_is_not_whole(tmp_path: Path) -> None:
    data = archive(a="1")
    stream = await sent(data, len(data), zlib.crc32(data) ^ 1)

    with pytest.raises(Unreachable):
        await receive(stream, tmp_path / "out", LONG_AGO)

    assert list(tmp_path.iterdir()) == []


async def test_what_we_put_there_is_replaced_and_what_somebody_wrote_is_kept(
    tmp_path: Path,
) -> None:
    await receive(await whole(ours="1", theirs="1"), tmp_path, LONG_AGO)
    (tmp_path / "theirs").write_text("changed")

    kept = await receive(await whole(ours="2", theirs="2"), tmp_path, LONG_AGO)

    assert kept == [str(tmp_path / "theirs")]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "ours": "2",
        "theirs": "2",
        "theirs~": "changed",
    }


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    (tmp_path / ".out.part").mkdir()

    with pytest.raises(OSError, match="out"):
        await receive(await whole(a="1"), tmp_path / "out", LONG_AGO)


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

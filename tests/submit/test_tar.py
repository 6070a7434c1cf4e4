"""Our tars are those that `tarfile` would have written."""

from __future__ import annotations

import hashlib
import io
import os
from tarfile import DIRTYPE, PAX_FORMAT, REGTYPE, USTAR_FORMAT, TarInfo
from tarfile import open as open_tar
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchio.submit.tar import BLOCK, CHUNK, LARGE, PAGE, Tar, header

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="/"),
    min_size=1,
    max_size=300,
)
NUMBERS = st.integers(0, 8 << 30) | st.integers(0, 1 << 40)


def as_tarfile_does(info: TarInfo) -> bytes:
    try:
        return info.tobuf(USTAR_FORMAT, "ascii", "strict")
    except ValueError:
        return info.tobuf(PAX_FORMAT, "utf-8", "surrogateescape")


@example(name="a" * 100, size=(8 << 30) - 1, mtime=(8 << 30) - 1, mode=0o755)
@example(name="a" * 101, size=8 << 30, mtime=8 << 30, mode=0o644)
@example(name="a" * 99, size=1, mtime=-1, mode=0o644)
@example(name="no text \udcff", size=1, mtime=1, mode=0o644)
@given(name=NAMES, size=NUMBERS, mtime=NUMBERS, mode=st.sampled_from([0o644, 0o755]))
def test_a_header_is_the_same_byte_for_byte(name: str, size: int, mtime: int, mode: int) -> None:
    info = TarInfo(name)
    info.mode, info.size, info.mtime, info.type = mode, size, mtime, REGTYPE
    assert header(name, mode, size, mtime) == as_tarfile_does(info)

    folder = TarInfo(name)
    folder.mode, folder.type = mode, DIRTYPE
    assert header(f"{name}/", mode, 0, 0, DIRTYPE) == as_tarfile_does(folder)


@pytest.mark.parametrize("size", [0, 1, 511, 512, CHUNK - 1, CHUNK, 3 * CHUNK + 7])
def test_what_is_put_in_comes_out_and_the_digest_is_that_of_the_file(
    tmp_path: Path, size: int
) -> None:
    content, out = os.urandom(size), io.BytesIO()
    source = tmp_path / "source"
    source.write_bytes(content)
    tar = Tar(out)

    with source.open("rb") as file:
        assert tar.file("file", 0o755, file.fileno(), size, 1_700_000_000)
    tar.data("data", 0o644, content)
    tar.folder("empty", 0o755)
    digest = tar.end()

    assert digest == hashlib.sha256(out.getvalue()).hexdigest()
    with open_tar(fileobj=io.BytesIO(out.getvalue())) as found:
        assert found.getnames() == ["file", "data", "empty"]
        for name in ("data", "file"):
            member = found.extractfile(name)
            assert member is not None
            assert member.read() == content


def test_a_file_that_ends_too_soon_is_told(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"short")

    with source.open("rb") as file:
        assert not Tar(io.BytesIO()).file("file", 0o644, file.fileno(), 6, 0)


@pytest.mark.parametrize("before", [0, 1, *range(BLOCK, 9 * BLOCK, BLOCK), CHUNK + 5])
def test_the_content_of_a_large_file_begins_at_a_page(tmp_path: Path, before: int) -> None:
    content, out = os.urandom(LARGE), io.BytesIO()
    source = tmp_path / "source"
    source.write_bytes(content)
    tar = Tar(out)
    tar.data("before", 0o644, bytes(before))
    for name in ("large", "ä" * 200):
        with source.open("rb") as file:
            tar.file(name, 0o644, file.fileno(), LARGE, 0)
    tar.end()

    with open_tar(fileobj=io.BytesIO(out.getvalue())) as found:
        assert found.getnames() == ["before", "large", "ä" * 200]
        members = found.getmembers()[1:]
        assert [member.offset_data % PAGE for member in members] == [0, 0]
        assert all(found.extractfile(member).read() == content for member in members)  # type: ignore[union-attr]

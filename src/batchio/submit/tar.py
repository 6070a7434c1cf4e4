"""A tar writer that hashes in the same pass, for bundles of very many small files.

`tarfile` would do several times the work for each. It still writes the headers that do not
fit the plain form of 1988: names that are long or not ASCII, sizes beyond 8 GiB.
"""

from __future__ import annotations

import os
from typing import IO, Final

BLOCK: Final = 512
CHUNK: Final = 1 << 20
"""Number of bytes that are read, hashed and written at once."""

PAGE: Final = 4096
"""Alignment of a large file's content, so that a disk which can (XFS, Btrfs) gives each
attempt the tar's own blocks instead of a copy.
"""

LARGE: Final = 1 << 20
"""Least size of a file for which a filler is worth it; `agent/bundle.py` has the same number."""

_REST: Final = bytes(100) + b"ustar\x0000" + bytes(247)
"""The end of each header, after the type: no link, the magic word, no names, no device."""

_SUM: Final = sum(b" " * 8 + _REST)
"""Checksum of the bytes that are always the same; a checksum counts itself as blanks."""


class Tar:
    """A tar that is being written."""

    def __init__(self, out: IO[bytes]) -> None:
        import hashlib  # only where files are sent

        self._out = out
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._size = 0
        self._flushed = 0

    def folder(self, path: str, mode: int) -> None:
        """Add an empty folder."""
        self._put(header(f"{path}/", mode, 0, 0, b"5"))

    def data(self, path: str, mode: int, content: bytes) -> None:
        """Add a file with this content."""
        self._put(header(path, mode, len(content), 0), content, _padding(len(content)))

    def file(self, path: str, mode: int, source: int, size: int, mtime: int) -> bool:
        """Add a file that is read from a descriptor; return False when it ended before its
        size.
        """
        head = header(path, mode, size, mtime)
        if size >= LARGE:
            self._put(filler(self._flushed + self._size + len(head)))
        self._put(head)
        left = size
        while left:
            chunk = os.read(source, min(left, CHUNK))
            if not chunk:
                return False
            self._put(chunk)
            left -= len(chunk)
        self._put(_padding(size))
        return True

    def end(self) -> str:
        """Write the end of the tar, and return its SHA-256 in hexadecimal."""
        self._put(bytes(2 * BLOCK))
        self._flush()
        return self._hash.hexdigest()

    def _put(self, *parts: bytes) -> None:
        self._waiting += parts
        self._size += sum(map(len, parts))
        if self._size >= CHUNK:
            self._flush()

    def _flush(self) -> None:
        data = b"".join(self._waiting)
        self._out.write(data)
        self._hash.update(data)
        self._flushed += self._size
        self._waiting, self._size = [], 0


def filler(end: int) -> bytes:
    """Return a comment of such a length that a header which would end at `end` ends at a page.

    Source: POSIX.1-2017, pax, type `g`: a header about the archive; a comment is ignored.
    """
    size = -(end + BLOCK) % PAGE
    if size == PAGE - BLOCK:  # it is there already
        return b""
    if not size:
        size = PAGE
    start = b"%d comment=" % size
    return header("filler", 0o644, size, 0, b"g") + start + b" " * (size - len(start) - 1) + b"\n"


def header(path: str, mode: int, size: int, mtime: int, kind: bytes = b"0") -> bytes:
    """Return the header that stands before a member's content."""
    if not path.isascii() or len(path) > 100 or "\0" in path or max(size, mtime) >> 33 or mtime < 0:
        return _rare_header(path, mode, size, mtime, kind)
    start = b"%s%07o\x000000000\x000000000\x00%011o\x00%011o\x00" % (
        path.encode().ljust(100, b"\0"),
        mode,
        size,
        mtime,
    )
    return b"%s%06o\x00 %s%s" % (start, sum(start) + _SUM + kind[0], kind, _REST)


def _rare_header(path: str, mode: int, size: int, mtime: int, kind: bytes) -> bytes:
    from tarfile import PAX_FORMAT, USTAR_FORMAT, TarInfo

    info = TarInfo(path.rstrip("/"))
    info.mode, info.size, info.mtime, info.type = mode, size, mtime, kind
    try:
        return info.tobuf(USTAR_FORMAT, "ascii", "strict")
    except ValueError:
        return info.tobuf(PAX_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)

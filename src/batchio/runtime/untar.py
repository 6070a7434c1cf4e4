"""A strict reader of the tar stream in which an agent sends an attempt's output files.

`tarfile` reads many dialects, takes as much memory as a header asks for, and its errors are
of every kind. This reads what `agent/files.py` writes: pax headers, files (those with holes in
GNU's format 1.0), symbolic links, folders; everything else is `Garbled`.
Source: POSIX.1-2017, pax, and the manual of GNU tar, "Storing Sparse Files".
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK: Final = 512
CHUNK: Final = 256 << 10
"""Bytes of content that are read at once."""
MOST_EXTRA: Final = 1 << 20
"""Most bytes of one member's pax header; two paths need 8 KiB."""
MOST_SEGMENTS: Final = 1 << 16
"""Most pieces of data between a file's holes; `agent/files.py` sends one with more without."""
LONGEST_PATH: Final = 4096
"""Bytes of a path: PATH_MAX of Linux, beyond which no agent could have named it."""
_MOST: Final = (1 << 63) - 1


class Garbled(Exception):
    """The bytes that came are no archive of a task's own files."""


class Source(Protocol):
    """The stream to read an archive from."""

    def read(self, size: int) -> bytes:
        """Return `size` bytes; fewer only at the end."""
        ...


class Member(NamedTuple):
    """A file, a link or a folder; `names` lead to it."""

    names: tuple[str, ...]
    mode: int
    mtime: int
    """Unix seconds."""
    size: int
    """Bytes of the file, its holes included."""
    link: str | None
    """Where a symbolic link leads; None for a file or folder."""
    is_folder: bool


class Archive:
    """The members of one stream, in order.

    Raises:
        Garbled: from iterating and from `content`.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._stored = 0
        """Bytes of the present member's content that are still to be read."""
        self._padding = 0
        self._segments: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[Member]:
        while True:
            for _ in self.content():
                pass
            self._exactly(self._padding)
            self._padding = 0
            extra: dict[bytes, bytes] = {}
            header = self._exactly(BLOCK)
            if header[156:157] == b"x":
                _check(header)
                size = _octal(header[124:136])
                if size > MOST_EXTRA:
                    raise Garbled("a header is too long")
                extra = _pax(self._exactly(size))
                self._exactly(-size % BLOCK)
                header = self._exactly(BLOCK)
            if not header.strip(b"\0"):
                return
            yield self._member(header, extra)

    def content(self) -> Iterator[tuple[int, bytes]]:
        """Yield (offset in the file, bytes) of the present member's data, without holes."""
        while self._segments:
            offset, size = self._segments.pop()
            while size:
                data = self._exactly(min(size, CHUNK))
                yield offset, data
                offset += len(data)
                size -= len(data)

    def _member(self, header: bytes, extra: dict[bytes, bytes]) -> Member:
        _check(header)
        kind = header[156:157]
        path = extra.get(b"GNU.sparse.name") or extra.get(b"path") or _ustar_path(header)
        if kind not in (b"0", b"\0", b"2", b"5"):
            shown = path.decode("utf-8", "backslashreplace")
            raise Garbled(f"a task wrote something that is not a file of its own: {shown}")
        names = _names(path)
        stored = _number(extra[b"size"]) if b"size" in extra else _octal(header[124:136])
        if kind in (b"2", b"5"):
            stored = 0
        size = stored
        self._padding = -stored % BLOCK
        if b"GNU.sparse.major" in extra:
            size = _number(extra.get(b"GNU.sparse.realsize", b""))
            self._segments = self._map(stored, size)
        else:
            self._segments = [(0, stored)]
        link = None
        if kind == b"2":
            to = extra.get(b"linkpath") or _text(header[157:257])
            if b"\0" in to or not to:
                raise Garbled("a link leads nowhere")
            link = os.fsdecode(to)
        mode, mtime = _octal(header[100:108]), _octal(header[136:148])
        return Member(names, mode, mtime, size, link, kind == b"5")

    def _map(self, stored: int, size: int) -> list[tuple[int, int]]:
        """Read the map of a file with holes: (offset, bytes) of each piece, the last one first."""
        text = b""
        wanted = 1
        while text.count(b"\n") < wanted:
            text += self._exactly(BLOCK)
            stored -= BLOCK
            if wanted == 1 and b"\n" in text:
                wanted += 2 * _number(text.partition(b"\n")[0])
            if stored < 0 or wanted > 2 * MOST_SEGMENTS + 1:
                raise Garbled("the map of a file with holes is wrong")
        numbers = [_number(line) for line in text.split(b"\n")[1:wanted]]
        segments = list(zip(numbers[::2], numbers[1::2], strict=True))
        end = 0
        for offset, length in segments:
            if offset < end:
                raise Garbled("the map of a file with holes is wrong")
            end = offset + length
        if end > size or sum(length for _, length in segments) != stored:
            raise Garbled("the map of a file with holes is wrong")
        return segments[::-1]

    def _exactly(self, size: int) -> bytes:
        data = self._source.read(size) if size else b""
        if len(data) != size:
            raise Garbled("the archive is cut short")
        return data


def _check(header: bytes) -> None:
    """Compare a header with its checksum; the checksum's own bytes count as blanks."""
    if sum(header) - sum(header[148:156]) + 8 * 32 != _octal(header[148:156]):
        raise Garbled("a header is damaged")


def _pax(body: bytes) -> dict[bytes, bytes]:
    """Read the pax records `length key=value\\n` as a dict."""
    records = {}
    at = 0
    while at < len(body):
        digits = body[at : at + 8].partition(b" ")[0]
        end = at + _number(digits)
        key, equals, value = body[at + len(digits) + 1 : end - 1].partition(b"=")
        if end > len(body) or not equals or body[end - 1 : end] != b"\n":
            raise Garbled("a header is damaged")
        records[key] = value
        at = end
    return records


def _names(path: bytes) -> tuple[str, ...]:
    """Split a path into names. Raises Garbled: it is absolute, too long, or has `..`."""
    names = path.removesuffix(b"/").split(b"/")
    if len(path) > LONGEST_PATH or b"\0" in path or {b"", b".", b".."}.intersection(names):
        shown = path[:200].decode("utf-8", "backslashreplace")
        raise Garbled(f"a task wrote something that is not a file of its own: {shown}")
    return tuple(map(os.fsdecode, names))


def _ustar_path(header: bytes) -> bytes:
    above = _text(header[345:500])
    return above + b"/" + _text(header[:100]) if above else _text(header[:100])


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _octal(field: bytes) -> int:
    digits = field.strip(b"\0 ")
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise Garbled("a header is damaged")
    return int(digits, 8)


def _number(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 19 or int(digits) > _MOST:
        raise Garbled("a header is damaged")
    return int(digits)

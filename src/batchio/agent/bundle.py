"""The uploaded files: one tar on the node, unpacked into the directory of each attempt.

`submit/bundle.py` writes it: files and empty folders, plain headers or pax ones. `tarfile`
could read it too, but costs a node 20 ms to import and ten times our work a file.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512
LARGE = 1 << 20  # bytes of a file whose content begins at a page: a disk may share it


class Bundle:
    """Where each file is in the tar. Whatever an attempt leaves as it came is no output."""

    sharing = True  # until the file system says that it cannot

    def __init__(self, path: bytes) -> None:
        self.fd = os.open(path, os.O_RDONLY)
        self.folders: dict[bytes, int] = {}  # path: mode; one above comes before those below
        self.files: dict[bytes, tuple[int, int, int, int]] = {}  # mode, size, mtime (ns), offset
        for name, mode, size, mtime, offset in entries(self.fd):
            self.add_above(name)
            if name.endswith(b"/"):
                self.folders.setdefault(name[:-1], mode)
            else:
                self.files[name] = (mode, size, mtime * 10**9, offset)

    def add_above(self, path: bytes) -> None:
        """Only empty folders stand in the tar."""
        above = os.path.dirname(path.rstrip(b"/"))
        if above and above not in self.folders:
            self.add_above(above)
            self.folders[above] = 0o755

    def unpack(self, target: bytes) -> None:
        before = os.umask(0)
        try:
            for path, mode in self.folders.items():
                os.mkdir(b"%s/%s" % (target, path), mode)
            for path, (mode, size, mtime, offset) in self.files.items():
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                copy = os.open(b"%s/%s" % (target, path), flags, mode)
                try:
                    self.fill(copy, offset, size)
                    os.utime(copy, ns=(mtime, mtime))
                finally:
                    os.close(copy)
        finally:
            os.umask(before)

    def fill(self, copy: int, offset: int, size: int) -> None:
        end = offset + size
        if size >= LARGE and Bundle.sharing:
            try:
                while offset < end:
                    done = os.copy_file_range(self.fd, copy, end - offset, offset)
                    if not done:
                        break
                    offset += done
            except (OSError, AttributeError):  # it cannot, or there is no room: then we see below
                Bundle.sharing = False
        while offset < end:
            done = os.sendfile(copy, self.fd, offset, end - offset)
            if not done:
                raise OSError(errno.EIO, "the uploaded files are cut short")
            offset += done

    def has(self, path: bytes, entry: os.DirEntry[bytes]) -> bool:
        """Whether the file is there as it was uploaded."""
        known = self.files.get(path)
        if known is None or entry.is_symlink():
            return False
        info = entry.stat(follow_symlinks=False)
        return known[1:3] == (info.st_size, info.st_mtime_ns)


def entries(fd: int) -> Iterator[tuple[bytes, int, int, int, int]]:
    """(path, mode, size, mtime in seconds, offset of the content); a folder's path ends in /."""
    more: dict[bytes, bytes] = {}  # what a pax header says of the next entry
    at = 0
    while True:
        header = os.pread(fd, BLOCK, at)
        if not header.strip(b"\0"):
            return
        at += BLOCK
        size = int(more.pop(b"size", 0)) or int(header[124:135], 8)
        kind = header[156:157]
        if kind == b"x":
            more = dict(pax(os.pread(fd, size, at)))
        elif kind != b"g":  # that is only there to fill a page
            name, above = header[:100].rstrip(b"\0"), header[345:500].rstrip(b"\0")
            path = more.get(b"path") or (above + b"/" + name if above else name)
            yield path, int(header[100:107], 8), size, int(header[136:147], 8), at
            more = {}
        at += -(-size // BLOCK) * BLOCK


def pax(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Records `length key=value`. Source: POSIX.1-2017, pax, "Extended Header"."""
    while body.strip(b"\0"):
        digits = body.split(b" ", 1)[0]
        key, _, value = body[len(digits) + 1 : int(digits) - 1].partition(b"=")
        yield key, value
        body = body[int(digits) :]

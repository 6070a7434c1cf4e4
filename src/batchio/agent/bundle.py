"""The uploaded files: one tar on the node, unpacked into the directory of each attempt.

`submit/bundle.py` writes it: files and empty folders, plain headers or pax ones. `tarfile`
could read it too, but costs a node 20 ms to import and ten times our work for each file.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from batchio.agent.chores import SLICE, SLICE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512
LARGE = 1 << 20  # bytes of a file whose content begins at a page: a disk may share it


class Bundle:
    """The place of each file in the tar. A file that an attempt leaves unchanged is no output."""

    sharing = True  # until the file system says that it cannot

    def __init__(self, path: bytes) -> None:
        self.fd = os.open(path, os.O_RDONLY)
        self.folders: dict[bytes, int] = {}  # path: mode; one above comes before those below
        self.files: dict[bytes, tuple[int, int, int, int]] = {}  # mode, size, mtime (ns), offset
        self.left: Iterator[tuple[bytes, int, int, int, int]] = entries(self.fd)  # not yet read

    def read(self) -> Iterator[None]:
        """Read which files are in the tar, in slices; several callers may do so at once."""
        done = 0
        try:
            for name, mode, size, mtime, offset in self.left:
                self.add_above(name)
                if name.endswith(b"/"):
                    self.folders.setdefault(name[:-1], mode)
                else:
                    self.files[name] = (mode, size, mtime * 10**9, offset)
                done += 1
                if done % SLICE == 0:
                    yield
        except (OSError, ValueError):
            self.left = entries(self.fd)  # whoever comes next is told as well
            raise

    def add_above(self, path: bytes) -> None:
        """Add the folders above a path: only empty folders stand in the tar themselves."""
        above = os.path.dirname(path.rstrip(b"/"))
        if above and above not in self.folders:
            self.add_above(above)
            self.folders[above] = 0o755

    def unpack(self, target: bytes) -> Iterator[None]:
        yield from self.read()
        done = 0
        for path, mode in self.folders.items():
            folder = b"%s/%s" % (target, path)
            os.mkdir(folder)
            os.chmod(folder, mode)
            done += 1
            if done % SLICE == 0:
                yield
        written = 0
        for path, (mode, size, mtime, offset) in self.files.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            copy = os.open(b"%s/%s" % (target, path), flags, 0o600)
            try:
                os.fchmod(copy, mode)
                yield from self.fill(copy, offset, size)
                os.utime(copy, ns=(mtime, mtime))
            finally:
                os.close(copy)
            done += 1
            written += size
            if done % SLICE == 0 or written > SLICE_BYTES:
                written = 0
                yield

    def fill(self, copy: int, offset: int, size: int) -> Iterator[None]:
        end = offset + size
        while offset < end:
            done = self.copy(copy, offset, min(SLICE_BYTES, end - offset), size >= LARGE)
            if not done:
                raise OSError(errno.EIO, "the uploaded files are cut short")
            offset += done
            if offset < end:
                yield

    def copy(self, copy: int, offset: int, size: int, large: bool) -> int:
        if large and Bundle.sharing:
            try:
                done = os.copy_file_range(self.fd, copy, size, offset)
                if done:
                    return done
            except (OSError, AttributeError):  # it cannot, or there is no room: then we see below
                Bundle.sharing = False
        return os.sendfile(copy, self.fd, offset, size)

    def has(self, path: bytes, status: os.stat_result) -> bool:
        """Return whether the file or folder is still as it was uploaded."""
        if stat.S_ISDIR(status.st_mode):
            return path in self.folders
        known = self.files.get(path)
        if known is None or not stat.S_ISREG(status.st_mode):
            return False
        return known[1:3] == (status.st_size, status.st_mtime_ns)


def entries(fd: int) -> Iterator[tuple[bytes, int, int, int, int]]:
    """Yield (path, mode, size, mtime in seconds, offset of the content) of each member.

    The path of a folder ends in /.
    """
    more: dict[bytes, bytes] = {}  # what a pax header says of the next entry
    at = 0
    while True:
        header = os.pread(fd, BLOCK, at)
        if len(header) < BLOCK:
            raise OSError(errno.EIO, "the uploaded files are cut short")
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
    """Yield name and value of the records `length key=value` of a pax header.

    Source: POSIX.1-2017, pax, "Extended Header".
    """
    while body.strip(b"\0"):
        digits = body.split(b" ", 1)[0]
        key, _, value = body[len(digits) + 1 : int(digits) - 1].partition(b"=")
        yield key, value
        if int(digits) < 1:
            raise ValueError("a header of the uploaded files is damaged")
        body = body[int(digits) :]

"""Files that attempts get and leave: the uploaded ones, and the tar of the outputs."""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING

from batchio.agent.basics import say

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA_FRAME = 256 << 10  # of log or output bytes


class Manifest:
    """What was uploaded: copied into each attempt, and not an output unless it changed."""

    cloning = True  # until the file system says that it cannot

    def __init__(self, folder: str) -> None:
        self.folder = os.fsencode(folder)
        self.folders: list[tuple[bytes, int]] = []
        self.files: dict[bytes, tuple[int, int, int]] = {}  # mode, size, mtime
        self.links: dict[bytes, bytes] = {}
        for path, entry in walk(self.folder):
            info = entry.stat(follow_symlinks=False)
            if entry.is_symlink():
                self.links[path] = os.readlink(entry.path)
            elif entry.is_dir():
                self.folders.append((path, info.st_mode & 0o7777 | 0o700))
            elif entry.is_file():
                mode = info.st_mode & 0o7777
                self.files[path] = (mode, info.st_size, info.st_mtime_ns)

    def copy(self, target: bytes) -> None:
        for path, mode in self.folders:
            os.mkdir(os.path.join(target, path), mode)
        for path, (mode, size, mtime) in self.files.items():
            source = os.open(os.path.join(self.folder, path), os.O_RDONLY)
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                copy = os.open(os.path.join(target, path), flags, mode)
                try:
                    self.fill(copy, source, size)
                    os.fchmod(copy, mode)
                    os.utime(copy, ns=(mtime, mtime))
                finally:
                    os.close(copy)
            finally:
                os.close(source)
        for path, link in self.links.items():
            os.symlink(link, os.path.join(target, path))

    def fill(self, copy: int, source: int, size: int) -> None:
        if Manifest.cloning and size:
            try:
                fcntl.ioctl(copy, 0x40049409, source)  # FICLONE of linux/fs.h
                return
            except OSError:
                Manifest.cloning = False
        while True:
            data = os.read(source, 1 << 20)
            if not data:
                return
            while data:
                data = data[os.write(copy, data) :]

    def has(self, path: bytes, entry: os.DirEntry[bytes]) -> bool:
        """Whether the file is there as it was uploaded."""
        if entry.is_symlink():
            return self.links.get(path) == os.readlink(entry.path)
        known = self.files.get(path)
        if known is None:
            return False
        info = entry.stat(follow_symlinks=False)
        return known[1:] == (info.st_size, info.st_mtime_ns)


def walk(folder: bytes) -> Iterator[tuple[bytes, os.DirEntry[bytes]]]:
    """(relative path, entry) of everything below, a folder before what it holds."""
    waiting = [b""]
    while waiting:
        inside = waiting.pop()
        try:
            entries = sorted(os.scandir(os.path.join(folder, inside)), key=by_name)
        except OSError as error:
            say("cannot read %s: %s" % (os.fsdecode(inside), error.strerror))
            continue
        for entry in entries:
            path = os.path.join(inside, entry.name)
            yield path, entry
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)


def by_name(entry: os.DirEntry[bytes]) -> bytes:
    return entry.name


def outputs(folder: bytes, manifest: Manifest | None) -> Iterator[tuple[bytes, int]]:
    """(path, size) of the files and links an attempt made or changed."""
    for path, entry in walk(folder):
        link = entry.is_symlink()
        if not link and not entry.is_file(follow_symlinks=False):
            continue  # folders come with their files; sockets and pipes mean nothing
        if manifest is None or not manifest.has(path, entry):
            yield path, 0 if link else entry.stat(follow_symlinks=False).st_size


def tar(folder: bytes, manifest: Manifest | None) -> Iterator[tuple[bytes, int]]:
    """A pax tar stream of the outputs, in (bytes, files begun) pieces of one frame."""
    import tarfile

    for path, _ in outputs(folder, manifest):
        full = os.path.join(folder, path)
        info = tarfile.TarInfo(os.fsdecode(path))
        try:
            status = os.lstat(full)
            info.mode, info.mtime = status.st_mode & 0o7777, int(status.st_mtime)
            if stat.S_ISLNK(status.st_mode):
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(os.fsdecode(full))
                yield info.tobuf(tarfile.PAX_FORMAT), 1
                continue
            file = open(full, "rb", buffering=0)  # noqa: SIM115 - closed below
        except OSError as error:
            say("cannot collect %s: %s" % (info.name, error.strerror))
            continue
        with file:
            info.size = left = os.fstat(file.fileno()).st_size
            yield info.tobuf(tarfile.PAX_FORMAT), 1
            while left > 0:  # the header promised this many, whatever happens meanwhile
                data = file.read(min(left, DATA_FRAME - 1024)) or bytes(min(left, 65536))
                left -= len(data)
                yield data + bytes(-info.size % 512 if not left else 0), 0
    yield bytes(1024), 0

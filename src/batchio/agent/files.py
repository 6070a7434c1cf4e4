"""What attempts leave: the files among what they were given, and the tar of them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from batchio.agent.basics import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.agent.bundle import Bundle

DATA_FRAME = 256 << 10  # of log or output bytes


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


def outputs(folder: bytes, bundle: Bundle | None) -> Iterator[tuple[bytes, int]]:
    """(path, size) of the files and links an attempt made or changed."""
    for path, entry in walk(folder):
        link = entry.is_symlink()
        if not link and not entry.is_file(follow_symlinks=False):
            continue  # folders come with their files; sockets and pipes mean nothing
        if bundle is None or not bundle.has(path, entry):
            yield path, 0 if link else entry.stat(follow_symlinks=False).st_size


def tar(folder: bytes, bundle: Bundle | None) -> Iterator[tuple[bytes, int]]:
    """A pax tar stream of the outputs, in (bytes, files begun) pieces of one frame."""
    import tarfile

    for path, _ in outputs(folder, bundle):
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

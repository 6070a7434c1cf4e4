"""What attempts leave: the files among what they were given, and the tar of them."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from batchio.agent.basics import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from tarfile import TarInfo

    from batchio.agent.bundle import Bundle

DATA_FRAME = 256 << 10  # of log or output bytes
MOST_PIECES = 1 << 16  # of data between holes; the head takes no longer map
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


def walk(folder: bytes, unread: list[str]) -> Iterator[tuple[bytes, os.DirEntry[bytes]]]:
    """(relative path, entry) of everything below, a folder before what it holds."""
    waiting = [b""]
    while waiting:
        inside = waiting.pop()
        full = os.path.join(folder, inside)
        try:
            entries = sorted(listed(full), key=by_name)
        except OSError as error:
            unread.append("%s: %s" % (os.fsdecode(inside) or ".", error.strerror))
            continue
        for entry in entries:
            path = os.path.join(inside, entry.name)
            yield path, entry
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)


def listed(folder: bytes) -> list[os.DirEntry[bytes]]:
    """What is in a folder; a task may have locked it."""
    try:
        return list(os.scandir(folder))
    except PermissionError:
        os.chmod(folder, 0o700)
        return list(os.scandir(folder))


def opened(path: bytes, mode: int) -> int:
    """A descriptor to read a file; a task may have locked it."""
    try:
        return os.open(path, READ)
    except PermissionError:
        os.chmod(path, mode | stat.S_IRUSR)
        return os.open(path, READ)


def by_name(entry: os.DirEntry[bytes]) -> bytes:
    return entry.name


def outputs(folder: bytes, bundle: Bundle | None, unread: list[str]) -> Iterator[tuple[bytes, int]]:
    """(path, bytes on the disk) of the files and links an attempt made or changed.

    What cannot be read, although it was unlocked where that is ours to do, goes to `unread`.
    """
    for path, entry in walk(folder, unread):
        link = entry.is_symlink()
        if not link and not entry.is_file(follow_symlinks=False):
            continue  # folders come with their files; sockets and pipes mean nothing
        if bundle is None or not bundle.has(path, entry):
            status = entry.stat(follow_symlinks=False)
            if not link and status.st_uid != os.geteuid() and not os.access(entry.path, os.R_OK):
                unread.append("%s: it belongs to somebody else" % os.fsdecode(path))
                continue
            yield path, 0 if link else min(status.st_size, status.st_blocks * 512)


def tar(folder: bytes, bundle: Bundle | None) -> Iterator[tuple[bytes, int]]:
    """A pax tar stream of the outputs, in (bytes, files begun) pieces of one frame."""
    import tarfile

    for path, _ in outputs(folder, bundle, []):
        full = os.path.join(folder, path)
        info = tarfile.TarInfo(os.fsdecode(path))
        try:
            status = os.lstat(full)
            info.mode, info.mtime = status.st_mode & 0o7777, int(status.st_mtime)
            if stat.S_ISLNK(status.st_mode):
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(os.fsdecode(full))
                yield info.tobuf(tarfile.PAX_FORMAT), 1
                continue
            fd = opened(full, info.mode)
        except OSError as error:
            say("cannot collect %s: %s" % (info.name, error.strerror))
            continue
        try:
            yield from packed(info, fd)
        finally:
            os.close(fd)
    yield bytes(1024), 0


def packed(info: TarInfo, fd: int) -> Iterator[tuple[bytes, int]]:
    """One file: its header, and its data without the holes."""
    import tarfile

    status = os.fstat(fd)
    pieces = [(0, status.st_size)]
    if status.st_blocks * 512 < status.st_size:
        pieces = data_pieces(fd, status.st_size)
    table = b""
    if pieces != [(0, status.st_size)]:  # GNU's format for files with holes, 1.0
        numbers = [len(pieces), *[number for piece in pieces for number in piece]]
        table = b"".join(b"%d\n" % number for number in numbers)
        table += bytes(-len(table) % 512)
        info.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": info.name,
            "GNU.sparse.realsize": str(status.st_size),
        }
    info.size = len(table) + sum(size for _, size in pieces)
    yield info.tobuf(tarfile.PAX_FORMAT), 1
    for start in range(0, len(table), DATA_FRAME):
        yield table[start : start + DATA_FRAME], 0
    for offset, left in pieces:
        while left > 0:  # the header promised this many, whatever happens meanwhile
            data = os.pread(fd, min(left, DATA_FRAME - 1024), offset) or bytes(min(left, 65536))
            left -= len(data)
            offset += len(data)
            yield data, 0
    if info.size % 512:
        yield bytes(-info.size % 512), 0


def data_pieces(fd: int, size: int) -> list[tuple[int, int]]:
    """(offset, bytes) of what is no hole; all of it where that cannot be told."""
    pieces: list[tuple[int, int]] = []
    at = 0
    try:
        while at < size and len(pieces) < MOST_PIECES:
            start = os.lseek(fd, at, os.SEEK_DATA)
            at = min(os.lseek(fd, start, os.SEEK_HOLE), size)
            if start < size:
                pieces.append((start, at - start))
    except OSError as error:
        if error.errno != errno.ENXIO:  # there is data no more
            return [(0, size)]
    return pieces if len(pieces) < MOST_PIECES else [(0, size)]


def unreadable(task: object, unread: list[str]) -> str:
    """For people: what of a task's outputs is not brought, and why."""
    more = " and %d more" % (len(unread) - 3) if len(unread) > 3 else ""
    shown = "; ".join(unread[:3])
    return "outputs of task %s cannot be read: %s%s" % (task, shown, more)

"""The outputs of attempts: files that are new or changed, and the tar of them.

All work goes in slices: a generator here yields None, or an empty piece, after each.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from batchio.agent.chores import SLICE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from batchio.agent.bundle import Bundle

    Found = tuple[bytes, os.stat_result]
    Segments = list[tuple[int, int]]

DATA_FRAME = 256 << 10  # of log or output bytes
SMALL_FRAME = 64 << 10  # a frame may begin to hold more than one small file up to here
MOST_SEGMENTS = 1 << 16
"""Most pieces of data between holes; a file with more is sent as if it had no hole."""
BYTECODE = b"__pycache__"
"""The folder that Python makes beside each module that it imports; never an output."""
TOLD = 3
"""Number of unreadable files that a message names."""


def names_in(folder: bytes) -> Iterator[bytes | None]:
    """Yield the names in a folder, sorted; None after each slice. Raises OSError."""
    rows: list[list[bytes]] = [[]]
    with os.scandir(folder) as entries:
        for entry in entries:
            rows[-1].append(entry.name)
            if len(rows[-1]) == SLICE:
                rows[-1].sort()
                rows.append([])
                yield None
    rows[-1].sort()
    if len(rows) == 1:
        yield from rows[0]
        return
    import heapq

    for done, name in enumerate(heapq.merge(*rows), 1):
        yield name
        if done % SLICE == 0:
            yield None


def admit(path: bytes, status: os.stat_result) -> None:
    """Make a locked file or folder of ours readable. Raises OSError when we may not read it."""
    wanted = 0o500 if stat.S_ISDIR(status.st_mode) else 0o400
    if os.geteuid() == 0 or (status.st_uid == os.geteuid() and status.st_mode & wanted == wanted):
        return
    if status.st_uid == os.geteuid():
        os.chmod(path, stat.S_IMODE(status.st_mode) | wanted)
    elif not os.access(path, os.R_OK):
        raise PermissionError(13, os.strerror(13), path)


def walk(folder: bytes, lacking: list[str]) -> Iterator[Found | None]:
    """Yield (path, status) of every file, link and empty folder below a folder.

    None is yielded after each slice. What cannot be read is named in `lacking`, with the reason.
    """
    waiting = [b""]
    while waiting:
        inside = waiting.pop()
        here = os.path.join(folder, inside)
        empty = True
        try:
            above = os.lstat(here)
            admit(here, above)
            for name in names_in(here):
                if name is None:
                    yield None
                    continue
                empty = False
                path = os.path.join(inside, name)
                try:
                    status = os.lstat(os.path.join(folder, path))
                    if stat.S_ISDIR(status.st_mode):
                        if name != BYTECODE:
                            waiting.append(path)
                    elif stat.S_ISLNK(status.st_mode):
                        yield path, status
                    elif stat.S_ISREG(status.st_mode):  # sockets and pipes mean nothing
                        admit(os.path.join(folder, path), status)
                        yield path, status
                except FileNotFoundError:
                    pass  # what the task left running is still at work
                except OSError as error:
                    lacking.append("%s: %s" % (os.fsdecode(path), error.strerror))
            if empty and inside:
                yield inside, above
        except FileNotFoundError:
            pass
        except OSError as error:
            lacking.append("%s: %s" % (os.fsdecode(inside or b"."), error.strerror))


def outputs(folder: bytes, bundle: Bundle | None, lacking: list[str]) -> Iterator[Found | None]:
    """Yield the files that an attempt made or changed, of those that `walk` finds."""
    if bundle is not None:
        yield from bundle.read()
    for found in walk(folder, lacking):
        yield found if found and not (bundle and bundle.has(*found)) else None


def told(lacking: list[str]) -> str:
    """Return one line that names the outputs of an attempt that could not be read."""
    more = len(lacking) - TOLD
    named = "; ".join(lacking[:TOLD])
    return named + ("; and %d more" % more if more > 0 else "")


def tar(folder: bytes, bundle: Bundle | None, lacking: list[str]) -> Iterator[tuple[bytes, int]]:
    """Yield a pax tar stream of the outputs, as (bytes, files begun) of at most one frame."""
    import tarfile

    known: list[str] = []  # what could not be read was told with the attempt's end
    seen = 0
    for found in outputs(folder, bundle, known):
        seen += 1
        if found is None:
            if seen % SLICE == 0:
                yield b"", 0
            continue
        path, status = found
        info = tarfile.TarInfo(os.fsdecode(path))
        info.mode, info.mtime = status.st_mode & 0o7777, int(status.st_mtime)
        try:
            if stat.S_ISREG(status.st_mode):
                yield from tar_file(os.path.join(folder, path), info, lacking)
                continue
            info.type = tarfile.DIRTYPE
            if stat.S_ISLNK(status.st_mode):
                info.type = tarfile.SYMTYPE
                info.linkname = os.fsdecode(os.readlink(os.path.join(folder, path)))
        except OSError as error:
            lacking.append("%s: %s" % (info.name, error.strerror))
            continue
        yield info.tobuf(tarfile.PAX_FORMAT), 1
    yield bytes(1024), 0


def tar_file(path: bytes, info: Any, lacking: list[str]) -> Iterator[tuple[bytes, int]]:
    """Yield one file's header and content, without its holes. Raises OSError before both."""
    import tarfile

    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(fd)
        size = status.st_size
        segments: Segments = [(0, size)]
        table = b""
        if status.st_blocks * 512 < size:
            for found in segments_of(fd, size):
                if found is None:
                    yield b"", 0
                else:
                    segments = found
        if segments != [(0, size)]:  # Source: manual of GNU tar, "Storing Sparse Files", 1.0
            numbers = [len(segments), *(number for segment in segments for number in segment)]
            table = b"".join(b"%d\n" % number for number in numbers)
            table += bytes(-len(table) % 512)
            info.pax_headers = {
                "GNU.sparse.major": "1",
                "GNU.sparse.minor": "0",
                "GNU.sparse.name": info.name,
                "GNU.sparse.realsize": str(size),
            }
        info.size = len(table) + sum(length for _, length in segments)
        yield info.tobuf(tarfile.PAX_FORMAT), 1
        for at in range(0, len(table), SMALL_FRAME):
            yield table[at : at + SMALL_FRAME], 0
        for at, length in segments:
            while length > 0:  # the header promised this many, whatever happens meanwhile
                most = min(length, DATA_FRAME - SMALL_FRAME - 1024)
                try:
                    data = os.pread(fd, most, at)
                except OSError as error:
                    lacking.append("%s: %s" % (info.name, error.strerror))
                    data = b""
                data = data or bytes(most)
                at, length = at + len(data), length - len(data)
                yield data, 0
        if info.size % 512:
            yield bytes(-info.size % 512), 0
    finally:
        os.close(fd)


def segments_of(fd: int, size: int) -> Iterator[Segments | None]:
    """Find where a file has data, as (offset, length); yield None after each slice, then all."""
    import errno

    found: Segments = []
    at = 0
    try:
        while at < size and len(found) < MOST_SEGMENTS:
            begin = os.lseek(fd, at, os.SEEK_DATA)
            at = min(os.lseek(fd, begin, os.SEEK_HOLE), size)
            if begin >= size:
                break
            found.append((begin, at - begin))
            if len(found) % SLICE == 0:
                yield None
    except (OSError, AttributeError) as error:
        if getattr(error, "errno", 0) != errno.ENXIO:  # else: only a hole is left
            yield [(0, size)]
            return
    if len(found) == MOST_SEGMENTS and at < size:
        found = [(0, size)]
    elif not found or sum(found[-1]) < size:
        found.append((size, 0))
    yield found

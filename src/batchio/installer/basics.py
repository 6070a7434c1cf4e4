"""What all rooms use: standard input, paths, and what is whole."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME = 315619200  # of every file: 1980-01-02, as no change after it has
CHUNK = 1 << 20
STALL_S = 180  # without a byte: whoever sends is gone
SPARE = 64 << 20
OLD_S = 20 * 86400  # systemd removes single files of /var/tmp after 30 days
UNUSED_S = 7 * 86400
MOST = 10 << 30
NAME = 32  # signs of a digest that name an environment: the line of a script is short


class Refused(Exception):
    """The environment cannot be made here; says why."""


class Stream:
    """Standard input, which ends when nothing comes for a while."""

    def __init__(self) -> None:
        self.buffer = b""

    def fill(self) -> None:
        if not select.select([0], [], [], STALL_S)[0]:
            raise Refused("nothing was sent for %d s" % STALL_S)
        data = os.read(0, CHUNK)
        if not data:
            raise Refused("the connection ended before all was sent")
        self.buffer += data

    def line(self) -> bytes:
        while b"\n" not in self.buffer:
            self.fill()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def chunks(self, size: int) -> Iterator[bytes]:
        while size:
            if not self.buffer:
                self.fill()
            chunk, self.buffer = self.buffer[:size], self.buffer[size:]
            size -= len(chunk)
            yield chunk


def parts(path: str) -> list[str]:
    """Return the names that lead to a path below a folder; refuse one that leaves it."""
    names = path.split("/")
    if "\0" in path or any(name in ("", ".", "..") for name in names):
        raise Refused("%r is no path below a folder" % path)
    return names


def put(path: str, content: bytes, mode: int = 0o644) -> None:
    """Write a new file; its mode is exact under the umask that `main` sets."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.utime(fd, (TIME, TIME))
    finally:
        os.close(fd)


def remove(path: str) -> None:
    """Remove what is at a path, if anything is; its list first, so that it counts as none."""
    for each in (path + ".list", path):
        try:
            os.unlink(each)
        except IsADirectoryError:
            gone = "%s.gone-%d" % (each, os.getpid())
            os.rename(each, gone)
            shutil.rmtree(gone, ignore_errors=True)
        except FileNotFoundError:
            pass


def listing(path: str) -> dict[str, Any]:
    try:
        with open(path + ".list", encoding="ascii") as file:
            found = json.load(file)
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def whole(path: str) -> bool:
    """Return whether all is there of a piece or an environment, as it was made."""
    rows = listing(path).get("files")
    try:
        for below, size in rows or []:
            found = os.stat(path + below)
            if found.st_size != size or found.st_mtime != TIME:
                return False
    except (OSError, TypeError, ValueError):
        return False
    return rows is not None and os.path.exists(path)


def keep(part: str, path: str, known: dict[str, Any]) -> None:
    """Give what was made its name, behind its list."""
    remove(path)
    with open(path + ".list.part", "w", encoding="ascii") as file:
        json.dump(known, file)
    os.rename(part, path)
    os.rename(path + ".list.part", path + ".list")


def locked(store: str, name: str, how: int) -> int:
    fd = os.open(store + "/locks/" + name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, how)
    except BaseException:
        os.close(fd)
        raise
    return fd

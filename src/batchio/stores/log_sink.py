"""The sink for a node's log bytes in the job's folder, byte for byte as the agent wrote them."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
from typing import TYPE_CHECKING, Final

from batchio.stores.log_packs import Origin

if TYPE_CHECKING:
    from pathlib import Path


SMALL: Final = 32 * 1024
"""Most bytes that are written in the loop: that takes 12 µs, and handing it to a thread 90."""


ORIGIN: Final = "origin"
"""File beside the segments: the shift, and which agent's spool it is for."""

KEPT_FREE: Final = 64 << 20
"""Bytes of the disk that logs leave free, or a 20th of a small disk: for the journal."""

LOOK_EVERY: Final = 4 << 20
"""Bytes written between two looks at the room that is left."""


class FolderSink:
    """Log segments in a folder; implements `ports.LogSink`.

    With `local`, the agent of this computer writes there itself and nothing is pulled.
    Otherwise all bytes go to one segment, and its size says where to go on after a crash;
    another segment begins when an agent has lost a part of its spool that is here already.
    """

    def __init__(self, folder: Path, *, local: bool) -> None:
        folder.parent.mkdir(exist_ok=True)  # no more of a job that was moved or deleted
        folder.mkdir(exist_ok=True)
        self.spool = str(folder) if local else None
        self._folder = folder
        last = max((path.name for path in folder.iterdir() if path.name.isdecimal()), default="0")
        self._file = folder / last.zfill(20)
        self._size = int(last) + (self._file.stat().st_size if self._file.exists() else 0)
        self._instance, self.shift = origin_in(folder) or Origin("", 0)
        self._writing = threading.Lock()
        self._room = 0
        """Bytes that may be written before somebody looks at the disk again."""

    def begin(self, instance: str, end: int) -> None:
        """Go on with the spool of an agent. See the port."""
        if self.spool is not None or instance == self._instance:
            return
        if end < self.size():
            self._size += 1  # the gap tells readers that a record may be cut off before it
            self.shift = self._size - end
            self._file = self._folder / f"{self._size:020d}"
            self._file.touch()
        self._instance = instance
        _write_origin(self._folder, Origin(instance, self.shift))

    def size(self) -> int:
        """Return how many bytes of the agent's spool are safe already."""
        return self._size - self.shift

    def safe(self) -> int:
        """Return `size`: what is on this disk is where it belongs."""
        return self.size()

    async def settle(self) -> None:
        """Do nothing: what was written is safe."""

    async def write(self, offset: int, data: memoryview) -> None:
        """Append the new bytes of `data`, which begins at `offset`. See the port."""
        if len(data) <= SMALL and self._writing.acquire(blocking=False):
            try:
                self._append(offset, data)
            finally:
                self._writing.release()
        else:
            await asyncio.to_thread(self._append_in_turn, offset, data)

    def _append_in_turn(self, offset: int, data: memoryview) -> None:
        """Append after a write that goes on in another thread, of a connection that broke."""
        with self._writing:
            self._append(offset, data)

    def _append(self, offset: int, data: memoryview) -> None:
        size = self.size()
        new = data[size - offset :] if offset < size else data
        if offset > size or not new:
            return
        with self._file.open("ab", buffering=0) as file:
            self._use(file.fileno(), len(new))
            while new:
                done = file.write(new) or 0
                self._size += done
                new = new[done:]

    def _use(self, file: int, size: int) -> None:
        """Look whether there is room for `size` bytes more; OSError (ENOSPC) when there is not."""
        self._room -= size
        if self._room >= 0:
            return
        disk = os.fstatvfs(file)
        whole, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
        if whole and free - size < min(KEPT_FREE, whole // 20):
            self._room = 0
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._room = LOOK_EVERY


def origin_in(folder: Path) -> Origin | None:
    """Return which agent's spool the segments in a folder are of; None when nobody said."""
    try:
        shift, _, instance = (folder / ORIGIN).read_text().partition(" ")
        return Origin(instance, int(shift))
    except (OSError, ValueError):
        return None


def _write_origin(folder: Path, origin: Origin) -> None:
    draft = folder / f".{ORIGIN}"
    draft.write_text(f"{origin.shift} {origin.instance}")
    draft.replace(folder / ORIGIN)


def go_on_at(folder: Path, end: int, origin: Origin | None) -> None:
    """Let the segments of a node go on at an offset, whatever was kept here of it before.

    Raises:
        OSError: the folder cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / f"{end:020d}").touch()
    if origin is not None:
        _write_origin(folder, origin)

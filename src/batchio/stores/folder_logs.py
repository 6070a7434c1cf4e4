"""Log bytes in a folder: `<node>/<offset>`, one file a segment, named by its first offset.

A file is opened for each block that is read, so a thousand nodes need no open files.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_SEGMENT = re.compile(r"\d{20}")


class _End(NamedTuple):
    """End of a node's log, and what tells in two `stat` calls whether it has moved."""

    file: str
    """Path of the last segment."""
    start: int
    size: int
    changed: int
    """When the node's folder last got a segment, in nanoseconds."""


class FolderLogs:
    """A folder of log segments; implements `ports.LogStore`. Everything blocks, shortly."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ends: dict[int, _End] = {}

    def catch_up(self, *, over: bool = False) -> None:
        """Do nothing: every verb looks into the folder."""

    def nodes(self) -> list[int]:
        """Return the numbers of the nodes that have logs."""
        try:
            return sorted(int(name) for name in os.listdir(self.folder) if name.isdecimal())
        except FileNotFoundError:
            return []

    def starts(self, node: int) -> list[int]:
        """Return the byte offsets at which a node's segments begin, rising."""
        try:
            names = os.listdir(self.folder / str(node))
        except FileNotFoundError:
            return []
        return sorted(int(name) for name in names if _SEGMENT.fullmatch(name))

    def end(self, node: int) -> int:
        """Return the offset behind a node's last byte; costs two `stat` calls while none comes."""
        known = self._ends.get(node)
        try:
            if known is None:
                return self._look(node)
            size = os.stat(known.file).st_size
            if size == known.size:
                changed = os.stat(known.file[:-21]).st_mtime_ns
                return known.start + size if changed == known.changed else self._look(node)
            self._ends[node] = known._replace(size=size)
            return known.start + size
        except FileNotFoundError:
            self._ends.pop(node, None)
            return self._look(node) if known else 0

    def _look(self, node: int) -> int:
        folder = os.path.join(self.folder, str(node))
        try:
            changed = os.stat(folder).st_mtime_ns  # before the listing: what comes later is seen
        except FileNotFoundError:
            return 0
        starts = self.starts(node)
        if not starts:
            return 0
        file = f"{folder}/{starts[-1]:020d}"
        size = os.stat(file).st_size
        self._ends[node] = _End(file, starts[-1], size, changed)
        return starts[-1] + size

    def read(self, node: int, offset: int, most: int) -> bytes:
        """Return at most `most` bytes of one segment, from an offset in the node's log on."""
        file = self._segment(node, offset)
        if file is None:
            return b""
        try:
            descriptor = os.open(self.folder / str(node) / f"{file:020d}", os.O_RDONLY)
        except FileNotFoundError:
            return b""
        try:
            return os.pread(descriptor, max(most, 0), offset - file)
        finally:
            os.close(descriptor)

    def place(self, node: int, offset: int) -> str:
        """Return the file of a byte of a node's log, and its offset there, for messages."""
        start = self._segment(node, offset) or 0
        return f"{self.folder / str(node) / f'{start:020d}'} at byte {offset - start}"

    def _segment(self, node: int, offset: int) -> int | None:
        """Return the offset at which the segment of an offset begins; None without segments."""
        starts = self.starts(node)
        return starts[max(bisect_right(starts, offset) - 1, 0)] if starts else None

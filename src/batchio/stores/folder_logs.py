"""Log bytes in a folder: `<node>/<offset>`, a file a segment, named by its first offset.

Files are opened a block at a time, so a thousand nodes are a thousand rows and no open files.
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
    """Where a node's bytes end, and how to see in two looks whether that is still so."""

    file: str
    """The last segment."""
    start: int
    size: int
    changed: int
    """When the node's folder last got a segment, in nanoseconds."""


class FolderLogs:
    """Implements `ports.LogStore`; everything blocks, shortly."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ends: dict[int, _End] = {}

    def nodes(self) -> list[int]:
        """Return the numbers of the nodes that have logs."""
        try:
            return sorted(int(name) for name in os.listdir(self.folder) if name.isdecimal())
        except FileNotFoundError:
            return []

    def starts(self, node: int) -> list[int]:
        """Return the offsets at which the segments begin."""
        try:
            names = os.listdir(self.folder / str(node))
        except FileNotFoundError:
            return []
        return sorted(int(name) for name in names if _SEGMENT.fullmatch(name))

    def end(self, node: int) -> int:
        """Return the offset behind the last byte: two looks at the disk while nothing comes."""
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
        """Return bytes from an offset on, of one segment."""
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
        """Return file and byte."""
        start = self._segment(node, offset) or 0
        return f"{self.folder / str(node) / f'{start:020d}'} at byte {offset - start}"

    def _segment(self, node: int, offset: int) -> int | None:
        """Return where the segment begins that an offset lies in."""
        starts = self.starts(node)
        return starts[max(bisect_right(starts, offset) - 1, 0)] if starts else None

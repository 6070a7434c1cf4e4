"""The logs of nodes in memory; those that a local agent writes itself are in a folder."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from batchio.stores.folder_logs import FolderLogs

if TYPE_CHECKING:
    from pathlib import Path


class MemoryLogs:
    """The logs of one job's nodes; implements `ports.LogStore`.

    Args:
        folder: Where agents of this computer write; other nodes are in memory.
    """

    def __init__(self, folder: Path) -> None:
        self._files = FolderLogs(folder)
        self.origins: dict[int, tuple[str, int]] = {}
        """By node: the agent whose spool was taken last, and its shift."""
        self.rows: dict[int, dict[int, bytearray]] = {}
        """The segments of each node, by the offset at which they begin."""

    def catch_up(self, *, over: bool = False) -> None:
        """Do nothing: every verb looks at what there is."""

    def nodes(self) -> list[int]:
        """Return the numbers of the nodes that have logs."""
        return sorted({*self.rows, *self._files.nodes()})

    def starts(self, node: int) -> list[int]:
        """Return the offsets at which the segments of a node begin."""
        return sorted(self.rows[node]) if node in self.rows else self._files.starts(node)

    def end(self, node: int) -> int:
        """Return the offset behind the last byte of a node."""
        if node not in self.rows:
            return self._files.end(node)
        start = max(self.rows[node], default=0)
        return start + len(self.rows[node].get(start, b""))

    def read(self, node: int, offset: int, most: int) -> bytes:
        """Return at most `most` bytes of one segment, from an offset on."""
        if node not in self.rows:
            return self._files.read(node, offset, most)
        start = self._segment(node, offset)
        at = offset - start
        return bytes(self.rows[node].get(start, b"")[at : at + max(most, 0)])

    def place(self, node: int, offset: int) -> str:
        """Return the node, the segment and the byte in it, as a text for messages."""
        if node not in self.rows:
            return self._files.place(node, offset)
        start = self._segment(node, offset)
        return f"memory:{node}/{start:020d} at byte {offset - start}"

    def _segment(self, node: int, offset: int) -> int:
        starts = self.starts(node) or [0]
        return starts[max(bisect_right(starts, offset) - 1, 0)]


class MemorySink:
    """The place where one node's log bytes are written; implements `ports.LogSink`."""

    spool: str | None = None

    def __init__(self, logs: MemoryLogs, node: int) -> None:
        self._segments = logs.rows.setdefault(node, {0: bytearray()})
        self._origin = logs.origins.setdefault(node, ("", 0))
        self._logs, self._node = logs, node

    @property
    def shift(self) -> int:
        """What is added to an offset of the agent's spool to get its offset in the logs."""
        return self._origin[1]

    def begin(self, instance: str, end: int) -> None:
        """Go on with the spool of an agent; where it lost what is here, in a new segment."""
        known, shift = self._origin
        if instance == known:
            return
        if end < self.size():
            start = self._end() + 1
            self._segments[start], shift = bytearray(), start - end
        self._origin = self._logs.origins[self._node] = (instance, shift)

    def _end(self) -> int:
        last = max(self._segments)
        return last + len(self._segments[last])

    def size(self) -> int:
        """Return how many bytes of the agent's spool are safely kept."""
        return self._end() - self.shift

    def safe(self) -> int:
        """Return `size`: what is kept is where it belongs."""
        return self.size()

    async def settle(self) -> None:
        """Do nothing: what was written is safe."""

    async def write(self, offset: int, data: memoryview) -> None:
        """Store those bytes of `data` that are new."""
        if offset <= self.size():
            self._segments[max(self._segments)] += data[self.size() - offset :]

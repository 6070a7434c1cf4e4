"""Outputs that are kept as parts, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio.errors import NoAccess, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.ports import KeptOutputs


class MemoryParts:
    """The outputs of one job; implements `ports.PartStore`.

    Args:
        direct: Nodes have URLs; whoever plays a node hands `take` what it puts there.
    """

    where = "memory:parts"

    def __init__(self, *, direct: bool = False) -> None:
        self.direct = direct
        self.signed: list[str] = []
        """Every URL that was signed."""
        self._parts: dict[tuple[int, int, int], bytes] = {}
        self._kept: dict[int, KeptOutputs] = {}

    def sign(self, task: int, attempt: int, part: int, seconds: float) -> str:
        """Return a URL of a part, which `take` knows."""
        if not self.direct:
            raise NoAccess(f"{self.where} has no URLs for PUT")
        self.signed.append(f"https://parts/{task}.{attempt}.{part}")
        return self.signed[-1]

    def take(self, url: str, data: bytes) -> None:
        """Store what a node puts to a URL."""
        task, attempt, part = map(int, url.rpartition("/")[2].split("."))
        self.put(task, attempt, part, data)

    def stored(self) -> list[tuple[int, int, int]]:
        """Return task, attempt and number of each part that is stored."""
        return sorted(self._parts)

    def put(self, task: int, attempt: int, part: int, data: bytes) -> None:
        """Store a part."""
        self._parts[task, attempt, part] = bytes(data)

    def keep(self, task: int, kept: KeptOutputs) -> None:
        """Record the outputs of a task."""
        self._kept[task] = kept

    def kept(self) -> dict[int, KeptOutputs]:
        """Return the outputs of each task that has some."""
        return dict(sorted(self._kept.items()))

    def sweep(self) -> None:
        """Delete the parts that no record names."""
        for task, attempt, part in list(self._parts):
            kept = self._kept.get(task)
            counts = kept is not None and 0 <= part - kept.first < len(kept.parts)
            if kept is None or kept.attempt != attempt or not counts:
                del self._parts[task, attempt, part]

    def read(self, task: int, attempt: int, part: int, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of a part from an offset on."""
        if (task, attempt, part) not in self._parts:
            raise WorkspaceError(f"there is no part {part} of task {task}, attempt {attempt}")
        if data := self._parts[task, attempt, part][start:]:
            yield data

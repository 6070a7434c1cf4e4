"""The record of a job's placed outputs, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from batchio.ports import Stamped


class MemoryPlacedFiles:
    """The outputs that were put in place; implements `ports.PlacedFiles`."""

    def __init__(self) -> None:
        self._tasks: dict[int, dict[str, list[Stamped]]] = {}

    def of(self, task: int) -> Mapping[str, Sequence[Stamped]]:
        """Return every stamp that files of a task had."""
        return self._tasks.get(task, {})

    def add(self, task: int, files: Iterable[tuple[str, Stamped]]) -> None:
        """Record files of a task."""
        known = self._tasks.setdefault(task, {})
        for path, stamp in files:
            known.setdefault(path, []).append(stamp)

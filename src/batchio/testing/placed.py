"""The records of outputs that were put in place, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio.ports import Brought

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


class MemoryBroughtFiles:
    """What was brought to a folder of the user's; implements `ports.BroughtFiles`."""

    def __init__(self) -> None:
        self._files: dict[str, Brought] = {}

    def read(self) -> dict[str, Brought]:
        """Return the newest entry of each path."""
        return dict(self._files)

    def add(self, job: str, files: Iterable[tuple[str, Stamped]], *, inputs: bool = False) -> None:
        """Record files with their stamps."""
        self._files.update((path, Brought(job, stamp, inputs)) for path, stamp in files)

    def forget(self) -> None:
        """Drop all entries."""
        self._files.clear()

"""The record of output files that a job has put in place, a line each, in the job's own folder.

`placed/N` holds the lines of tasks N * 1000 to N * 1000 + 999: few files for a million tasks,
and few lines to read for one.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from batchio.core.checks import LARGEST, integer, text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from batchio.ports import Stamped

TASKS_A_FILE: Final = 1000


class FolderPlacedFiles:
    """Placed files in the folder of a job; implements `ports.PlacedFiles`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "placed"

    def of(self, task: int) -> dict[str, list[Stamped]]:
        """Return all stamps of each file of a task, by path; damaged lines are skipped."""
        found: dict[str, list[Stamped]] = {}
        with suppress(FileNotFoundError), self._file(task).open("rb") as lines:
            start = f"[{task}, ".encode()
            for line in lines:
                if line.startswith(start):
                    with suppress(ValueError, RecursionError):
                        _, path, *stamp = json.loads(line)
                        kind, size, mtime = (integer(number, -LARGEST) for number in stamp)
                        found.setdefault(text(path), []).append((kind, size, mtime))
        return found

    def add(self, task: int, files: Iterable[tuple[str, Stamped]]) -> None:
        """Add files of a task, with their stamps, in one write."""
        lines = "".join(json.dumps([task, path, *stamp]) + "\n" for path, stamp in files)
        if not lines:
            return
        with suppress(FileExistsError):
            self._folder.mkdir(mode=0o700)
        with self._file(task).open("ab", buffering=0) as file:
            file.write(lines.encode())

    def _file(self, task: int) -> Path:
        return self._folder / str(task // TASKS_A_FILE)

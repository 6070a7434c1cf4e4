"""The record of what jobs have brought to a folder of the user's, a line each, in the workspace.

`brought/<digest of the folder's real path>`: nothing of ours lies in the folder itself, and no
task can write the record.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from batchio.ports import Brought

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from batchio.ports import Stamped


class FolderBroughtFiles:
    """Brought files in the folder of a workspace; implements `ports.BroughtFiles`.

    Args:
        root: The folder of the workspace.
        folder: The user's folder, which need not exist.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        real = os.fsencode(os.path.realpath(folder))
        self._file = root / "brought" / hashlib.sha256(real).hexdigest()[:32]

    def read(self) -> dict[str, Brought]:
        """Return the newest entry of each path; damaged lines are skipped."""
        found: dict[str, Brought] = {}
        with suppress(OSError), self._file.open("rb") as lines:
            for line in lines:
                with suppress(ValueError, TypeError, AttributeError):
                    path, kind, size, mtime, job, is_input = json.loads(line)
                    if not {"", ".", ".."}.intersection(path.split("/")):
                        stamp = int(kind), int(size), int(mtime)
                        found[path] = Brought(str(job), stamp, bool(is_input))
        return found

    def add(self, job: str, files: Iterable[tuple[str, Stamped]], *, inputs: bool = False) -> None:
        """Add files with their stamps, in one write."""
        rows = ([path, *stamp, job, inputs] for path, stamp in files)
        if lines := "".join(json.dumps(row) + "\n" for row in rows):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._file.open("ab", buffering=0) as file:
                file.write(lines.encode())

    def forget(self) -> None:
        """Remove the record."""
        self._file.unlink(missing_ok=True)

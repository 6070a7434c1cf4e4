"""Where a node's log bytes go in the job's folder, byte for byte as the agent wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class FolderSink:
    """Log segments in a folder; implements `conversation.LogSink`.

    With `local`, the agent of this computer writes there itself and nothing is pulled.
    Otherwise all bytes go to one segment, and its size says where to go on after a crash.
    """

    def __init__(self, folder: Path, *, local: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{0:020d}"
        self.spool = str(folder) if local else None
        self._size = self._file.stat().st_size if self._file.exists() else 0

    def size(self) -> int:
        """Bytes that are safe already."""
        return self._size

    def write(self, offset: int, data: memoryview) -> None:
        """Append what is new of `data`, which begins at `offset`."""
        new = data[self._size - offset :] if offset < self._size else data
        if offset > self._size or not new:
            return
        with self._file.open("ab") as file:
            file.write(new)
        self._size += len(new)

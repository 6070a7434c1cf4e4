"""The bundle: all files that travel with a job, described for people and packed as one tar."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.sizes import format_bytes
from batchio.core.spec import SentFile
from batchio.errors import UsageError
from batchio.submit.caller import unreadable
from batchio.submit.tar import Tar

if TYPE_CHECKING:
    from pathlib import Path

NAMED: Final = 3
"""Number of files that a description names."""


class Item(NamedTuple):
    """One file, or one empty folder, that travels.

    `source` is an absolute path or the content itself; `said` names it in messages.
    """

    source: str | bytes
    size: int
    mode: int
    said: str
    is_folder: bool = False


@dataclass
class Bundle:
    """All files that travel with a job, by the path at which they arrive."""

    items: dict[str, Item] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    implied: dict[str, str] = field(default_factory=dict)
    """Why files travel that nobody named, by path; that of a package ends in /."""

    @property
    def files(self) -> tuple[SentFile, ...]:
        """The files, for the job's spec."""
        return tuple(
            SentFile(path, item.size, item.mode)
            for path, item in self.items.items()
            if not item.is_folder
        )

    @property
    def size(self) -> int:
        """The size of all files together, in bytes."""
        return sum(item.size for item in self.items.values())

    def __str__(self) -> str:
        """Describe the files for people: "process.py with helper.py (2 files, 12 KiB)"; "" for
        none.
        """
        files = self.files
        if not files:
            return ""
        folders = tuple(path for path in self.implied if path.endswith("/"))
        named = [
            file.path
            for file in files
            if file.path not in self.implied and not file.path.startswith(folders or "/")
        ]
        names = " with ".join(_clipped(paths) for paths in (named, list(self.implied)) if paths)
        count = "1 file" if len(files) == 1 else f"{len(files)} files"
        return f"{names} ({count}, {format_bytes(self.size)})"

    def add(self, arrival: str, item: Item) -> None:
        """Add a file that arrives at this path.

        Raises:
            UsageError: another file would arrive at the same path.
        """
        other = self.items.setdefault(arrival, item)
        same = isinstance(item.source, str) and other.source == item.source
        if other is item or same or (other.is_folder and item.is_folder):
            return
        raise UsageError(
            f"{other.said} and {item.said} would both be copied to {arrival}",
            hint="rename one of them, or upload only one",
        )

    def check(self) -> None:
        """Check that every file can arrive.

        Raises:
            UsageError: a file would stand where a folder must be.
        """
        folders = {""}
        for path, item in self.items.items():
            above = path.rpartition("/")[0]
            while above not in folders:
                other = self.items.get(above)
                if other is not None and not other.is_folder:
                    raise UsageError(
                        f"{other.said} would be copied to {above}, and {item.said} below it",
                        hint="rename one of them, or upload only one",
                    )
                folders.add(above)
                above = above.rpartition("/")[0]

    def pack(self, target: Path) -> str:
        """Write the files as a tar; return its SHA-256 in hexadecimal.

        A file that grows is sent as long as it was when it was opened, with a warning.

        Raises:
            UsageError: a file cannot be read, or became shorter while it was.
            OSError: the tar cannot be written.
        """
        with target.open("wb", buffering=0) as file:
            tar = Tar(file)
            for arrival, item in list(self.items.items()):
                self._add(tar, arrival, item)
            return tar.end()

    def _add(self, tar: Tar, arrival: str, item: Item) -> None:
        if item.is_folder:
            tar.folder(arrival, item.mode)
        elif isinstance(item.source, bytes):
            tar.data(arrival, item.mode, item.source)
        else:
            self._add_file(tar, arrival, item, item.source)

    def _add_file(self, tar: Tar, arrival: str, item: Item, source: str) -> None:
        try:
            file = os.open(source, os.O_RDONLY)
        except OSError as err:
            raise unreadable(item.said, err) from None
        try:
            now = os.fstat(file)
            if not tar.file(arrival, item.mode, file, now.st_size, int(now.st_mtime)):
                raise UsageError(
                    f"{item.said} became shorter while batchio read it",
                    hint="submit the job again, or list the file in .batchioignore",
                )
            if os.fstat(file).st_size > now.st_size:
                first = f"only its first {format_bytes(now.st_size)} are sent"
                self.warnings.append(f"{item.said} grew while batchio read it: {first}")
        finally:
            os.close(file)
        self.items[arrival] = item._replace(size=now.st_size)


def _clipped(paths: list[str]) -> str:
    more = len(paths) - NAMED
    return ", ".join(paths[:NAMED]) + (f" and {more} more" if more > 0 else "")

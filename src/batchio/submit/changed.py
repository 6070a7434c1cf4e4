"""Files that a job was sent and that are different here by now. Blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchio.core.spec import SentFile

MOST: Final = 20
"""Number of files that are compared: scripts stand first."""

LARGE: Final = 1 << 20
"""Least size of a file that is told apart by its size alone."""


def changed_files(bundle: Path, sent: Sequence[SentFile], folder: Path) -> list[str]:
    """Return the paths of files below `folder` that are not as they were sent, in their order.

    A file that is not there, or a bundle that is not on this computer, tells nothing.
    """
    try:
        there = {
            file.path: (folder / file.path).stat().st_size
            for file in sent[:MOST]
            if (folder / file.path).is_file()
        }
        other = {file.path for file in sent[:MOST] if there.get(file.path, file.size) != file.size}
        same = {file.path for file in sent[:MOST] if file.path in there and file.size < LARGE}
        other |= _different(bundle, same - other, folder)
    except OSError:
        return []
    return [file.path for file in sent[:MOST] if file.path in other]


def _different(bundle: Path, paths: set[str], folder: Path) -> set[str]:
    """Return those of the paths whose bytes in the bundle are not those in the folder."""
    import tarfile  # only a retry asks

    left, found = set(paths), set[str]()
    try:
        with tarfile.open(bundle) as tar:
            for member in tar:
                if not left:
                    break
                if member.name in left and (data := tar.extractfile(member)):
                    left.remove(member.name)
                    if data.read() != (folder / member.name).read_bytes():
                        found.add(member.name)
    except tarfile.TarError:
        return set()
    return found

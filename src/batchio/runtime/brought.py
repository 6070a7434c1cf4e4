"""What jobs have brought to a folder of the user's: told from the user's own, and removed.

Only what the workspace has on record, and is still as it was brought, is ever removed by
--download-clean, or left out by the next --sync. What has changed since is the user's. Everything
here blocks.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from batchio.runtime.placing import Stamp
from batchio.runtime.tree import Names, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchio.ports import Brought, BroughtFiles

FOLDER: Final = Stamp(stat.S_IFDIR, 0, 0)
"""Stamp of a folder that was made."""


def standing(folder: Path, record: BroughtFiles) -> dict[str, Brought]:
    """Return all that was brought to a folder, does not stand for an input, and is unchanged.

    Folders count as unchanged.
    """
    try:
        top = Tree(folder)
    except OSError:
        return {}
    with top:
        return dict(_standing(top, record))


def clean(folder: Path, record: BroughtFiles) -> int:
    """Remove what was brought to a folder and has not changed; return the number of files.

    What stands where an input stood stays, and so do folders that are not empty then.

    Raises:
        OSError: something cannot be removed.
    """
    try:
        top = Tree(folder)
    except FileNotFoundError:
        return 0
    with top:
        count, folders = 0, list[Names]()
        for path, known in list(_standing(top, record)):
            names = tuple(path.split("/"))
            if known.stamp == FOLDER:
                folders.append(names)
            else:
                os.unlink(names[-1], dir_fd=top.folder(names[:-1]))
                count += 1
        for names in sorted(folders, key=len, reverse=True):
            with suppress(OSError):  # it holds what is the user's
                os.rmdir(names[-1], dir_fd=top.folder(names[:-1]))
    record.forget()
    return count


def _standing(top: Tree, record: BroughtFiles) -> Iterator[tuple[str, Brought]]:
    for path, known in record.read().items():
        if not known.input and is_standing(top, path, known):
            yield path, known


def is_standing(top: Tree, path: str, known: Brought) -> bool:
    """Return whether something is still there as it was brought; no link is followed."""
    names = tuple(path.split("/"))
    try:
        above = top.folder(names[:-1])
        there = Stamp.of(os.stat(names[-1], dir_fd=above, follow_symlinks=False))
    except (OSError, ValueError):
        return False
    stamp = Stamp(*known.stamp)
    return there.kind == stamp.kind and (stamp == FOLDER or stamp.fits(there))

"""Errors of a workspace, made from errors of the operating system."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from batchio.errors import JournalFull, WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


def unusable(path: Path, err: OSError) -> WorkspaceError:
    """Return the error to raise when `path` could not be used because of `err`."""
    if err.errno in NO_ROOM:
        return JournalFull(f"no room left in {path}", hint="free some space on that disk")
    return WorkspaceError(
        f"cannot use {err.filename or path}: {err.strerror or err}",
        hint="--workspace, or BATCHIO_WORKSPACE, names another folder",
    )

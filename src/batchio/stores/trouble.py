"""Errors of a workspace, made from those of the operating system, or of a bucket."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from batchio.errors import (
    JournalDown,
    JournalFull,
    NoAccess,
    NotAuthorised,
    ProviderError,
    UsageError,
    WorkspaceError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


def unusable(path: Path, err: OSError) -> WorkspaceError:
    """Return the error to raise when `path` could not be used because of `err`."""
    if err.errno in NO_ROOM:
        return JournalFull(f"no space left in {path}", hint="free some space on that disk")
    return WorkspaceError(
        f"cannot use {err.filename or path}: {err.strerror or err}",
        hint="to use another folder: --workspace, or BATCHIO_WORKSPACE",
    )


@contextmanager
def answering() -> Iterator[None]:
    """Turn what a bucket raises into errors of a workspace.

    Raises:
        JournalDown: it does not answer.
        NoAccess: a person has to change something first.
    """
    try:
        yield
    except ProviderError as err:
        raise JournalDown(err.message, where=err.where, hint=err.hint) from None
    except (NotAuthorised, UsageError) as err:
        raise NoAccess(err.message, where=err.where, hint=err.hint) from None

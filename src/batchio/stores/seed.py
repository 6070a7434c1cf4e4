"""The secret of a job in a folder: 32 random bytes, in a file that only its user may read."""

from __future__ import annotations

import errno
import os
import secrets
from typing import TYPE_CHECKING, Final

from batchio.errors import JournalFull, WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

SEED_FILE: Final = "seed"

SIZE: Final = 32
"""Number of bytes of a secret."""


def folder_seed(folder: Path) -> bytes:
    """Return the secret in a job's folder; make it when there is none, or a torn one.

    Only the holder of the job's lease may ask.

    Raises:
        JournalFull, WorkspaceError: it cannot be kept.
    """
    path = folder / SEED_FILE
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = b""
    except OSError as error:
        raise WorkspaceError(f"cannot read {path}: {error.strerror}") from error
    if len(found) == SIZE:
        return found
    made, draft = secrets.token_bytes(SIZE), folder / f"{SEED_FILE}.part"
    try:
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "wb") as file:
            file.write(made)
            file.flush()
            os.fsync(fd)
        draft.replace(path)
    except OSError as error:
        kind = JournalFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else WorkspaceError
        raise kind(f"cannot write {path}: {error.strerror}") from error
    return made

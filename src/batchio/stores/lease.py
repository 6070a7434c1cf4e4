"""The lease: one head for each job, by a locked file. The kernel unlocks it when the head dies.

It guards one computer's folder, as SQLite's own locks do; neither works over NFS.
Everything here blocks for at most LEASE_PATIENCE_S.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from batchio.errors import LeaseHeld, NoSuchJob, WorkspaceError
from batchio.ports import Holder

if TYPE_CHECKING:
    from pathlib import Path

LOCK_FILE: Final = "head.lock"

LEASE_PATIENCE_S: Final = 0.3
"""Seconds to wait for the lease: `holder` in another process has a shared lock for an instant."""


class Lease:
    """The right to be the head of the job in `folder`, until `release` or death.

    A child made by fork() without exec() would share it: start programs with exec, which
    closes it (Python opens files close-on-exec, PEP 446).

    Args:
        kind: Kind of the head, as in `JobSpec.head`.

    Raises:
        LeaseHeld: another head has it; names pid and host.
        NoSuchJob: there is no such folder.
    """

    def __init__(self, folder: Path, kind: str = "local") -> None:
        path = folder / LOCK_FILE
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            raise NoSuchJob(f"there is no job in {folder}") from None
        give_up = time.monotonic() + LEASE_PATIENCE_S
        while not _lock(self._file, fcntl.LOCK_EX):
            if time.monotonic() > give_up:
                who = _read(self._file)
                os.close(self._file)
                raise _held(folder.name, who)
            time.sleep(0.01)
        os.ftruncate(self._file, 0)
        # When the disk is full the lease holds all the same, only nameless.
        with suppress(OSError):
            line = f"{os.getpid()} {socket.gethostname()} {kind}\n"
            os.pwrite(self._file, line.encode(), 0)

    def release(self) -> None:
        """Release the lease. Repeatable."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def holder(folder: Path) -> Holder | None:
    """Return the holder of the lease, without taking it; None when nobody holds it."""
    try:
        file = os.open(folder / LOCK_FILE, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _lock(file, fcntl.LOCK_SH) else _read(file)
    finally:
        os.close(file)


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as err:
        raise WorkspaceError(
            f"the file system of the workspace does not support file locks ({err.strerror})",
            hint="use a workspace on a disk of this computer: BATCHIO_WORKSPACE=FOLDER",
        ) from err
    return True


def _read(file: int) -> Holder:
    words = os.pread(file, 300, 0).decode(errors="replace").split()[:3]
    pid, host, kind = [*words, *("", "", "local")[len(words) :]]  # older heads said no kind
    return Holder(int(pid), host, kind) if pid.isdecimal() else Holder(0, "")


def _held(job: str, who: Holder) -> LeaseHeld:
    known = f" (process {who.pid} on {who.host})" if who.pid else ""
    return LeaseHeld(
        f"another process runs job {job}{known}",
        hint=f"to see its state: batchio status {job}",
    )

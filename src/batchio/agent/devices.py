"""The GPUs of this node: which attempt has which, beside the other jobs of the account."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Devices:
    """The GPUs that are in use, each a locked file beside the homes of all agents of the account.

    The lock is the truth; it ends with its agent. The file is removed with it, so a process
    that locked a file checks whether it is still the one of that name.
    """

    def __init__(self, home: str) -> None:
        self.folder = os.path.dirname(os.fsencode(home))
        self.held: dict[bytes, int] = {}  # name: descriptor

    def reserve(self, names: Sequence[bytes], first: int, count: int) -> list[bytes]:
        """Reserve free GPUs, beginning with the slot's own; return none when too few are free.

        Where there are fewer than an attempt wants in all, it gets what there is, unlocked.
        """
        if len(names) < count:
            return [names[at % len(names)] for at in range(first, first + count)]
        taken: list[bytes] = []
        try:
            for at in range(first, first + len(names)):
                if len(taken) < count and self.lock(names[at % len(names)]):
                    taken.append(names[at % len(names)])
        except OSError:
            self.release(taken)
            raise
        if len(taken) < count:
            self.release(taken)
            return []
        return taken

    def lock(self, name: bytes) -> bool:
        if name in self.held:
            return False
        path = self.path(name)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.stat(path), os.fstat(fd)):
                self.held[name] = fd
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            if self.held.get(name) != fd:
                os.close(fd)
        return False

    def release(self, names: Sequence[bytes]) -> None:
        """Release GPUs, so that others can have them."""
        for name in names:
            fd = self.held.pop(name, -1)
            if fd >= 0:
                try:
                    os.unlink(self.path(name))
                except OSError:
                    pass
                os.close(fd)

    def path(self, name: bytes) -> bytes:
        return b"%s/gpu.%s" % (self.folder, name.strip().replace(b"/", b"-"))

"""Working directories and scratch folders: created, reused when empty, removed."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from batchio.agent.basics import FULL, raw, short_of
from batchio.agent.bundle import Bundle
from batchio.agent.chores import SLICE
from batchio.agent.spawning import Caller, NodeFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.agent.attempts import Attempt
    from batchio.agent.helpers import Helpers
    from batchio.agent.outbox import Outbox
    from batchio.agent.setup import Setup

UNTOUCHED = 86400 * 10**9 + int.from_bytes(os.urandom(3), "big")  # a folder's time, ns
REMOVE = (b"/bin/sh", b"-c", b'chmod -R u+rwX "$0" 2>/dev/null; exec rm -rf "$0"')


def make_folder(path: bytes) -> None:
    """Create a folder of mode 0700 and mark it as untouched by its time."""
    os.mkdir(path, 0o700)
    os.utime(path, ns=(UNTOUCHED, UNTOUCHED))


def remove(path: bytes, budget: int) -> int:
    """Remove a tree of at most `budget` entries; return the rest of the budget, or -1."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                budget -= 1
                if budget < 0:
                    return -1
                if entry.is_dir(follow_symlinks=False):
                    budget = remove(entry.path, budget)
                    if budget < 0:
                        return -1
                else:
                    os.unlink(entry.path)
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except (OSError, RecursionError):
        return -1
    return budget


class Folders:
    """The folders of attempts: created, reused and removed.

    On ext4 a rename costs a tenth of `rmdir` and `mkdir`, which would be most of what an
    attempt costs us. So an empty folder is the next attempt's; and one look at its time says
    that nothing was ever put in.
    """

    def __init__(self, helpers: Helpers, outbox: Outbox, home: str) -> None:
        self.helpers = helpers
        self.outbox = outbox
        self.home = os.fsencode(home)
        self.spare_work: list[bytes] = []  # empty folders, within one turn
        self.spare_scratch: list[bytes] = []
        self.scratches = 0
        self.bundle: Bundle | None = None
        for name in ("work", "tmp"):
            os.makedirs(home + "/" + name, 0o700, exist_ok=True)
        for name in os.listdir(home + "/tmp"):  # of the instance before
            self.remove(self.home + b"/tmp/" + os.fsencode(name))

    def make(self, attempt: Attempt, setup: Setup) -> Iterator[None]:
        """Make an attempt's folders and files, in slices; at the end, change to its directory.

        Raises NodeFault, and OSError of a shortage that passes.
        """
        try:
            if self.spare_scratch:
                attempt.scratch = self.spare_scratch.pop()
            else:
                self.scratches += 1
                attempt.scratch = b"%s/tmp/%d" % (self.home, self.scratches)
                make_folder(attempt.scratch)
            try:
                self.make_work(attempt.work)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
                self.remove(attempt.work)  # an older instance left it
                self.make_work(attempt.work)
            if setup.files:
                given = self.given()
                if given is None:
                    raise OSError(errno.ENOENT, "the uploaded files are not there")
                yield from given.unpack(attempt.work)
            if setup.pipe_to_files:
                self.open_copies(attempt)
            os.chdir(attempt.work)
        except OSError as error:
            if short_of(error):
                raise
            if error.errno in FULL:
                self.outbox.trouble("working directories: %s" % error.strerror)
            why = "the working directory cannot be made on this node: %s" % error.strerror
            raise NodeFault(126, why) from None

    def open_copies(self, attempt: Attempt) -> None:
        """Open the files of `--pipe-to-files`, with the rights that a task's own would have."""
        for end in (b"out", b"err"):
            path = b"%s/task-%s.%s" % (attempt.work, raw(attempt.id), end)
            copy = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            attempt.copies.append(copy)
            os.fchmod(copy, 0o666 & ~Caller.umask)

    def unmake(self, attempt: Attempt) -> None:
        """Remove the folders of an attempt that was not started."""
        while attempt.copies:
            os.close(attempt.copies.pop())
        if attempt.scratch:
            self.release_scratch(attempt.scratch, False)
            attempt.scratch = b""
        self.remove(attempt.work)

    def given(self) -> Bundle | None:
        """Return the uploaded files, or None when there are none; opened when first needed."""
        path = self.home + b"/bundle.tar"
        if self.bundle is None and os.path.exists(path):
            self.bundle = Bundle(path)
        return self.bundle

    def make_work(self, path: bytes) -> None:
        if self.spare_work:
            os.rename(self.spare_work[-1], path)
            self.spare_work.pop()
        else:
            make_folder(path)

    def keep_if_empty(self, path: bytes, spare: list[bytes]) -> bool:
        """Return whether a folder is empty; if so, keep it in `spare` for the next attempt."""
        try:
            info = os.stat(path)
            if info.st_mtime_ns != UNTOUCHED or info.st_mode != stat.S_IFDIR | 0o700:
                with os.scandir(path) as entries:
                    if any(entries):  # a list of all could be long
                        return False
                os.chmod(path, 0o700)
                os.utime(path, ns=(UNTOUCHED, UNTOUCHED))
        except OSError:
            return False
        spare.append(path)
        return True

    def keep_work_if_empty(self, path: bytes) -> bool:
        return self.keep_if_empty(path, self.spare_work)

    def release_scratch(self, path: bytes, strays: bool) -> None:
        """Reuse or remove a scratch folder; one in which strays may write is removed."""
        if strays or not self.keep_if_empty(path, self.spare_scratch):
            self.remove(path)

    def remove_spare(self) -> None:
        """Remove the spare working directories that no attempt of this turn reused."""
        while self.spare_work:
            path = self.spare_work.pop()
            try:
                os.rmdir(path)
            except OSError:  # something that escaped us writes there
                self.remove(path)

    def remove(self, path: bytes) -> None:
        """Remove a tree: a small one at once, a large one by a helper."""
        if remove(path, SLICE) >= 0:
            return
        trash = b"%s/tmp/.gone.%s" % (self.home, os.urandom(6).hex().encode())
        try:
            os.rename(path, trash)
        except OSError:
            return
        self.helpers.run([*REMOVE, trash])

    def remove_all(self) -> None:
        """Remove the folders of all attempts: a small tree at once, a large one by a helper."""
        for path in (self.home + b"/work", self.home + b"/tmp"):
            if remove(path, SLICE) < 0:
                self.helpers.run([*REMOVE, path])

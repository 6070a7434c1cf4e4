"""One folder and all below it, reached name by name from a descriptor.

No link below the folder is ever followed, whoever put it there and whenever: neither when
something is made, nor when it is replaced, nor on the way down. Everything here blocks.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Names = tuple[str, ...]
"""The names that lead from the top to something; none for the top itself."""
Absent = Callable[[int, Names], None]

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

NO_FOLDER: Final = (errno.ENOTDIR, errno.ELOOP)
"""Error numbers when a link or a file is opened as a folder; systems differ in which."""


class Tree:
    """A folder that is held open.

    Args:
        top: Path of the folder; this may be a link, as a user typed it.
        fd: Descriptor of the folder, when it is open already; it is closed with this object.

    Raises:
        OSError: there is no such folder, or it may not be entered.
    """

    def __init__(self, top: Path, fd: int | None = None) -> None:
        self.top = top
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        self.fd = os.open(top, flags) if fd is None else fd
        self._at: Names = ()
        self._at_fd = self.fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_folder()
        os.close(self.fd)

    def folder(self, names: Names, absent: Absent | None = None) -> int:
        """Return the descriptor of a folder; it is valid until the next call.

        Args:
            absent: Makes a folder that is missing or is something else; called with the
                descriptor of the folder above it, and the names that lead to it.

        Raises:
            OSError: there is no such folder, and `absent` made none.
        """
        known = len(self._at)
        if names[:known] != self._at:
            self._close_folder()
            known = 0
        for end in range(known + 1, len(names) + 1):
            below = _enter(self._at_fd, names[:end], absent)
            self._close_folder()
            self._at, self._at_fd = names[:end], below
        return self._at_fd

    def below(self, name: str) -> Tree:
        """Open the folder of this name at the top; make it when there is nothing.

        Raises:
            OSError: there is something else, or it cannot be made.
        """
        self._close_folder()
        return Tree(self.top / name, _enter(self.fd, (name,), new_folder))

    def new_file(self, names: Names, name: str) -> int:
        """Make a new file and return its descriptor, to write; only its owner may read it yet.

        Raises:
            FileExistsError: something of that name is there.
            OSError: it cannot be made.
        """
        return os.open(name, _NEW_FILE, 0o600, dir_fd=self.folder(names, new_folder))

    def new_link(self, names: Names, name: str, to: str) -> None:
        """Make a symbolic link. Raises as `new_file`."""
        os.symlink(to, name, dir_fd=self.folder(names, new_folder))

    def read_file(self, names: Names, name: str) -> int:
        """Open a file and return its descriptor, to read."""
        return os.open(name, _FILE, dir_fd=self.folder(names))

    def walk(self, names: Names = ()) -> Iterator[tuple[Names, str, os.stat_result]]:
        """Yield (folder, name, status) of everything below `names`, in the order of names.

        A folder comes before what it holds. What is removed meanwhile is skipped.
        """
        waiting = [names]
        while waiting:
            at = waiting.pop()
            with suppress(FileNotFoundError):
                below = []
                for name in sorted(os.listdir(self.folder(at))):
                    with suppress(FileNotFoundError):
                        status = os.stat(name, dir_fd=self.folder(at), follow_symlinks=False)
                        if stat.S_ISDIR(status.st_mode):
                            below.append((*at, name))
                        yield at, name, status
                waiting += reversed(below)

    def remove(self, name: str) -> None:
        """Remove the file or folder of this name at the top, with all below it, if it is there.

        Two descriptors are enough for any depth: what stands in a folder is moved to the top.

        Raises:
            OSError: something cannot be removed.
        """
        self._close_folder()
        waiting, count = [name], 0
        while waiting:
            try:
                below = os.open(waiting[-1], _FOLDER, dir_fd=self.fd)
            except FileNotFoundError:
                waiting.pop()
                continue
            except OSError as err:
                if err.errno not in NO_FOLDER:
                    raise
                os.unlink(waiting.pop(), dir_fd=self.fd)
                continue
            try:
                folders = []
                for inner in os.listdir(below):
                    status = os.stat(inner, dir_fd=below, follow_symlinks=False)
                    if not stat.S_ISDIR(status.st_mode):
                        os.unlink(inner, dir_fd=below)
                        continue
                    count += 1
                    pulled = f"{name}.{count}"
                    os.rename(inner, pulled, src_dir_fd=below, dst_dir_fd=self.fd)
                    folders.append(pulled)
            finally:
                os.close(below)
            os.rmdir(waiting.pop(), dir_fd=self.fd)
            waiting += folders

    def _close_folder(self) -> None:
        if self._at_fd != self.fd:
            os.close(self._at_fd)
        self._at, self._at_fd = (), self.fd


def new_folder(above: int, names: Names) -> None:
    """Make a folder if there is nothing of that name; two may do so at the same time.

    Raises:
        OSError: it cannot be made. Entering it says when something else is there.
    """
    with suppress(FileExistsError):
        os.mkdir(names[-1], dir_fd=above)


def _enter(above: int, names: Names, absent: Absent | None) -> int:
    try:
        return os.open(names[-1], _FOLDER, dir_fd=above)
    except OSError as err:
        if absent is None or err.errno not in (errno.ENOENT, *NO_FOLDER):
            raise
    absent(above, names)
    return os.open(names[-1], _FOLDER, dir_fd=above)

"""Putting output files in place below a task's folder, and nowhere else.

They are written beside their place first, and moved when they are complete. A file that is in
the way is replaced when it is of this job or older than it, and else kept with a `~` behind its
name. Everything here blocks.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.sizes import format_bytes
from batchio.runtime.tree import NO_FOLDER, Names, Tree, new_folder
from batchio.runtime.untar import Garbled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from batchio.runtime.untar import Archive, Member

RIGHTS: Final = 0o777
"""Bits of a file's mode that are kept: no set-uid, no set-gid, no sticky bit."""

KEPT_FREE: Final = 64 << 20
"""Bytes of a disk that are kept free for the journal, or a 20th of a small disk."""

_SECOND: Final = 10**9
_LOOK_EVERY: Final = 16 << 20
"""Bytes written between two checks of the disk's free room."""


class Refused(Exception):
    """Outputs are such as no task may have; trying again is no use."""


class Unsaved(Exception):
    """Outputs could not be kept now: no room, no right, something in the way; later they may."""


class Stamp(NamedTuple):
    """What identifies a file, also where it was copied together with its time."""

    kind: int
    size: int
    mtime: int
    """Nanoseconds since 1970."""

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Return the stamp of a file with this status."""
        return cls(stat.S_IFMT(status.st_mode), status.st_size, status.st_mtime_ns)

    def fits(self, there: Stamp) -> bool:
        """Return whether a file with the stamp `there` is the same file.

        Files of tasks come with whole seconds, of which FAT keeps every second one; who
        writes a file leaves a fraction, where the disk has any. Links have no time of ours.
        """
        rounded = not there.mtime % _SECOND and abs(self.mtime - there.mtime) <= 2 * _SECOND
        same_time = self.kind == stat.S_IFLNK or self.mtime == there.mtime or rounded
        return self[:2] == there[:2] and same_time


class Room:
    """Free room on the disk of one folder.

    Raises:
        OSError: (ENOSPC) from `use`, when only the reserve is left.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._left = 0

    def use(self, size: int) -> None:
        """Count `size` bytes that are about to be written. Raises OSError: there is no room."""
        self._left -= size
        if self._left < 0:
            disk = os.fstatvfs(self._fd)
            whole, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
            reserve = min(KEPT_FREE, whole // 20)
            if whole and free - size < reserve:
                raise OSError(
                    errno.ENOSPC,
                    f"No space left on device ({format_bytes(reserve)} are kept free)",
                )
            self._left = _LOOK_EVERY


def unpack(archive: Archive, part: Tree) -> None:
    """Write everything of an archive below an empty folder.

    Raises:
        Garbled: it is no archive, or leads through a link or a file of its own.
        Refused: two members have one name, as this disk sees it.
        OSError: it cannot be written.
    """
    room = Room(part.fd)
    for member in archive:
        try:
            _unpack_one(archive, member, part, room)
        except FileExistsError as err:
            raise Refused(f"two files have the same name here: {'/'.join(member.names)}") from err
        except OSError as err:
            if err.errno in NO_FOLDER:
                path = "/".join(member.names)
                raise Garbled(
                    f"a task wrote something that is not a file of its own: {path}"
                ) from err
            raise


def _unpack_one(archive: Archive, member: Member, part: Tree, room: Room) -> None:
    above, name = member.names[:-1], member.names[-1]
    if member.is_folder:
        part.folder(member.names, new_folder)
    elif member.link is not None:
        part.new_link(above, name, member.link)
    else:
        fd = part.new_file(above, name)
        try:
            write(fd, archive.content(), member.size, room)
            finish(fd, member.mode, member.mtime * _SECOND)
        finally:
            os.close(fd)


def write(fd: int, content: Iterable[tuple[int, bytes]], size: int, room: Room) -> None:
    """Write pairs (offset, bytes) into a new file of `size` bytes; the gaps are holes."""
    end = 0
    for offset, data in content:
        room.use(len(data))
        view = memoryview(data)
        while view:
            done = os.pwrite(fd, view, offset)
            offset, view = offset + done, view[done:]
        end = offset
    if end != size:
        os.ftruncate(fd, size)


def finish(fd: int, mode: int, mtime_ns: int) -> None:
    """Give a new file its mode, within RIGHTS, and its time in nanoseconds since 1970."""
    with suppress(OSError, OverflowError):  # a time that this disk does not know
        os.utime(fd, ns=(mtime_ns, mtime_ns))
    os.fchmod(fd, mode & RIGHTS)


class Placing:
    """Moves everything below one folder to its place below another.

    Args:
        source: The folder of the files to move; on the same disk as `target`.
        target: The folder of all tasks.
        task: Name of the task's folder there.
        newer_than: Unix seconds; a file in the way that is older is replaced.
        ours: Returns whether this job put a file there, from its path below the task's folder
            and its stamp.
    """

    def __init__(
        self,
        source: Tree,
        target: Tree,
        task: str,
        newer_than: float,
        ours: Callable[[str, Stamp], bool] = lambda *_: False,
    ) -> None:
        self._source = source
        self._target = target
        self._task = task
        self._newer_than = newer_than
        self._ours = ours
        self.kept: list[str] = []
        """A sentence about each earlier file that was renamed to be kept."""
        self.made: list[Names] = []
        """The folders that were made, each by the names that lead to it."""

    def run(self) -> None:
        """Move all files.

        Raises:
            OSError: something could not be moved; the rest stays where it was.
        """
        for above, name, status in self._source.walk():
            names = (self._task, *above, name)
            if stat.S_ISDIR(status.st_mode):
                self._target.folder(names, self._make_folder)
                continue
            there = self._target.folder(names[:-1], self._make_folder)
            self._make_way(there, names, Stamp.of(status))
            here = self._source.folder(above)
            os.rename(name, name, src_dir_fd=here, dst_dir_fd=there)

    def _make_folder(self, above: int, names: Names) -> None:
        self._make_way(above, names, None)
        new_folder(above, names)
        self.made.append(names)

    def _make_way(self, above: int, names: Names, coming: Stamp | None) -> None:
        """Rename or remove what is in the way of a new file, or of a folder (`coming` None)."""
        name = names[-1]
        try:
            status = os.stat(name, dir_fd=above, follow_symlinks=False)
        except FileNotFoundError:
            return
        there = Stamp.of(status)
        known = coming == there or self._ours("/".join(names[1:]), there)
        if there.kind == stat.S_IFDIR:  # two may make the same one
            if coming and not _removed(above, name):
                self._keep(above, names, "was in the way")
        elif not known and coming is None and there.kind == stat.S_IFLNK:
            self._keep(above, names, "was a link in the way of a folder")
        elif not known and status.st_mtime > self._newer_than:
            self._keep(above, names, "was newer than the job")
        elif coming is None:
            os.unlink(name, dir_fd=above)

    def _keep(self, above: int, names: Names, why: str) -> None:
        path, name = os.path.join(self._target.top, *names), names[-1]
        other, count = f"{name}~", 1
        with suppress(FileNotFoundError):
            while True:
                os.stat(other, dir_fd=above, follow_symlinks=False)
                count += 1
                other = f"{name}~{count}"
        os.rename(name, other, src_dir_fd=above, dst_dir_fd=above)
        self.kept.append(f"{path} {why}; it is now {os.path.dirname(path)}/{other}")


def _removed(above: int, name: str) -> bool:
    """Remove a folder if it is empty; return whether it was removed."""
    try:
        os.rmdir(name, dir_fd=above)
    except OSError:
        return False
    return True

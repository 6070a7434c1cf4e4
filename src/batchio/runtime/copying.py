"""Copying a job's outputs into another folder, under the rules of `placing`. Blocks."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from batchio.errors import UsageError, WorkspaceError
from batchio.runtime.brought import clean as remove_brought
from batchio.runtime.brought import standing
from batchio.runtime.landing import Landing, known_as_ours, stamps_in
from batchio.runtime.placing import Placing, Room, finish, write
from batchio.runtime.tree import Tree, new_folder
from batchio.runtime.untar import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchio.core.job import Job
    from batchio.ports import JobStore


class Download(NamedTuple):
    """The result of copying outputs."""

    tasks: int
    """Number of tasks with output files."""
    kept: tuple[str, ...]
    """A sentence about each earlier file that was renamed to be kept."""
    others: tuple[str, ...] = ()
    """Ids of other jobs of which files lie there, the newest last."""


def copy_outputs(
    store: JobStore, job: Job, source: Path, target: Path, *, clean: bool = False
) -> Download:
    """Copy the folders of a job's tasks from `source` to `target`.

    A file in `target` that is newer than the job, and not from it, is kept with a `~` behind
    its name; no link that stands below `target` is followed.

    Args:
        clean: First remove from `target` what jobs brought there and nobody has changed.

    Raises:
        UsageError: the target is inside the source.
        WorkspaceError: something cannot be read or written.
    """
    try:
        here = Tree(source)
    except FileNotFoundError:
        return Download(0, ())
    except OSError as err:
        raise WorkspaceError(f"{source} cannot be read: {err.strerror}") from err
    with here:
        count, kept, record = 0, [], store.brought(target)
        own = f".batchio-{job.id}.{os.getpid()}"
        landing = Landing(target, job.id, store.placed(), brought=record, waiting=own)
        names = [
            name for name in os.listdir(here.fd) if name.isdecimal() and int(name) in job.spec.tasks
        ]
        try:
            if _one_in_the_other(source, target):
                return Download(len(names), ())
            if clean:
                remove_brought(target, record)
            others = {one.job: None for one in standing(target, record).values()}
            others.pop(job.id, None)
            for name in sorted(names, key=int):
                kept += _copy_task(here, landing, name, job.submitted)
                count += 1
        except OSError as err:
            raise unwritable(target, err) from err
        finally:
            landing.sweep()
    return Download(count, tuple(kept), tuple(others))


def unwritable(target: Path, err: OSError) -> WorkspaceError:
    """Return the error for a folder that outputs cannot be brought to."""
    said = f"{err.strerror}: {err.filename}" if err.filename else err.strerror
    return WorkspaceError(f"{target} cannot be written: {said}")


def _one_in_the_other(source: Path, target: Path) -> bool:
    """Return whether both are the same folder. Raises UsageError: target is inside source."""
    one, other = os.path.realpath(source), os.path.realpath(target)
    if one != other and other.startswith(one + os.sep):
        raise UsageError(f"{target} is inside {source}", hint="choose another folder")
    return one == other


def _copy_task(here: Tree, landing: Landing, name: str, newer_than: float) -> list[str]:
    with landing.open() as target, landing.enter() as waiting, waiting.below(name) as part:
        room = Room(part.fd)
        for above, inner, status in here.walk((name,)):
            at = above[1:]
            if stat.S_ISDIR(status.st_mode):
                part.folder((*at, inner), new_folder)
            elif stat.S_ISLNK(status.st_mode):
                part.new_link(at, inner, os.readlink(inner, dir_fd=here.folder(above)))
            elif stat.S_ISREG(status.st_mode):
                source = here.read_file(above, inner)
                try:
                    copy_file(source, part.new_file(at, inner), room)
                finally:
                    os.close(source)
        placing = Placing(part, target, name, newer_than, known_as_ours(landing.placed, int(name)))
        landing.place(int(name), stamps_in(part), placing)
    landing.remove(name)
    return placing.kept


def copy_file(source: int, copy: int, room: Room) -> None:
    """Copy an open file, with its holes, mode and time, into a new one, and close that."""
    try:
        status = os.fstat(source)
        write(copy, _content(source, status.st_size), status.st_size, room)
        finish(copy, status.st_mode, status.st_mtime_ns)
    finally:
        os.close(copy)


def _content(fd: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, bytes) of an open file's data, without its holes."""
    at = 0
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
            end = min(os.lseek(fd, at, os.SEEK_HOLE), size)
        except OSError as err:
            if err.errno == errno.ENXIO:  # nothing but a hole follows
                return
            end = size  # a disk that knows no holes
        while at < end:
            data = os.pread(fd, min(end - at, CHUNK), at)
            if not data:
                return
            yield at, data
            at += len(data)

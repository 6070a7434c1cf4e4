"""Bringing what tasks made or changed back to the folder of --sync, when all of them are done.

Each file goes to the relative path that it had for its task. Where that cannot be, it goes below
its task's id: two tasks wrote different contents there, something of the user's stands there, or
the name is one that no task may write (`.git`). What is the user's is never replaced, but for the
inputs as they were sent; no link is followed, and none is put where a later job would read it.
Everything here blocks.
"""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchio.errors import WorkspaceError
from batchio.runtime.bringing import bring_outputs
from batchio.runtime.brought import FOLDER
from batchio.runtime.copying import copy_file
from batchio.runtime.landing import Landing
from batchio.runtime.placing import Room, Stamp
from batchio.runtime.tree import NO_FOLDER, Names, Tree
from batchio.runtime.untar import CHUNK

if TYPE_CHECKING:
    from batchio.core.job import Job
    from batchio.core.machine import Machine
    from batchio.ports import JobStore
    from batchio.runtime.context import JobContext

CLOSED: Final = frozenset((".git", "__pycache__", ".venv"))
"""Names that are never sent; what tasks write below them runs or counts in a later job's life."""

OURS: Final = ".batchio"
"""The beginning of names that batchio itself uses in folders of the user's."""

AGAIN_S: Final = (0, 1, 2, 4, 8, 16, 30)
"""Seconds before each try to write into the folder."""

NAMED: Final = 3
"""Number of files of one kind that sentences name."""


async def merged(context: JobContext, machine: Machine, store: JobStore) -> str:
    """Bring the job's outputs to the folder of --sync; return why that could not be, or "".

    What stands elsewhere than where its task had it is noted. While there is no room or no right
    to write, it is tried again for a minute.
    """
    job = machine.running_job
    parts = store.parts()
    source = Path(job.spec.collect) if job.spec.collect and not parts else store.outputs()
    target = Path(job.spec.sync or "")
    why = ""
    for number, pause in enumerate(AGAIN_S):
        if number == 1:
            said_so = f"output files cannot be copied to {target}: {why}; batchio tries again"
            context.note(said_so, waits=True)
        await context.clock.sleep(pause)
        try:
            if parts:
                await asyncio.to_thread(bring_outputs, store, parts, job, source)
            said = await asyncio.to_thread(merge, store, job, source, target)
        except WorkspaceError as err:
            why = str(err)
            continue
        except OSError as err:
            why = f"{err.strerror}: {err.filename}" if err.filename else str(err.strerror)
            continue
        for sentence in said:
            context.note(sentence)
        return ""
    return f"output files could not be copied to {target} ({why}); they are in {source}"


def merge(store: JobStore, job: Job, source: Path, target: Path) -> list[str]:
    """Copy what a job's tasks left in `source`, below their ids, to `target`.

    Repeatable: what is there already is left as it is. Returns sentences about the files that
    are below their task's id, or could not be brought at all.

    Raises:
        OSError: something cannot be read or written.
    """
    try:
        here = Tree(source)
    except FileNotFoundError:
        return []
    landing = Landing(target, job.id, store.placed())
    try:
        with here, Tree(target) as there, landing.enter() as waiting:
            return _Merge(store, job, here, there, waiting).run()
    finally:
        landing.sweep()


class _Merge:
    def __init__(self, store: JobStore, job: Job, here: Tree, there: Tree, waiting: Tree) -> None:
        self._job = job
        self._here = here
        self._there = there
        self._waiting = waiting
        self._record = store.brought(there.top)
        self._known = self._record.read()
        self._sent = {file.path: file.size for file in job.spec.files}
        self._room = Room(waiting.fd)
        self._files: dict[Names, list[str]] = {}
        """The tasks that wrote each file or link."""
        self._folders: set[Names] = set()
        """The folders that tasks left, empty or not."""
        self._brought: set[Names] = set()
        """Where something of this job stands now."""
        self._made: list[Names] = []
        self._differ: list[str] = []
        self._yours: list[str] = []
        self._left: list[str] = []

    def run(self) -> list[str]:
        self._look()
        for names, tasks in self._files.items():
            if self._is_shared(names, tasks) and self._bring(tasks[0], names, names):
                continue
            for task in tasks:
                if not self._bring(task, names, (task, *names)):
                    self._left.append("/".join((task, *names)))
        above = {names[:end] for names in self._files for end in range(1, len(names))}
        for names in sorted(self._folders - above):
            if _is_open(names) and not self._is_below_a_file(names):
                self._folder(names)
        self._record.add(self._job.id, [("/".join(names), FOLDER) for names in self._made])
        return [*self._sentences()]

    def _look(self) -> None:
        """Find out which tasks wrote what."""
        names = filter(str.isdecimal, os.listdir(self._here.fd))
        for task in sorted((name for name in names if int(name) in self._job.spec.tasks), key=int):
            for above, name, status in self._here.walk((task,)):
                place = (*above[1:], name)
                if stat.S_ISDIR(status.st_mode):
                    self._folders.add(place)
                else:
                    self._files.setdefault(place, []).append(task)

    def _is_shared(self, names: Names, tasks: list[str]) -> bool:
        """Return whether a file may go to its own place, for all tasks that wrote it."""
        if not _is_open(names):
            return False
        same = all(self._is_same(names, tasks[0], task) for task in tasks[1:])
        if not same or names in self._folders or self._is_below_a_file(names):
            self._differ.append("/".join(names))
            return False
        return stat.S_ISREG(self._status((tasks[0], *names)).st_mode)

    def _is_below_a_file(self, names: Names) -> bool:
        return any(names[:end] in self._files for end in range(1, len(names)))

    def _bring(self, task: str, names: Names, place: Names) -> bool:
        """Copy a file or link of a task to its place; return False when it cannot be there."""
        path, shared = "/".join(place), place == names
        try:
            above = self._there.folder(place[:-1], self._make)
        except OSError as err:
            if err.errno in NO_FOLDER:
                return self._refused(path, shared)
            raise
        try:
            there = os.stat(place[-1], dir_fd=above, follow_symlinks=False)
        except FileNotFoundError:
            there = None
        if there is not None:
            if place in self._brought:
                return False
            if self._is_there(task, names, place):
                self._brought.add(place)
                return True
            if not self._is_replaceable(path, there):
                return self._refused(path, shared)
        known = self._known.get(path)
        is_input = there is not None and (known.input if known else path in self._sent)
        copy = self._copied(task, names)
        self._record.add(self._job.id, [(path, copy)], inputs=is_input)
        above = self._there.folder(place[:-1])
        os.rename("copy", place[-1], src_dir_fd=self._waiting.fd, dst_dir_fd=above)
        self._brought.add(place)
        return True

    def _refused(self, path: str, shared: bool) -> bool:
        if shared:
            self._yours.append(path)
        return False

    def _is_replaceable(self, path: str, there: os.stat_result) -> bool:
        """Return whether a file was brought by a job, or is an input as it was sent."""
        stamp, known = Stamp.of(there), self._known.get(path)
        if stamp.kind != stat.S_IFREG:
            return False
        if known is not None and Stamp(*known.stamp).fits(stamp):
            return True
        return self._sent.get(path) == stamp.size and there.st_mtime <= self._job.submitted

    def _copied(self, task: str, names: Names) -> Stamp:
        """Copy a file or link into the folder for what is not whole yet; return its stamp."""
        self._waiting.remove("copy")
        above = (task, *names[:-1])
        if stat.S_ISLNK(self._status((task, *names)).st_mode):
            to = os.readlink(names[-1], dir_fd=self._here.folder(above))
            self._waiting.new_link((), "copy", to)
        else:
            source = self._here.read_file(above, names[-1])
            try:
                copy_file(source, self._waiting.new_file((), "copy"), self._room)
            finally:
                os.close(source)
        return Stamp.of(os.stat("copy", dir_fd=self._waiting.fd, follow_symlinks=False))

    def _is_there(self, task: str, names: Names, place: Names) -> bool:
        return _equal((self._here, (task, *names)), (self._there, place))

    def _is_same(self, names: Names, one: str, other: str) -> bool:
        return _equal((self._here, (one, *names)), (self._here, (other, *names)))

    def _status(self, names: Names) -> os.stat_result:
        above = self._here.folder(names[:-1])
        return os.stat(names[-1], dir_fd=above, follow_symlinks=False)

    def _folder(self, names: Names) -> None:
        try:
            self._there.folder(names, self._make)
        except OSError as err:
            if err.errno not in NO_FOLDER:
                raise

    def _make(self, above: int, names: Names) -> None:
        try:
            os.mkdir(names[-1], dir_fd=above)
        except FileExistsError:  # no folder: entering it says so
            return
        self._made.append(names)

    def _sentences(self) -> list[str]:
        top, source = self._there.top, self._here.top
        return [
            *_named(self._differ, f"was written by several tasks; their versions are in {top}/ID"),
            *_named(self._yours, f"is yours; what tasks wrote there is in {top}/ID"),
            *_named(self._left, f"stays in {source}: something else has its place"),
        ]


def _named(paths: list[str], what: str) -> list[str]:
    more = len(paths) - NAMED
    said = [f"{path} {what}" for path in paths[:NAMED]]
    return [*said, f"{more} more files like these"] if more > 0 else said


def _is_open(names: Names) -> bool:
    """Return whether tasks may write a path in a folder that later jobs read."""
    return not names[0].startswith(OURS) and CLOSED.isdisjoint(name.lower() for name in names)


def _equal(one: tuple[Tree, Names], other: tuple[Tree, Names]) -> bool:
    """Return whether two regular files hold the same bytes; nothing else is equal."""
    fds: list[int] = []
    try:
        for tree, names in (one, other):
            fds.append(tree.read_file(names[:-1], names[-1]))
        kinds = [Stamp.of(os.fstat(fd)) for fd in fds]
        if any(kind.kind != stat.S_IFREG for kind in kinds) or kinds[0].size != kinds[1].size:
            return False
        while True:
            blocks = [os.read(fd, CHUNK) for fd in fds]
            if blocks[0] != blocks[1]:
                return False
            if not blocks[0]:
                return True
    except OSError as err:
        if err.errno in NO_FOLDER:  # a link
            return False
        raise
    finally:
        for fd in fds:
            os.close(fd)

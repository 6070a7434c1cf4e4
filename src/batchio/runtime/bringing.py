"""Bringing outputs that are kept as parts to a folder, under the rules of `placing`. Blocks.

A task's files are put in place when all of them have come and are as they were stored. Which
tasks have come is noted beside them until all have, so that whoever was interrupted goes on.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from batchio.errors import JournalDown, WorkspaceError
from batchio.runtime.brought import clean as remove_brought
from batchio.runtime.brought import standing
from batchio.runtime.copying import Download, unwritable
from batchio.runtime.landing import Landing, known_as_ours, stamps_in
from batchio.runtime.placing import Placing, Refused, unpack
from batchio.runtime.untar import Archive, Garbled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchio.core.job import Job
    from batchio.ports import JobStore, KeptOutputs, PartStore
    from batchio.runtime.tree import Tree

TRIES: Final = 5
"""Requests in a row that bring nothing before a download is given up."""


class PartsReader:
    """The tar stream of one task, read from its parts, each of which is checked."""

    def __init__(self, store: PartStore, task: int, kept: KeptOutputs) -> None:
        self._store = store
        self._task = task
        self._kept = kept
        self._chunks = self._read()
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return `size` bytes; fewer only at the end. Raises as `bring_outputs`."""
        out = bytearray()
        while len(out) < size:
            if not self._rest:
                self._rest = memoryview(next(self._chunks, b""))
                if not self._rest:
                    break
            want = size - len(out)
            out += self._rest[:want]
            self._rest = self._rest[want:]
        return bytes(out)

    def finish(self) -> None:
        """Read what is behind the archive's end, so that all is checked."""
        for _ in self._chunks:
            pass

    def _read(self) -> Iterator[bytes]:
        for number, part in enumerate(self._kept.parts):
            size = crc = 0
            for chunk in self._whole_part(self._kept.first + number, part.size):
                size += len(chunk)
                crc = zlib.crc32(chunk, crc)
                yield chunk
            if (size, crc) != part:
                raise WorkspaceError(
                    f"part {number} of the outputs of task {self._task} is not what was stored",
                    where=self._store.where,
                    hint=f"batchio retry JOB --task {self._task} makes them anew",
                )

    def _whole_part(self, number: int, size: int) -> Iterator[bytes]:
        """Yield the bytes of a part; what breaks off goes on where it broke."""
        done = failures = 0
        while done < size:
            before = done
            try:
                for chunk in self._store.read(self._task, self._kept.attempt, number, done):
                    done += len(chunk)
                    yield chunk
            except JournalDown:
                failures = failures + 1 if done == before else 0
                if failures == TRIES:
                    raise
            else:
                return


def bring_outputs(
    store: JobStore, parts: PartStore, job: Job, target: Path, *, clean: bool = False
) -> Download:
    """Bring the outputs of a job's tasks to the folder `target`, below the tasks' ids.

    A file there that is newer than the job, and not from it, is kept with a `~` behind its
    name; no link that stands below `target` is followed.

    Args:
        clean: First remove from `target` what jobs brought there and nobody has changed.

    Raises:
        WorkspaceError: something cannot be read or written, or is damaged.
    """
    record = store.brought(target)
    landing = Landing(target, job.id, store.placed(), brought=record, waiting=f".batchio-{job.id}")
    kept = [(task, one) for task, one in parts.kept().items() if task in job.spec.tasks]
    said: list[str] = []
    try:
        if clean:
            landing.sweep()
            remove_brought(target, record)
        others = {one.job: None for one in standing(target, record).values()}
        others.pop(job.id, None)
        for task, one in kept:
            done = f"{task}.{one.attempt}.done"
            if not _is_noted(landing, done):
                said += _bring_task(landing, parts, task, one, job.submitted)
                with landing.enter() as waiting, waiting.below(done):
                    pass
    except OSError as err:
        raise unwritable(target, err) from err
    for task, one in kept:
        landing.remove(f"{task}.{one.attempt}.done")
    return Download(len(kept), tuple(said), tuple(others))


def _is_noted(landing: Landing, name: str) -> bool:
    return (landing.root / landing.waiting / name).is_dir()


def _bring_task(
    landing: Landing, parts: PartStore, task: int, kept: KeptOutputs, newer_than: float
) -> list[str]:
    """Bring the outputs of one task; return a sentence about each file that was kept."""
    name = f"{task}.{os.getpid()}"
    reader = PartsReader(parts, task, kept)
    try:
        with landing.open() as target, landing.enter() as waiting:
            waiting.remove(name)
            with waiting.below(name) as part:
                _unpack(reader, part, task)
                ours = known_as_ours(landing.placed, task)
                placing = Placing(part, target, str(task), newer_than, ours)
                landing.place(task, stamps_in(part), placing)
    finally:
        with suppress(OSError):
            landing.remove(name)
    return placing.kept


def _unpack(reader: PartsReader, part: Tree, task: int) -> None:
    try:
        unpack(Archive(reader), part)
    except (Garbled, Refused) as err:
        raise WorkspaceError(f"the outputs of task {task} cannot be unpacked: {err}") from err
    reader.finish()

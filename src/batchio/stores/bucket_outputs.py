"""The outputs of one job's tasks in a bucket: each attempt's tar stream, cut into parts.

    jobs/<id>/outputs/<task>.<attempt>/<number>    a part; numbers count from 0, or THROUGH_HEAD
    jobs/<id>/outputs/<task>                       which attempt's are the task's, and its parts

Nodes write the parts, behind signed URLs; the head writes which are whole, and no others count.
Those are deleted by the head of a job that is done: of attempts that were given up, whose node
was lost, or that ran again. Everything here blocks.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from batchio.core.checks import integer, items
from batchio.errors import JournalCorrupt
from batchio.ports import THROUGH_HEAD, KeptOutputs, Part
from batchio.stores.trouble import answering

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.buckets.blocking import Bucket

_PART: Final = re.compile(r"(-?\d+)\.(\d+)/(\d+)")
"""The key of a part, below the folder: task, attempt, number."""

AT_ONCE: Final = 16
"""Records that are read at the same time."""


class BucketOutputs:
    """The outputs of one job; implements `ports.PartStore`."""

    def __init__(self, bucket: Bucket, job: str) -> None:
        self.direct = bucket.signs_writes
        self._bucket = bucket
        self._folder = f"jobs/{job}/outputs/"

    @property
    def where(self) -> str:
        """How people call the place."""
        return f"{self._bucket.url}/{self._folder}".rstrip("/")

    def sign(self, task: int, attempt: int, part: int, seconds: float) -> str:
        """Return a URL that allows to PUT a part. Raises as the port says."""
        with answering():
            return self._bucket.sign(self._key(task, attempt, part), seconds, "PUT")

    def put(self, task: int, attempt: int, part: int, data: bytes) -> None:
        """Store a part. Raises as the port says."""
        with answering():
            self._bucket.put(self._key(task, attempt, part), data)

    def keep(self, task: int, kept: KeptOutputs) -> None:
        """Record that these are the outputs of a task. Raises as the port says."""
        record = {"v": 1, "attempt": kept.attempt, "parts": kept.parts, "first": kept.first}
        with answering():
            self._bucket.put(f"{self._folder}{task}", json.dumps(record).encode())

    def kept(self) -> dict[int, KeptOutputs]:
        """Return the outputs of each task that has some, by its id, rising."""
        with answering():
            names = [key.removeprefix(self._folder) for key in self._bucket.keys(self._folder)]
            tasks = sorted(int(name) for name in names if name.lstrip("-").isdecimal())
            with ThreadPoolExecutor(AT_ONCE) as threads:
                found = list(threads.map(self._read, tasks))
        return {task: kept for task, kept in zip(tasks, found, strict=True) if kept}

    def sweep(self) -> None:
        """Delete the parts that do not count. Raises as the port says."""
        with answering():
            keys = set(self._bucket.keys(self._folder))
            stored: dict[int, list[tuple[int, int, str]]] = {}
            for key in keys:
                if found := _PART.fullmatch(key.removeprefix(self._folder)):
                    task, attempt, number = map(int, found.groups())
                    stored.setdefault(task, []).append((attempt, number, key))
            doomed = []
            for task, parts in stored.items():
                series = {(attempt, number >= THROUGH_HEAD) for attempt, number, _ in parts}
                if len(series) == 1 and f"{self._folder}{task}" in keys:
                    continue
                kept = self._read(task) or KeptOutputs(0, ())
                for attempt, number, key in parts:
                    if attempt != kept.attempt or not 0 <= number - kept.first < len(kept.parts):
                        doomed.append(key)
            self._bucket.delete(doomed)

    def read(self, task: int, attempt: int, part: int, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of a part from offset `start` on. Raises as the port says."""
        with answering():
            yield from self._bucket.read(self._key(task, attempt, part), start)

    def _read(self, task: int) -> KeptOutputs | None:
        found = self._bucket.get(f"{self._folder}{task}")
        if found is None:
            return None
        try:
            said = json.loads(found.data)
            parts = [
                Part(integer(size, 1), integer(crc, 0, 0xFFFF_FFFF))
                for size, crc in map(items, items(said["parts"]))
            ]
            first = integer(said.get("first", 0))
            return KeptOutputs(integer(said["attempt"], 1), tuple(parts), first)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as err:
            where = f"{self._bucket.url}/{self._folder}{task}"
            raise JournalCorrupt(f"the record of outputs {where} is damaged: {err}") from None

    def _key(self, task: int, attempt: int, part: int) -> str:
        return f"{self._folder}{task}.{attempt}/{part}"

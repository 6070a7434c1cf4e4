"""Reading what nodes printed from a bucket; implements `ports.LogStore`. Everything blocks.

A reader lists the sealed objects once, reads of each only the line that says what it holds, and
then asks for the next live object until it is not there. A sealed object is fetched whole when a
byte of it is wanted first. What was fetched is in a file without a name, gone with the reader.
"""

from __future__ import annotations

import logging
import tempfile
import time
import weakref
from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.errors import BatchioError
from batchio.stores.log_packs import Contents, Origin, contents, live_key, numbers
from batchio.stores.trouble import answering

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from batchio.buckets.blocking import Bucket

logger = logging.getLogger(__name__)

BEGINNING: Final = 64 << 10
"""Bytes that are read of a sealed object to learn what it holds: mostly enough."""

AT_ONCE: Final = 16
"""Objects that are read at the same time."""

LOOKS: Final = 3
"""Times to list again when objects were sealed while they were read."""

LIST_S: Final = 5.0
"""Seconds between two looks for sealed objects, while the next live object is not there."""

WATCH_S: Final = 20.0
"""Seconds between two signs of a reader that follows, for which the head writes more often."""


class Run(NamedTuple):
    """A piece of a node's log, and where it is."""

    offset: int
    end: int
    key: str
    at: int
    """Place of its first byte in the object of that key."""


class BucketLogs:
    """The log bytes of one job's nodes.

    Args:
        folder: Where the file is made that takes what was fetched.
    """

    def __init__(self, bucket: Bucket, job: str, folder: Path) -> None:
        self._bucket = bucket
        self._job = job
        self._folder = folder
        self._spool: IO[bytes] | None = None
        self._fetched: dict[str, int] = {}
        """By key, where an object begins in the file of what was fetched."""
        self.origins: dict[int, Origin] = {}
        self._begin()
        self._watched: float | None = None
        """When the last sign was given that somebody follows."""

    def _begin(self) -> None:
        self._runs: dict[int, list[Run]] = {}
        self.next = 1
        """Number of the first live object that is not known."""
        self.sealed: dict[str, int] = {}
        """Sealed objects that are known, and their sizes in bytes."""
        self._listed: float | None = None

    # --- as a LogStore -------------------------------------------------------

    def catch_up(self, *, over: bool = False) -> None:
        """Look for what was printed since the last time; `over`: nothing more will be."""
        if not over:
            self._say_watched()
        with answering():
            if over or self._listed is None:
                self._list()
            missing = not self._follow()
            looks = LOOKS if over else 0
            while looks and self._list():  # what was sealed between two looks was in neither
                self._follow()
                looks -= 1
            if missing and not over and time.monotonic() >= (self._listed or 0.0) + LIST_S:
                self._list()
                self._follow()

    def nodes(self) -> list[int]:
        """Return the numbers of the nodes that have logs."""
        return sorted(self._known())

    def starts(self, node: int) -> list[int]:
        """Return the byte offsets at which a node's pieces begin, rising."""
        return [run.offset for run in self._known().get(node, ())]

    def end(self, node: int) -> int:
        """Return the offset behind a node's last byte that is known."""
        runs = self._known().get(node)
        return runs[-1].end if runs else 0

    def read(self, node: int, offset: int, most: int) -> bytes:
        """Return at most `most` bytes of one piece, from an offset in the node's log on."""
        for _ in range(3):
            run = self._run(node, offset)
            if run is None or not run.offset <= offset < run.end:
                return b""
            with answering():
                begin = self._fetch(run.key)
            if begin is not None:
                assert self._spool is not None
                self._spool.seek(begin + run.at + offset - run.offset)
                return self._spool.read(max(min(most, run.end - offset), 0))
            self._begin()  # it became part of a larger one
            self.catch_up(over=True)
        return b""

    def place(self, node: int, offset: int) -> str:
        """Return the object of a byte of a node's log, and its offset there, for messages."""
        run = self._run(node, offset)
        if run is None:
            return f"{self._bucket.url}/jobs/{self._job}/logs of node {node}"
        return f"{self._bucket.url}/{run.key} at byte {run.at + offset - run.offset}"

    # --- which objects there are ---------------------------------------------

    def _known(self) -> dict[int, list[Run]]:
        if self._listed is None:
            self.catch_up(over=True)
        return self._runs

    def _run(self, node: int, offset: int) -> Run | None:
        """Return the piece that holds an offset, or that before it; None without any before."""
        runs = self._known().get(node, [])
        index = bisect_right(runs, offset, key=lambda run: run.offset) - 1
        return runs[index] if index >= 0 else None

    def _list(self) -> bool:
        """Learn what the sealed objects hold that are not known, and all live ones at first.

        Returns whether there was a sealed one that was not known.
        """
        first, self._listed = self._listed is None, time.monotonic()
        for look in range(LOOKS):
            place = f"jobs/{self._job}/logs/"
            keys = [key for key in self._bucket.keys(place) if numbers(key)]
            new = [key for key in keys if key not in self.sealed and self._reaches(key)]
            for key, beginning in zip(new, self._many(new, BEGINNING), strict=True):
                if beginning is not None:
                    self._take_sealed(key, *beginning)
            if not first or self._take_all_live(lenient=look == LOOKS - 1):
                break
        return bool(new)

    def _take_all_live(self, *, lenient: bool) -> bool:
        """Learn what all live objects hold; False: some are missing, or were sealed meanwhile.

        Args:
            lenient: Pass over those that are missing.
        """
        place = live_key(self._job, 0)[:-10]
        keys = self._bucket.keys(place, live_key(self._job, self.next - 1))
        for key, found in zip(keys, self._many(keys), strict=True):
            if not lenient and (found is None or key != live_key(self._job, self.next)):
                return False
            if found is not None and key[len(place) :].isdecimal():
                self.next = int(key[len(place) :])
                self._take_live(found[0])
        return True

    def _reaches(self, key: str) -> bool:
        """Return whether a sealed object may hold more than is known."""
        found = numbers(key)
        return found is not None and found[1] >= self.next

    def _follow(self) -> bool:
        """Learn what the next live objects hold; return whether there was one."""
        before = self.next
        while found := self._bucket.get(live_key(self._job, self.next)):
            self._take_live(found.data)
        return self.next > before

    def _many(self, keys: list[str], most: int | None = None) -> list[tuple[bytes, int] | None]:
        """Return the first bytes, and the sizes, of objects; None for one that is not there."""
        with ThreadPoolExecutor(max(1, min(AT_ONCE, len(keys)))) as threads:
            return list(threads.map(lambda key: self._bucket.get_beginning(key, most), keys))

    def _take_sealed(self, key: str, data: bytes, size: int) -> None:
        found = _contents(data, key)
        if found is None and len(data) < size:
            again = self._bucket.get_beginning(key)
            if again is None:
                return
            found = _contents(again[0], key)
        self.sealed[key] = size
        if len(data) == size:
            self._keep(key, data)
        self._add(key, found)
        span = numbers(key)
        assert span is not None
        self.next = max(self.next, span[1] + 1)

    def _take_live(self, data: bytes) -> None:
        key = live_key(self._job, self.next)
        self._keep(key, data)
        self._add(key, _contents(data, key))
        self.next += 1

    def _add(self, key: str, found: Contents | None) -> None:
        """Note the pieces of an object, as far as they are new."""
        if found is None:
            return
        self.origins |= found.origins
        for node, offset, size, at in found.places:
            runs = self._runs.setdefault(node, [])
            known = runs[-1].end if runs else 0
            skipped = max(known - offset, 0)
            if skipped < size:
                runs.append(Run(offset + skipped, offset + size, key, at + skipped))

    # --- bytes ---------------------------------------------------------------

    def _fetch(self, key: str) -> int | None:
        """Return where an object begins in the file of what was fetched; None: it is gone."""
        if key not in self._fetched:
            found = self._bucket.get(key)
            if found is None:
                return None
            self._keep(key, found.data)
        return self._fetched[key]

    def _keep(self, key: str, data: bytes) -> None:
        if self._spool is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._spool = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  as long as this
            weakref.finalize(self, self._spool.close)
        self._fetched[key] = self._spool.seek(0, 2)
        self._spool.write(data)

    def _say_watched(self) -> None:
        """Let the head know that somebody follows; who may only read is not in a hurry."""
        now = time.monotonic()
        if self._watched is None or now >= self._watched + WATCH_S:
            self._watched = now
            with suppress(BatchioError):
                self._bucket.put(watch_key(self._job), b"%d" % int(now * 1e6))


def watch_key(job: str) -> str:
    """Return the key of the object whose age says that somebody follows a job's logs."""
    return f"jobs/{job}/watch"


def _contents(data: bytes, key: str) -> Contents | None:
    try:
        return contents(data)
    except ValueError as err:
        logger.warning("logs are damaged in %s: %s", key, err)
        return None

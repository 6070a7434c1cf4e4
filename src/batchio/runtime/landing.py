"""The folder in which outputs arrive: unpacked aside, then put in place.

They are put in place when all have arrived, or never. Until then they stand in a folder of
the job (`.batchio-JOB`) in the folder of all outputs, on the same disk as their place.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from batchio.runtime.brought import FOLDER
from batchio.runtime.feed import Feed
from batchio.runtime.placing import Placing, Refused, Room, Stamp, Unsaved, unpack
from batchio.runtime.tree import Tree
from batchio.runtime.untar import Archive, Garbled
from batchio.runtime.upload import Unstorable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from batchio.ports import BroughtFiles, PlacedFiles, Stamped
    from batchio.runtime.upload import Upload

NOT_HERE: Final = frozenset({errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EFBIG})
"""Error numbers of files that this disk can never hold."""


TRIES: Final = 100
"""Times that a folder is made again which others remove meanwhile."""


class Landing:
    """The folder in which a job's outputs arrive; a `Destination`, see `outputs.py`.

    Args:
        root: The folder of all outputs; it may be a link, as a user typed it.
        job: Names the folder in it for what is not whole yet.
        make: Whether all that is above `root` is made too; a job's own folder is there already,
            or was removed, and is not made again.
        placed: The files that the job has put in place.
        limit: Bytes of output files that one attempt may write; None: any number.
        brought: The record of what jobs have brought to `root`, when it is the user's.
        waiting: Name of the folder in it for what is not whole yet, when it is not the usual one.
    """

    def __init__(
        self,
        root: Path,
        job: str,
        placed: PlacedFiles,
        *,
        make: bool = True,
        limit: int | None = None,
        brought: BroughtFiles | None = None,
        waiting: str = "",
    ) -> None:
        self.root = root
        self.placed = placed
        self.limit = limit
        self._job = job
        self._brought = brought
        self._make = make
        self.waiting = waiting or f".batchio-{job}"

    def open(self) -> Tree:
        """Open the root. Raises OSError."""
        self.root.mkdir(parents=self._make, exist_ok=True)
        return Tree(self.root)

    def enter(self, part: str = "") -> Tree:
        """Open the folder for outputs that are not complete yet, or the folder `part` in it.

        Whoever was the last to leave may just be removing it: then it is made again.

        Raises:
            OSError: it cannot be made.
        """
        for left in range(TRIES, -1, -1):
            try:
                with self.open() as root:
                    waiting = root.below(self.waiting)
                    if not part:
                        return waiting
                    with waiting:
                        return waiting.below(part)
            except FileNotFoundError:
                if not left:
                    raise
        raise AssertionError

    def place(self, task: int, stamps: list[tuple[str, Stamp]], placing: Placing) -> None:
        """Put a task's files in place; in a folder of the user's that is recorded.

        Args:
            stamps: Path of each file below the task's folder, and its stamp.

        Raises:
            OSError: it cannot be written.
        """
        if self._brought is None:
            placing.run()
            return
        files = [(f"{task}/{path}", stamp) for path, stamp in stamps]
        self._brought.add(self._job, files)
        placing.run()
        self._brought.add(self._job, [("/".join(names), FOLDER) for names in placing.made])

    direct = False

    @property
    def where(self) -> str:
        """How people call the folder."""
        return str(self.root)

    def arrival(self, task: int, attempt: int) -> Unpacking:
        """Begin to keep the outputs of one attempt; `task` is the task's id."""
        return Unpacking(self, task, attempt)

    async def store(self, upload: Upload, task: int, attempt: int) -> list[str]:
        """Raise: no node can put anything into a folder of this computer."""
        raise Unstorable(f"{self.where} is a folder")

    async def look(self, size: int) -> None:
        """Check that `size` bytes could be kept now. Raises Unsaved: there is no room."""
        try:
            await asyncio.to_thread(self._look, size)
        except OSError as err:
            raise meaning(err) from err

    def _look(self, size: int) -> None:
        try:
            with self.enter() as waiting:
                Room(waiting.fd).use(size)
        finally:
            self._remove_if_empty()

    async def tidy(self) -> None:
        """Return: what is not in its place is removed as soon as it is given up."""

    def sweep(self) -> None:
        """Remove incomplete outputs that a killed head left behind. Raises nothing."""
        with suppress(OSError), Tree(self.root) as root:
            if self.waiting in os.listdir(root.fd):
                with root.below(self.waiting) as waiting:
                    for name in os.listdir(waiting.fd):
                        waiting.remove(name)
        self._remove_if_empty()

    def remove(self, part: str) -> None:
        """Remove incomplete outputs, and the folder when they were the last. Raises nothing."""
        with suppress(OSError), Tree(self.root) as root, root.below(self.waiting) as waiting:
            waiting.remove(part)
        self._remove_if_empty()

    def _remove_if_empty(self) -> None:
        """Remove the folder for incomplete outputs when it is empty."""
        with suppress(OSError):
            os.rmdir(self.root / self.waiting)


class Unpacking:
    """The outputs of one attempt, unpacked while they arrive.

    Args:
        task: The task's id: the name of its folder.
    """

    def __init__(self, landing: Landing, task: int, attempt: int) -> None:
        self._landing = landing
        self._task = task
        self._part = f"{task}.{attempt}"
        self._feed = Feed()
        self._unpacking: threading.Thread | None = None  # of its own: it may wait for minutes
        self._failed: Exception | None = None

    async def add(self, chunk: memoryview) -> None:
        """Take the next bytes of the stream.

        Raises:
            Garbled, Refused, Unsaved: what the unpacking of earlier ones met.
        """
        if self._unpacking is None:
            self._unpacking = threading.Thread(target=self._unpack, daemon=True)
            self._unpacking.start()
        self._check()
        if not self._feed.offer(chunk):
            await asyncio.to_thread(self._feed.push, chunk)

    async def finish(self, newer_than: float) -> list[str]:
        """Put what has arrived, which is all, into the task's folder. See `Arrival`."""
        await self.unpacked()
        return await asyncio.to_thread(self._place, newer_than)

    async def unpacked(self) -> None:
        """Wait until all that has arrived, which is all, is unpacked. Raises as `add`."""
        self._feed.end()
        await self._joined()
        self._check()

    async def clear(self) -> None:
        """Remove all that has arrived."""
        if self._unpacking is not None:
            self.stop()
            await self._joined()
            await asyncio.to_thread(self._landing.remove, self._part)
        self._unpacking, self._failed, self._feed = None, None, Feed()

    def stop(self) -> None:
        """Stop unpacking; nothing will be put in place."""
        self._feed.stop()

    def files(self) -> Tree:
        """Open the folder in which all was unpacked. Raises OSError."""
        return self._landing.enter(self._part)

    def _check(self) -> None:
        """Raise the error that the unpacking thread met, if any."""
        if self._failed:
            raise meaning(self._failed)

    async def _joined(self) -> None:
        if self._unpacking is not None:
            await asyncio.to_thread(self._unpacking.join)

    def _unpack(self) -> None:
        try:
            with self._landing.enter() as waiting:
                waiting.remove(self._part)
            with self._landing.enter(self._part) as part:
                unpack(Archive(self._feed), part)
        except Exception as err:  # whoever takes or places next is told
            self._failed = err
        finally:
            self._feed.end()

    def _place(self, newer_than: float) -> list[str]:
        placed = self._landing.placed
        try:
            with self._landing.open() as target, self.files() as part:
                ours = known_as_ours(placed, self._task)
                placing = Placing(part, target, str(self._task), newer_than, ours)
                stamps = stamps_in(part)
                placed.add(self._task, stamps)
                self._landing.place(self._task, stamps, placing)
        except (OSError, ValueError) as err:
            raise meaning(err) from err
        return placing.kept


def stamps_in(part: Tree) -> list[tuple[str, Stamp]]:
    """Return the path of each file and link below a folder, and its stamp."""
    return [
        ("/".join((*above, name)), Stamp.of(status))
        for above, name, status in part.walk()
        if not stat.S_ISDIR(status.st_mode)
    ]


def known_as_ours(placed: PlacedFiles, task: int) -> Callable[[str, Stamp], bool]:
    """Return a function that says whether this job put a file into the task's folder."""
    known: Mapping[str, Sequence[Stamped]] | None = None

    def ours(path: str, there: Stamp) -> bool:
        nonlocal known
        if known is None:  # few attempts find anything in their way
            known = placed.of(task)
        return any(Stamp(*stamp).fits(there) for stamp in known.get(path, ()))

    return ours


def meaning(err: Exception) -> Exception:
    """Return the error to raise for `err`: Garbled, Refused or Unsaved."""
    if not isinstance(err, OSError):
        return err if isinstance(err, (Garbled, Refused)) else Garbled(str(err))
    said = f"{err.strerror}: {err.filename}" if err.filename else str(err.strerror)
    return Refused(said) if err.errno in NOT_HERE else Unsaved(said)

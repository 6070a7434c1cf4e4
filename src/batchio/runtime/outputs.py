"""Output files of an attempt while they are downloaded: unpacked aside, then put in place.

They may come over many connections, each resuming where the one before broke off. They are
put in place when all have arrived, or never. Until then they stand in a folder of the job
(`.batchio-JOB`) in the folder of all outputs, on the same disk as their place.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from batchio.core.sizes import format_bytes
from batchio.runtime.brought import FOLDER
from batchio.runtime.feed import Feed
from batchio.runtime.placing import Placing, Refused, Room, Stamp, unpack
from batchio.runtime.tree import Tree
from batchio.runtime.untar import Archive, Garbled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from batchio.ports import BroughtFiles, PlacedFiles, Stamped
    from batchio.runtime.fetch import Fetch

NOT_HERE: Final = frozenset({errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EFBIG})
"""Error numbers of files that this disk can never hold."""


class Unsaved(Exception):
    """This computer could not keep outputs: no room, no right, something in the way."""


class Landing:
    """The folder in which a job's outputs arrive.

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
        self._waiting = waiting or f".batchio-{job}"

    def open(self) -> Tree:
        """Open the root. Raises OSError."""
        self.root.mkdir(parents=self._make, exist_ok=True)
        return Tree(self.root)

    def enter(self) -> Tree:
        """Open the folder for outputs that are not complete yet. Raises OSError."""
        with self.open() as root:
            while True:  # whoever was the last to leave may just be removing it
                with suppress(FileNotFoundError):
                    return root.below(self._waiting)

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

    def look(self, size: int) -> None:
        """Check that `size` bytes could be kept now. Raises OSError: there is no room."""
        with self.enter() as waiting:
            Room(waiting.fd).use(size)
        self._remove_if_empty()

    def sweep(self) -> None:
        """Remove incomplete outputs that a killed head left behind. Raises nothing."""
        with suppress(OSError), Tree(self.root) as root:
            if self._waiting in os.listdir(root.fd):
                with root.below(self._waiting) as waiting:
                    for name in os.listdir(waiting.fd):
                        waiting.remove(name)
        self._remove_if_empty()

    def remove(self, part: str) -> None:
        """Remove incomplete outputs, and the folder when they were the last. Raises nothing."""
        with suppress(OSError), Tree(self.root) as root, root.below(self._waiting) as waiting:
            waiting.remove(part)
        self._remove_if_empty()

    def _remove_if_empty(self) -> None:
        """Remove the folder for incomplete outputs when it is empty."""
        with suppress(OSError):
            os.rmdir(self.root / self._waiting)


class Outputs:
    """The outputs of one attempt.

    Args:
        node: Number of the node that has them.
        task: The task's id: the name of its folder.
        key: The task's position in the job, and the attempt.
    """

    def __init__(self, node: int, landing: Landing, task: int, key: tuple[int, int]) -> None:
        self.node = node
        self.key = key
        self.agent = ""
        """Instance of the agent that sent the bytes that have arrived."""
        self.size = 0
        """Bytes of the stream that have arrived."""
        self.stream: Fetch | None = None
        """The last download; before the next one it must have ended."""
        self.said = False
        """Whether a note told people that these outputs cannot be kept."""
        self.turn = asyncio.Lock()
        """Lock of the coroutine that downloads these outputs."""
        self._tried = 0
        self._crc = 0
        self._landing = landing
        self._task = task
        self._part = f"{task}.{key[1]}"
        self._feed = Feed()
        self._unpacking: threading.Thread | None = None  # of its own: it may wait for minutes
        self._failed: Exception | None = None

    async def look(self) -> None:
        """Check that the outputs could be kept, before they are asked for again.

        Raises:
            Unsaved: not yet; there must be room for all bytes that came before there was none.
        """
        try:
            await asyncio.to_thread(self._landing.look, self._tried)
        except OSError as err:
            raise _meaning(err) from err

    async def receive(self, stream: Fetch) -> bool:
        """Unpack a stream that begins at byte `size`; return whether size and checksum are right.

        Raises:
            Garbled: it is no archive of a task's own files.
            Refused: it is more than the limit, or has files that this disk can never hold.
            Unsaved: it cannot be written.
            Exception: what `stream` raised; the bytes before that are kept.
        """
        if self._unpacking is None:
            self._unpacking = threading.Thread(target=self._unpack, daemon=True)
            self._unpacking.start()
        limit = self._landing.limit
        async for chunk in stream:
            self._check()
            if limit is not None and self.size + len(chunk) > limit:
                raise Refused(f"they are more than --max-output {format_bytes(limit)}")
            if not self._feed.offer(chunk):
                await asyncio.to_thread(self._feed.push, chunk)
            self.size += len(chunk)
            self._crc = zlib.crc32(chunk, self._crc)
        return stream.whole == (self.size, self._crc)

    async def place(self, newer_than: float) -> list[str]:
        """Put outputs that have arrived completely into the task's folder.

        A file there that is newer than `newer_than` (Unix seconds), and not of this job, is
        kept with a `~` behind its name. Returns a sentence about each that was kept.

        Raises: as `receive`.
        """
        self._feed.end()
        await self._unpacked()
        self._check()
        return await asyncio.to_thread(self._place, newer_than)

    async def clear(self) -> None:
        """Remove all that has arrived, so that the download can begin anew."""
        if self._unpacking is not None:
            self.stop()
            await self._unpacked()
            await asyncio.to_thread(self._landing.remove, self._part)
        self._unpacking, self._failed, self._feed = None, None, Feed()
        self._tried = max(self._tried, self.size)
        self.size = self._crc = 0

    def stop(self) -> None:
        """Stop unpacking; nothing will be put in place."""
        self._feed.stop()

    def _check(self) -> None:
        """Raise the error that the unpacking thread met, if any."""
        if self._failed:
            raise _meaning(self._failed)

    async def _unpacked(self) -> None:
        if self._unpacking is not None:
            await asyncio.to_thread(self._unpacking.join)

    def _unpack(self) -> None:
        try:
            with self._landing.enter() as waiting:
                waiting.remove(self._part)
                with waiting.below(self._part) as part:
                    unpack(Archive(self._feed), part)
        except Exception as err:  # whoever takes or places next is told
            self._failed = err
        finally:
            self._feed.end()

    def _place(self, newer_than: float) -> list[str]:
        placed = self._landing.placed
        try:
            with (
                self._landing.open() as target,
                self._landing.enter() as waiting,
                waiting.below(self._part) as part,
            ):
                ours = known_as_ours(placed, self._task)
                placing = Placing(part, target, str(self._task), newer_than, ours)
                stamps = stamps_in(part)
                placed.add(self._task, stamps)
                self._landing.place(self._task, stamps, placing)
        except (OSError, ValueError) as err:
            raise _meaning(err) from err
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


def _meaning(err: Exception) -> Exception:
    """Return the error to raise for `err`: Garbled, Refused or Unsaved."""
    if not isinstance(err, OSError):
        return err if isinstance(err, (Garbled, Refused)) else Garbled(str(err))
    said = f"{err.strerror}: {err.filename}" if err.filename else str(err.strerror)
    return Refused(said) if err.errno in NOT_HERE else Unsaved(said)

"""Output files of an attempt on their way from its node to where they are kept.

They may come over many connections, each resuming where the one before broke off. They are
kept when all have arrived, or never.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Protocol

from batchio.core.sizes import format_bytes
from batchio.runtime.placing import Refused

if TYPE_CHECKING:
    from batchio.runtime.fetch import Fetch
    from batchio.runtime.upload import Upload


class Arrival(Protocol):
    """One attempt's outputs, as the bytes of their tar stream arrive here."""

    async def add(self, chunk: memoryview) -> None:
        """Take the next bytes of the stream.

        Raises:
            Garbled: it is no archive of a task's own files.
            Refused: there are files that can never be kept.
            Unsaved: they cannot be kept now.
        """
        ...

    async def finish(self, newer_than: float) -> list[str]:
        """Keep what has arrived, which is all.

        A file of others that is newer than `newer_than` (Unix seconds) is kept with a `~`
        behind its name. Returns a sentence about each that was kept, or is missing.

        Raises: as `add`.
        """
        ...

    async def clear(self) -> None:
        """Remove all that has arrived, so that it can begin anew."""
        ...

    def stop(self) -> None:
        """Stop; nothing will be kept."""
        ...


class Destination(Protocol):
    """Where a job's outputs go."""

    limit: int | None
    """Bytes of output files that one attempt may write; None: any number."""

    direct: bool
    """Whether nodes can keep outputs there themselves."""

    @property
    def where(self) -> str:
        """How people call the place."""
        ...

    def arrival(self, task: int, attempt: int) -> Arrival:
        """Begin to keep the outputs of an attempt that come here; `task` is the task's id."""
        ...

    async def store(self, upload: Upload, task: int, attempt: int) -> list[str]:
        """Have the node itself keep an attempt's outputs, where `direct`.

        Returns a sentence about each output that is missing.

        Raises:
            Unstorable: the node cannot.
            Unreachable: the connection broke.
            Refused, Unsaved: as `Arrival.add`.
        """
        ...

    async def look(self, size: int) -> None:
        """Check that `size` bytes could be kept now. Raises Unsaved: not yet."""
        ...

    def sweep(self) -> None:
        """Remove what a killed head left unfinished. Raises nothing."""
        ...

    async def tidy(self) -> None:
        """Remove what is no task's outputs, now that the job is done. Raises nothing."""
        ...


class Outputs:
    """The outputs of one attempt.

    Args:
        node: Number of the node that has them.
        task: The task's id.
        key: The task's position in the job, and the attempt.
    """

    def __init__(
        self, node: int, destination: Destination, task: int, key: tuple[int, int]
    ) -> None:
        self.node = node
        self.task = task
        self.key = key
        self.agent = ""
        """Instance of the agent that sent the bytes that have arrived."""
        self.size = 0
        """Bytes of the stream that have arrived."""
        self.stream: Fetch | None = None
        """The last download; before the next one it must have ended."""
        self.said = False
        """Whether a note told people that these outputs cannot be kept."""
        self.through_here = False
        """Whether the node could not store them itself."""
        self.turn = asyncio.Lock()
        """Lock of the coroutine that downloads these outputs."""
        self._tried = 0
        self._crc = 0
        self._destination = destination
        self._arrival = destination.arrival(task, key[1])

    async def look(self) -> None:
        """Check that the outputs could be kept, before they are asked for again.

        Raises:
            Unsaved: not yet; there must be room for all bytes that came before there was none.
        """
        await self._destination.look(self._tried)

    async def receive(self, stream: Fetch) -> bool:
        """Take a stream that begins at byte `size`; return whether size and checksum are right.

        Raises:
            Refused: it is more than the limit.
            Garbled, Refused, Unsaved: as `Arrival.add`.
            Exception: what `stream` raised; the bytes before that are kept.
        """
        limit = self._destination.limit
        async for chunk in stream:
            if limit is not None and self.size + len(chunk) > limit:
                raise too_much(limit)
            await self._arrival.add(chunk)
            self.size += len(chunk)
            self._crc = zlib.crc32(chunk, self._crc)
        return stream.whole == (self.size, self._crc)

    async def place(self, newer_than: float) -> list[str]:
        """Keep outputs that have arrived completely. As `Arrival.finish`."""
        return await self._arrival.finish(newer_than)

    async def clear(self) -> None:
        """Remove all that has arrived, so that the download can begin anew."""
        await self._arrival.clear()
        self._tried = max(self._tried, self.size)
        self.size = self._crc = 0

    def stop(self) -> None:
        """Stop; nothing will be kept."""
        self._arrival.stop()


def too_much(limit: int) -> Refused:
    """Return the error for outputs that are larger than `limit` bytes."""
    return Refused(f"they are larger than --max-output {format_bytes(limit)}")

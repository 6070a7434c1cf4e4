"""Outputs that are kept in a workspace that is no folder: the parts of their tar streams.

A node stores the parts itself, behind signed URLs; where that cannot be, they come through
here, as bytes that nobody unpacks. Whoever wants the files unpacks them: `bringing.py`.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from functools import partial
from typing import TYPE_CHECKING, Final

from batchio.errors import WorkspaceError
from batchio.ports import THROUGH_HEAD, KeptOutputs, Part
from batchio.runtime.outputs import too_much
from batchio.runtime.placing import Unsaved
from batchio.runtime.upload import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from batchio.ports import PartStore
    from batchio.runtime.upload import Upload

    T = TypeVar("T")

logger = logging.getLogger(__name__)

PART: Final = 64 << 20
"""Bytes of a part: a node needs as much room for it, and sends as much again at most."""

PART_HERE: Final = 8 << 20
"""Bytes of a part that comes through here, which is held in memory."""

SIGNED_S: Final = 3600.0
"""Seconds in which a node may use a signed URL."""

AHEAD: Final = 4
"""Parts for which a node has URLs at a time, once its outputs proved to be more than one."""


class PartsOutputs:
    """The outputs of a job as parts; a `Destination`, see `outputs.py`."""

    def __init__(self, store: PartStore, limit: int | None) -> None:
        self.limit = limit
        self.direct = store.direct
        self._store = store

    @property
    def where(self) -> str:
        """How people call the place."""
        return self._store.where

    def arrival(self, task: int, attempt: int) -> Parts:
        """Begin to keep the outputs of an attempt that come through here."""
        return Parts(self._store, task, attempt)

    async def look(self, size: int) -> None:
        """Return: only trying shows whether a store takes more."""

    def sweep(self) -> None:
        """Return: parts of which no record says that they are whole do not count."""

    async def tidy(self) -> None:
        """Delete the parts of attempts that are no task's outputs. See `Destination`."""
        try:
            await asyncio.to_thread(self._store.sweep)
        except WorkspaceError as err:
            logger.warning("parts of outputs that nobody needs stay in %s: %s", self.where, err)

    async def store(self, upload: Upload, task: int, attempt: int) -> list[str]:
        """Have the node itself store an attempt's tar stream. See `Destination`."""
        parts: list[Part] = []
        ahead = 1
        while True:
            first = len(parts)
            wanted = [
                Wanted(None, number * PART, PART, await self._signed(task, attempt, number))
                for number in range(first, first + ahead)
            ]
            stored = await upload.store(wanted)
            parts += [Part(piece.size, piece.crc32) for piece in stored if piece.size]
            if self.limit is not None and sum(part.size for part in parts) > self.limit:
                raise too_much(self.limit)
            if stored[-1].size < PART:
                await keep(self._store, task, KeptOutputs(attempt, tuple(parts)))
                return []
            ahead = AHEAD

    async def _signed(self, task: int, attempt: int, number: int) -> str:
        return await _kept(partial(self._store.sign, task, attempt, number, SIGNED_S))


class Parts:
    """One attempt's outputs that come through here, cut into parts; an `Arrival`."""

    def __init__(self, store: PartStore, task: int, attempt: int) -> None:
        self._store = store
        self._task = task
        self._attempt = attempt
        self._rest = bytearray()
        self._parts: list[Part] = []

    async def add(self, chunk: memoryview) -> None:
        """Take the next bytes of the stream. See `Arrival`."""
        self._rest += chunk
        if len(self._rest) >= PART_HERE:
            await self._put()

    async def finish(self, newer_than: float) -> list[str]:
        """Record that all has arrived. See `Arrival`."""
        if self._rest:
            await self._put()
        kept = KeptOutputs(self._attempt, tuple(self._parts), THROUGH_HEAD)
        await keep(self._store, self._task, kept)
        return []

    async def clear(self) -> None:
        """Forget all that has arrived."""
        self._rest.clear()
        self._parts.clear()

    def stop(self) -> None:
        """Return: without the record nothing is kept."""

    async def _put(self) -> None:
        data = bytes(self._rest)
        self._rest.clear()
        number = THROUGH_HEAD + len(self._parts)
        put = partial(self._store.put, self._task, self._attempt, number, data)
        await _kept(put)
        self._parts.append(Part(len(data), zlib.crc32(data)))


async def keep(store: PartStore, task: int, kept: KeptOutputs) -> None:
    """Record that these are the outputs of a task. Raises Unsaved."""
    await _kept(partial(store.keep, task, kept))


async def _kept(verb: Callable[[], T]) -> T:
    """Call a verb of the store in a thread. Raises Unsaved: it does not answer, or refuses."""
    try:
        return await asyncio.to_thread(verb)
    except WorkspaceError as err:
        raise Unsaved(str(err)) from err

"""A journal in memory, with its lease, and switches for what can go wrong."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batchio.core.events import Event, decode
from batchio.errors import JournalCorrupt, JournalDown, JournalFull, LeaseHeld
from batchio.ports import Holder

if TYPE_CHECKING:
    from collections.abc import Sequence

BEAT_S: Final = 15.0
"""Seconds between two looks of a head at its lease."""


@dataclass
class MemoryEvents:
    """The stored journal of one job, and its reader; implements `ports.JournalReader`."""

    job: str
    batches: list[list[str]]
    """All events, in the batches in which they were written."""
    full: bool = False
    """Whether the store has no more room."""
    down: bool = False
    """Whether the store does not answer."""
    silent: bool = False
    """Whether reads are not answered."""
    deaf: bool = False
    """Whether writes are carried out but their answers are lost."""
    seconds: float = 0.0
    """Seconds that a write takes."""
    epoch: int = 0
    holder: Holder | None = None
    snapshots: list[tuple[int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rows = [body for batch in self.batches for body in batch]

    def read(self, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        """Return the events behind position `after`, at most `limit`: `(position, body)`."""
        if self.silent:
            raise JournalDown(f"nobody answers for job {self.job}")
        rows = self._rows[after:]
        return list(enumerate(rows[:limit], after + 1))

    def events(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """Return events as `read` does, decoded."""
        found = []
        for seq, body in self.read(after, limit):
            try:
                found.append((seq, decode(body)))
            except ValueError as err:
                raise JournalCorrupt(f"journal record {seq} of job {self.job} is {err}") from err
        return found

    def last(self) -> int:
        """Return the position of the newest event."""
        return len(self._rows)

    def snapshot(self) -> tuple[int, bytes] | None:
        """Return the newest snapshot: its position and its bytes."""
        return self.snapshots[-1] if self.snapshots else None

    def keep(self, batch: list[str]) -> None:
        """Store one batch of events."""
        self.batches.append(batch)
        self._rows += batch

    def take_over(self) -> None:
        """Let a second head lead, as when somebody deletes the lock of the first by hand."""
        self.epoch += 1
        self.holder = None

    def close(self) -> None:
        """Do nothing: nothing is held."""


class MemoryJournal:
    """The one writer of a `MemoryEvents`; implements `ports.Journal`.

    Raises:
        LeaseHeld: there is one already.
    """

    def __init__(self, past: MemoryEvents, kind: str = "local") -> None:
        refuse_second(past)
        past.holder = Holder(os.getpid(), socket.gethostname(), kind)
        past.epoch += 1
        self.epoch = past.epoch
        self._past = past
        self._unanswered: list[str] | None = None
        self._open = True

    async def append(self, events: Sequence[str]) -> None:
        """Write one batch, whole or not at all. See `ports.Journal.append`."""
        past, batch = self._past, list(events)
        if past.seconds:
            await asyncio.sleep(past.seconds)
        self._check()
        if past.down:
            raise JournalDown(f"nobody answers for job {past.job}")
        if past.epoch != self.epoch:
            raise LeaseHeld(f"another head has taken over job {past.job}")
        if past.full:
            raise JournalFull(f"no room left for job {past.job}")
        if batch and batch != self._unanswered:
            past.keep(batch)
        self._unanswered = batch if past.deaf else None
        if past.deaf:
            raise JournalDown(f"an answer for job {past.job} was lost")

    async def snapshot(self, state: bytes) -> None:
        """Store `state` as a snapshot where there is room."""
        self._check()
        if not (self._past.full or self._past.down):
            self._past.snapshots.append((len(self._past.read()), state))

    async def keep(self) -> None:
        """Look again and again whether a second head has taken over. See `ports.Journal.keep`."""
        while True:
            await asyncio.sleep(BEAT_S)
            if self._past.epoch != self.epoch:
                raise LeaseHeld(f"another head has taken over job {self._past.job}")

    async def close(self) -> None:
        """Release the lease. Repeatable."""
        if self._open and self._past.epoch == self.epoch:
            self._past.holder = None
        self._open = False

    def _check(self) -> None:
        if not self._open:
            raise LeaseHeld(f"the lease of {self._past.job} was let go")


def refuse_second(past: MemoryEvents) -> None:
    """Raise LeaseHeld when a head has the lease."""
    if past.holder is not None:
        who = past.holder
        raise LeaseHeld(f"another process runs job {past.job} (process {who.pid} on {who.host})")

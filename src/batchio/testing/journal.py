"""A journal in memory, with its lease, and knobs for what goes wrong."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchio.core.events import Event, decode
from batchio.errors import JournalCorrupt, JournalDown, JournalFull, LeaseHeld
from batchio.ports import Holder

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class MemoryPast:
    """What is kept of one job's journal, and its reader; implements `ports.JournalReader`."""

    job: str
    batches: list[list[str]]
    """All events, as they were written together."""
    full: bool = False
    """Whether there is room for no more."""
    down: bool = False
    """Whether nobody answers."""
    deaf: bool = False
    """Whether writes are carried out and their answers are lost."""
    seconds: float = 0.0
    """How long a write takes."""
    epoch: int = 0
    holder: Holder | None = None
    snapshots: list[tuple[int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rows = [body for batch in self.batches for body in batch]

    def read(self, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        """Return events numbered above `after`, at most `limit`: `(seq, body)`."""
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
        """Return the number of the newest event."""
        return len(self._rows)

    def snapshot(self) -> tuple[int, bytes] | None:
        """Return the newest snapshot, and after which event it was taken."""
        return self.snapshots[-1] if self.snapshots else None

    def keep(self, batch: list[str]) -> None:
        """Write one batch."""
        self.batches.append(batch)
        self._rows += batch

    def take_over(self) -> None:
        """Let a second head in, as when somebody deletes the lock of the first by hand."""
        self.epoch += 1
        self.holder = None

    def close(self) -> None:
        """Do nothing: nothing is held."""


class MemoryJournal:
    """The one writer of a `MemoryPast`; implements `ports.Journal`.

    Raises:
        LeaseHeld: there is one already.
    """

    def __init__(self, past: MemoryPast, kind: str = "local") -> None:
        refuse_second(past)
        past.holder = Holder(os.getpid(), socket.gethostname(), kind)
        past.epoch += 1
        self.epoch = past.epoch
        self._past = past
        self._unanswered: list[str] | None = None
        self._open = True

    async def append(self, events: Sequence[str]) -> None:
        """Write one batch, whole or not at all. See the port."""
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
        """Keep `state` where there is room."""
        self._check()
        if not (self._past.full or self._past.down):
            self._past.snapshots.append((len(self._past.read()), state))

    async def close(self) -> None:
        """Let go of the lease. Repeatable."""
        if self._open and self._past.epoch == self.epoch:
            self._past.holder = None
        self._open = False

    def _check(self) -> None:
        if not self._open:
            raise LeaseHeld(f"the lease of {self._past.job} was let go")


def refuse_second(past: MemoryPast) -> None:
    """Raise LeaseHeld when somebody has the lease."""
    if past.holder is not None:
        who = past.holder
        raise LeaseHeld(f"another head runs job {past.job} (process {who.pid} on {who.host})")

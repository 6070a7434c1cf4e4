"""A workspace whose journals are in memory, with a lease, and knobs for what goes wrong."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchio.core.events import Event, JobSubmitted, decode, encode
from batchio.errors import JournalFull, LeaseHeld, NoSuchJob
from batchio.ports import Holder
from batchio.runtime.replay import Fold
from batchio.stores.folder import FOLDERS, Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec


@dataclass
class MemoryPast:
    """What is kept of one job's journal, and its reader; implements `ports.JournalReader`."""

    job: str
    batches: list[list[str]]
    """All events, as they were written together."""
    full: bool = False
    """Whether there is room for no more."""
    seconds: float = 0.0
    """How long a write takes."""
    epoch: int = 0
    holder: Holder | None = None
    snapshots: list[tuple[int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rows = [body for batch in self.batches for body in batch]

    def read(self, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        """Events numbered above `after`, at most `limit`: `(seq, body)`."""
        rows = self._rows[after:]
        return list(enumerate(rows[:limit], after + 1))

    def events(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """As `read`, decoded."""
        return [(seq, decode(body)) for seq, body in self.read(after, limit)]

    def snapshot(self) -> tuple[int, bytes] | None:
        """The newest snapshot, and after which event it was taken."""
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
        """Nothing is held."""


class MemoryJournal:
    """The one writer of a `MemoryPast`; implements `ports.Journal`.

    Raises:
        LeaseHeld: there is one already.
    """

    def __init__(self, past: MemoryPast) -> None:
        if past.holder is not None:
            pid, host = past.holder
            raise LeaseHeld(f"another head runs job {past.job} (process {pid} on {host})")
        past.holder = Holder(os.getpid(), socket.gethostname())
        past.epoch += 1
        self.epoch = past.epoch
        self._past = past
        self._open = True

    async def append(self, events: Sequence[str]) -> None:
        """Write one batch, whole or not at all. See the port."""
        if self._past.seconds:
            await asyncio.sleep(self._past.seconds)
        self._check()
        if self._past.epoch != self.epoch:
            raise LeaseHeld(f"another head has taken over job {self._past.job}")
        if self._past.full:
            raise JournalFull(f"no room left for job {self._past.job}")
        if events:
            self._past.keep(list(events))

    async def snapshot(self, state: bytes) -> None:
        """Keep `state` where there is room."""
        self._check()
        if not self._past.full:
            self._past.snapshots.append((len(self._past.read()), state))

    async def close(self) -> None:
        """Let go of the lease. Repeatable."""
        if self._open and self._past.epoch == self.epoch:
            self._past.holder = None
        self._open = False

    def _check(self) -> None:
        if not self._open:
            raise LeaseHeld(f"the lease of {self._past.job} was let go")


class MemoryWorkspace(Workspace):
    """A workspace whose journals are in memory; inbox, logs and outputs lie in `root`."""

    def __init__(self, root: str | Path) -> None:
        super().__init__(root)
        self._pasts: dict[str, MemoryPast] = {}

    def create(
        self, job: str, first_events: Sequence[str], *, name: str = "", made_by: str = ""
    ) -> Path:
        """Make the job; one process may know it."""
        folder = self.folder(job)
        for part in FOLDERS:
            (folder / part).mkdir(parents=True)
        (folder / "name").write_text(name, encoding="utf-8")
        self._pasts[job] = MemoryPast(job, [list(first_events)])
        return folder

    def submit(self, spec: JobSpec, now: float) -> str:
        """Make a job of this spec, and return its id; nobody runs it yet."""
        job = self.new_id(now)
        self.create(job, [encode(JobSubmitted(now, job, spec.to_json()))], name=spec.name)
        return job

    # Other types than of the base class, with all that the runtime uses of those.

    def take(self, job: str) -> MemoryJournal:  # type: ignore[override]
        """The job's lease, and its journal to write."""
        return MemoryJournal(self.reader(job))

    def reader(self, job: str) -> MemoryPast:  # type: ignore[override]
        """The job's journal, to read, and to be told to be full or slow."""
        if job not in self._pasts:
            raise NoSuchJob(f"there is no job {job}")
        return self._pasts[job]

    def lease_holder(self, job: str) -> Holder | None:
        """Which process is the job's head."""
        return self.reader(job).holder

    def machine(self, job: str) -> Machine:
        """The job as its journal tells it."""
        fold = Fold(self.reader(job))
        fold.catch_up()
        return fold.machine

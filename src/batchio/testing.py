"""Fakes for tests, yours and ours: made-up time, a journal in memory, nodes that do as told.

They pass the same contract suites as the real things (tests/contracts, tests/runtime). No
process is started, nothing is waited for, and nothing in batchio itself may import this.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import selectors
import socket
import struct
import tarfile
import tempfile
import zlib
from collections import deque
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from batchio.core.events import Event, JobSubmitted, decode, encode
from batchio.core.plan import Offer
from batchio.errors import JournalFull, LeaseHeld, NoSuchJob, Unreachable
from batchio.ports import Completed
from batchio.runtime import frames
from batchio.runtime.head import lead
from batchio.runtime.replay import Fold
from batchio.stores.folder import FOLDERS, Workspace
from batchio.stores.lease import Holder

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Coroutine, Mapping, Sequence

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec
    from batchio.errors import BatchioError
    from batchio.ports import ByteReader, ByteWriter, NodeOrder, Transport

T = TypeVar("T")

# --- time --------------------------------------------------------------------


class FakeClock:
    """Made-up time, good for some weeks; implements `ports.Clock`.

    Within `run` all waiting follows it, `asyncio.sleep` and `asyncio.timeout` too: when
    nothing else can happen, the time jumps to the next deadline. Threads of `to_thread`
    are waited for; a socket or a process is not.
    """

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._start = start
        self.passed = 0.0
        """Seconds since the start."""
        self.settling: list[asyncio.Future[None]] = []

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` to its end in an event loop that has this time.

        Raises:
            RuntimeError: everybody waits, and nobody for a time: it would never end.
        """
        with asyncio.Runner(loop_factory=lambda: _Loop(self)) as runner:
            return runner.run(main)

    def now(self) -> float:
        """Unix seconds."""
        return self._start + self.passed

    async def sleep(self, seconds: float) -> None:
        """Wait until so many seconds were made up."""
        self._loop()
        await asyncio.sleep(max(seconds, 0.0))

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.Handle:
        """Have `callback` called once it is `when`."""
        return self._loop().call_at(when - self._start, callback)

    def advance(self, seconds: float) -> None:
        """Let the time pass at once; what is due by then runs when the loop comes to it."""
        self.passed += seconds

    async def settle(self) -> None:
        """Return when all others wait. No time passes."""
        waiter = self._loop().create_future()
        self.settling.append(waiter)
        await waiter

    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, _Loop) or loop.clock is not self:
            raise RuntimeError("this loop has another time: run the test with FakeClock.run(...)")
        return loop


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose time is a clock's."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.busy = 0
        """Threads that will call back."""
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.clock.passed

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self.busy += 1
        future.add_done_callback(self._returned)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        self.busy += 1
        await super().shutdown_default_executor()

    def _returned(self, _: asyncio.Future[Any]) -> None:
        self.busy -= 1


class _Selector(selectors.PollSelector):
    """Where a loop comes when nothing is ready: here the time jumps."""

    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready, clock = super().select(0), self._loop.clock
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._loop.busy:
            return super().select(None)
        if clock.settling:
            waiters, clock.settling = clock.settling, []
            for waiter in waiters:
                waiter.done() or waiter.set_result(None)
        elif timeout is not None:
            clock.advance(timeout)
        elif len(self.get_map()) > 1:  # more than the loop's own pipe: something real may come
            return super().select(None)
        else:
            raise RuntimeError("everybody waits, and nobody for a time: this would never end")
        return ready


# --- the journal -------------------------------------------------------------


@dataclass
class MemoryPast:
    """What is kept of one job's journal, and its reader; implements `replay.Past`."""

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


# --- nodes -------------------------------------------------------------------


class Attempt(NamedTuple):
    """One attempt, as a script is asked about it. `task` is a position, `id` what people see."""

    task: int
    number: int
    id: int
    input: Any
    node: str


class Ends(NamedTuple):
    """How an attempt shall go: exit code, seconds (`inf`: for ever), output, files it leaves."""

    exit: int = 0
    seconds: float = 1.0
    stdout: bytes = b""
    leaves: Mapping[str, bytes] | None = None


Script = "Callable[[Attempt], Ends]"

"""Where jobs are kept: the workspace, one job's store, and its journal.

Every verb of a store that is far away may raise JournalDown: it does not answer.

A verb that is no coroutine blocks, shortly; call it in a thread. So a store serves asyncio,
trio and plain programs alike, and one adapter is written once.

Nobody builds a path below a job. What must be a real file or folder of this computer, because
a person or another program opens it, is asked for by a verb that returns a `Path`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from batchio.core.events import Event
    from batchio.ports.outputs import PlacedFiles


class Pace(NamedTuple):
    """How often it is reasonable to look, in seconds: a store's own, for each look may cost."""

    requests: float
    """Between two looks of a head at what others ask of it, and of them at its answer."""
    news: tuple[float, float]
    """Between two looks at a journal: just after it moved, and after a long quiet."""
    leader: float
    """Between two looks at who leads."""


class Holder(NamedTuple):
    """Who holds a job's lease: the process, and what kind of head it is."""

    pid: int
    host: str
    kind: str = "local"
    """As `JobSpec.head` has it: `local`, `inline`, …"""
    where: str = ""
    """The head's own node, for a head that has one."""
    until: float = 0.0
    """Unix seconds until which the lease is good; 0.0: for as long as the process lives."""


class JournalReader(Protocol):
    """What can be read of a journal while somebody else may be writing it."""

    def snapshot(self) -> tuple[int, bytes] | None:
        """Return position and bytes of the newest snapshot, or None."""
        ...

    def read(self, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        """Return events behind position `after` as they were written, in order, at most `limit`.

        Raises:
            JournalCorrupt: one is missing or cannot be read; it is named.
        """
        ...

    def events(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """Return events as `read` does, decoded.

        Raises:
            JournalCorrupt: also for one that is not in the vocabulary.
        """
        ...

    def last(self) -> int:
        """Return the position of the newest event."""
        ...

    def close(self) -> None:
        """Let go of the journal. Repeatable."""
        ...


class Journal(Protocol):
    """The one writer of one job's journal; whoever holds it holds the job's lease."""

    epoch: int
    """Rises by one with each head that takes the lease; the first is 1."""

    async def append(self, events: Sequence[str]) -> None:
        """Write one batch, whole or not at all; durable when it returns.

        Raises:
            JournalDown: the store does not answer, and nobody knows whether the batch was
                written. Append the same batch again: it stands in the journal once.
            JournalFull: no room; nothing of the batch was written.
            JobMoved: the job is not kept there any more; nothing was written.
            LeaseHeld: the lease is no longer ours; nothing was written.
        """
        ...

    async def snapshot(self, state: bytes) -> None:
        """Keep a cache of the state after all that was appended.

        Never needed to be right, so one that cannot be kept is no error.
        """
        ...

    async def close(self) -> None:
        """Let go of the lease. Repeatable."""
        ...


class Inputs(Protocol):
    """What the tasks of a job map over, by position. Every verb may raise JournalCorrupt."""

    count: int

    def raw(self, position: int) -> bytes:
        """Return the bytes of one task's input.

        Raises:
            IndexError: there is no such task.
        """
        ...

    def value(self, position: int) -> str:
        """Return the text of one task; bytes that are not UTF-8 are lone surrogates (PEP 383)."""
        ...

    def record(self, position: int) -> dict[str, str]:
        """Return the variables of one task."""
        ...

    def close(self) -> None:
        """Let go of them. Repeatable."""
        ...


class LogSink(Protocol):
    """Where the log bytes of one node go."""

    spool: str | None
    """A folder of this computer that a local agent writes to itself; None: bytes are pulled."""

    def size(self) -> int:
        """Return how many bytes are safe: where to go on."""
        ...

    async def write(self, offset: int, data: memoryview) -> None:
        """Keep bytes that begin at `offset`; what is known already is skipped.

        Raises:
            OSError: they cannot be kept; `size` says how far they are.
        """
        ...


class LogStore(Protocol):
    """What the nodes of one job printed: a row of bytes each, as its agent wrote it.

    A row is cut into segments. Each begins with a whole record, at an offset that never
    changes; old ones may be gone, and a killed writer may have left a part of a record, or a
    gap, before the next.
    """

    def nodes(self) -> list[int]:
        """Return the numbers of the nodes that have logs, rising."""
        ...

    def starts(self, node: int) -> list[int]:
        """Return the offsets at which the segments begin, rising; none without logs."""
        ...

    def end(self, node: int) -> int:
        """Return the offset behind the last byte there is. Cheap: it is asked for often."""
        ...

    def read(self, node: int, offset: int, most: int) -> bytes:
        """Return bytes from an offset on, of one segment; none: there are no more in it now."""
        ...

    def place(self, node: int, offset: int) -> str:
        """Return what people call the place of a byte, for messages: a file and a number."""
        ...


class JobStore(Protocol):
    """All that is kept of one job. Cheap to have: it holds nothing open."""

    id: str
    pace: Pace
    where: str
    """What people call the place: a folder's path, a URL."""

    def name(self) -> str:
        """Return what people call the job; may be empty."""
        ...

    def size(self) -> int:
        """Return how many bytes of room all of it takes; takes as long as looking takes."""
        ...

    # --- the journal and its head ---

    def reader(self) -> JournalReader:
        """Open the journal to read it.

        Raises:
            NoSuchJob, JournalCorrupt, WorkspaceError: see `errors.py`.
        """
        ...

    def lead(self, kind: str = "local") -> Journal:
        """Take the lease, as a head of this kind, and open the journal to write it.

        Raises:
            LeaseHeld: another head has it; names it.
            NoSuchJob, JournalCorrupt, JournalFull, WorkspaceError: see `errors.py`.
        """
        ...

    def leader(self) -> Holder | None:
        """Return who holds the lease, without taking it; None when nobody does."""
        ...

    # --- what other processes ask of the head ---

    def ask(self, request: Mapping[str, Any]) -> str:
        """Leave a request for the head, the present or the next; return the request's name.

        Raises:
            JournalFull, WorkspaceError: it was not left.
        """
        ...

    def asked(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all requests that were not answered, oldest first: `(name, request)`."""
        ...

    def answered(self, name: str) -> None:
        """Drop a request whose effect stands in the journal. Quiet when it is gone already."""
        ...

    # --- what travels ---

    def inputs(self) -> Inputs:
        """Open the inputs of the tasks.

        Raises:
            NoSuchJob: the job has none.
            JournalCorrupt: they are damaged.
        """
        ...

    def bundle(self) -> Path:
        """Return the file of this computer that holds the job's files, to be sent."""
        ...

    def outputs(self) -> Path:
        """Return the folder of this computer where outputs of tasks go; it need not exist."""
        ...

    def placed(self) -> PlacedFiles:
        """Return what is known of the outputs that were put in their place."""
        ...

    def log_sink(self, node: int, *, local: bool) -> LogSink:
        """Open the place of one node's log bytes.

        Args:
            local: The node is this computer, and its agent may write the bytes itself.
        """
        ...

    def logs(self) -> LogStore:
        """Return what the nodes printed."""
        ...

    # --- for people who look on; never journaled ---

    def show(self, topic: str, facts: Mapping[str, Any]) -> None:
        """Replace what onlookers may know about a topic, whole.

        Never fails: what cannot be replaced is removed, and they see less.
        """
        ...

    def shown(self, topic: str) -> dict[str, Any]:
        """Return what was shown last about a topic; empty when nothing was."""
        ...

    def say_last_words(self, text: str) -> None:
        """Keep why the head stopped before its job was done. Never fails."""
        ...

    def last_words(self) -> str | None:
        """Return why the last head stopped; None when it had no reason, or one took over since."""
        ...

    def head_log(self) -> Path:
        """Return the file of this computer that takes what a head here writes to stderr."""
        ...

    def head_words(self) -> str:
        """Return what heads wrote to stderr so far; may be empty."""
        ...


class Draft(Protocol):
    """A job that is being made, and that nobody sees yet. Leaving the context drops the rest."""

    id: str

    def put_inputs(self, inputs: Iterable[bytes], what: str) -> int:
        """Keep all inputs of the tasks, and return how many there are.

        Args:
            inputs: Read once, never held as a whole.
            what: Where they come from, for the message: "inputs.txt".

        Raises:
            UsageError: there are none; or whatever reading `inputs` raises.
            JournalFull, WorkspaceError: they cannot be written.
        """
        ...

    def bundle(self) -> Path:
        """Return a file of this computer to pack the job's files into, once, before `commit`."""
        ...

    def show(self, topic: str, facts: Mapping[str, Any]) -> None:
        """Show onlookers this about a topic from the beginning. Never fails."""
        ...

    def commit(self, events: Sequence[str], *, name: str = "", made_by: str = "") -> None:
        """Make the job, whole or not at all.

        Args:
            events: Encoded by `core.events.encode`; at least `JobSubmitted`.
            name: What people may call it, besides its id.
            made_by: The version of batchio.

        Raises:
            JournalFull, WorkspaceError: nothing was made.
        """
        ...

    def __enter__(self) -> Draft:
        """Begin."""
        ...

    def __exit__(self, *_: object) -> None:
        """Drop what was not committed."""
        ...


class Workspace(Protocol):
    """Where jobs are kept."""

    url: str
    """Opens the same workspace in another process: a path, or a URL."""

    @property
    def local(self) -> Path | None:
        """The folder of this computer that all of it lies in; None when there is none."""
        ...

    def jobs(self) -> list[str]:
        """Return the ids of all jobs, newest first. Opens no journal.

        Raises:
            WorkspaceError: the workspace cannot be read.
        """
        ...

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield id and name of each job, newest first. Opens no journal."""
        ...

    def job(self, job: str) -> JobStore:
        """Return the store of one job, which need not exist."""
        ...

    def shown(self, topic: str, jobs: Sequence[str]) -> list[dict[str, Any]]:
        """Return what each of these jobs shows about a topic, as `JobStore.shown`; many at once."""
        ...

    def draft(self, now: float) -> Draft:
        """Begin a job, submitted at `now` (Unix seconds), under an id that nobody has.

        Raises:
            WorkspaceError: the workspace cannot be written.
        """
        ...

    def remove(self, job: str) -> None:
        """Delete all that is kept of a job; takes as long as deleting takes.

        Raises:
            LeaseHeld: a head runs it.
            NoSuchJob: there is none.
        """
        ...

"""Where jobs are kept: the workspace, and one job's store.

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

    from batchio.ports.blobs import PieceStore
    from batchio.ports.journal import Journal, JournalReader
    from batchio.ports.logs import LogSink, LogStore
    from batchio.ports.outputs import BroughtFiles, PartStore, PlacedFiles


class Pace(NamedTuple):
    """Intervals at which to look, in seconds: the store's own, for each look may cost money."""

    requests: float
    """Between two looks of a head for requests, and of others for its answer."""
    news: tuple[float, float]
    """Between two looks at a journal: just after it changed, and after a long quiet."""
    leader: float
    """Between two looks at who leads the job."""
    shown: float
    """Between two writes of what onlookers see, when there is no hurry."""


class Holder(NamedTuple):
    """Who holds a job's lease: the process, and what kind of head it is."""

    pid: int
    host: str
    kind: str = "local"
    """The kind, as in `JobSpec.head`: `local`, `inline`, …"""
    where: str = ""
    """The head's own node, for a head that has one."""
    left: float = 0.0
    """Seconds for which the lease is good, unless renewed; 0.0: as long as the process lives."""


class Inputs(Protocol):
    """The inputs of a job's tasks, by position. Every verb may raise JournalCorrupt."""

    count: int

    def raw(self, position: int) -> bytes:
        """Return the bytes of one task's input.

        Raises:
            IndexError: there is no such task.
        """
        ...

    def value(self, position: int) -> str:
        """Return one task's input as text; bytes that are not UTF-8 as surrogates (PEP 383)."""
        ...

    def record(self, position: int) -> dict[str, str]:
        """Return the input of one task as its variables: name to value."""
        ...

    def close(self) -> None:
        """Close the inputs. Repeatable."""
        ...


class JobStore(Protocol):
    """All that is kept of one job. Cheap to create: it holds nothing open."""

    id: str
    pace: Pace
    where: str
    """How people call the place: a folder's path, a URL."""

    def name(self) -> str:
        """Return the name that people gave the job; may be empty."""
        ...

    def size(self) -> int:
        """Return how many bytes the whole job takes on disk; slow for a large job."""
        ...

    # --- the journal and its head ---

    def reader(self) -> JournalReader:
        """Open the journal for reading.

        Raises:
            NoSuchJob, JournalCorrupt, WorkspaceError: see `errors.py`.
        """
        ...

    def lead(self, kind: str = "local") -> Journal:
        """Acquire the lease, as a head of this kind, and open the journal for writing.

        Raises:
            LeaseHeld: another head has it; names it.
            NoSuchJob, JournalCorrupt, JournalFull, WorkspaceError: see `errors.py`.
        """
        ...

    def leader(self) -> Holder | None:
        """Return who holds the lease, without acquiring it; None when nobody does."""
        ...

    # --- what other processes ask of the head ---

    def ask(self, request: Mapping[str, Any]) -> str:
        """Make a request to the head, the present or the next; return the request's name.

        Raises:
            JournalFull, WorkspaceError: it was not made.
        """
        ...

    def asked(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all requests that were not answered, oldest first: `(name, request)`."""
        ...

    def answered(self, name: str) -> None:
        """Remove a request whose effect stands in the journal. Quiet when it is gone already."""
        ...

    def seed(self) -> bytes:
        """Return the job's secret, 32 random bytes that no other job has.

        It is made when it is first asked for, and is the same for all heads of the job. The keys
        of rented nodes are made from it, so it is shown to nobody.

        Raises:
            JournalFull, WorkspaceError: it cannot be kept.
        """
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
        """Return the file of this computer that holds the job's files, to be uploaded."""
        ...

    def sign_bundle(self, seconds: float) -> str | None:
        """Return a URL from which nodes may GET the bundle for so long; None: there is none."""
        ...

    def pieces(self) -> PieceStore | None:
        """Return where the pieces of environments are kept; None: in this computer's cache only."""
        ...

    def outputs(self) -> Path:
        """Return the folder of this computer where outputs of tasks go; it need not exist."""
        ...

    def parts(self) -> PartStore | None:
        """Return where outputs are kept as parts; None: they are files in `outputs()`."""
        ...

    def placed(self) -> PlacedFiles:
        """Return the record of the outputs that were put in their place."""
        ...

    def brought(self, folder: Path) -> BroughtFiles:
        """Return the workspace's record of what was brought to a folder of the user's."""
        ...

    def log_sink(self, node: int, *, local: bool) -> LogSink:
        """Open the place where one node's log bytes are written.

        Args:
            local: The node is this computer, and its agent may write the bytes itself.
        """
        ...

    def logs(self) -> LogStore:
        """Return the logs of the job's nodes."""
        ...

    # --- for people who look on; never journaled ---

    def show(self, topic: str, facts: Mapping[str, Any]) -> None:
        """Replace all that onlookers may know about a topic.

        Never fails: facts that cannot be written are removed, and onlookers see less.
        """
        ...

    def shown(self, topic: str) -> dict[str, Any]:
        """Return the facts that were shown last about a topic; empty when there are none."""
        ...

    def say_last_words(self, text: str) -> None:
        """Store why the head stopped before its job was done. Never fails."""
        ...

    def last_words(self) -> str | None:
        """Return why the last head stopped; None when it had no reason, or another leads since."""
        ...

    def head_log(self) -> Path:
        """Return the file of this computer that receives what a head here writes to stderr."""
        ...

    def head_words(self) -> str:
        """Return what heads wrote to stderr so far; may be empty."""
        ...


class Draft(Protocol):
    """A job in the making, which nobody sees yet. Leaving the context without `commit` drops it."""

    id: str

    def put_inputs(self, inputs: Iterable[bytes], what: str) -> int:
        """Store all inputs of the tasks, and return how many there are.

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
        """Show onlookers these facts about a topic, from the job's beginning. Never fails."""
        ...

    def send(self) -> None:
        """Send the inputs and the bundle to where the job is kept, which may take long.

        `commit` does it, too: this is for whoever wants it done before.

        Raises:
            JournalDown, WorkspaceError: they were not sent.
        """
        ...

    def commit(self, events: Sequence[str], *, name: str = "", made_by: str = "") -> None:
        """Create the job, whole or not at all.

        Args:
            events: Encoded by `core.events.encode`; at least `JobSubmitted`.
            name: The job's name for people, besides its id.
            made_by: The version of batchio.

        Raises:
            JournalFull, WorkspaceError: nothing was made.
        """
        ...

    def __enter__(self) -> Draft:
        """Begin the draft."""
        ...

    def __exit__(self, *_: object) -> None:
        """Drop what was not committed."""
        ...


class Workspace(Protocol):
    """The place where jobs are kept."""

    url: str
    """A path or a URL that opens the same workspace in another process."""

    @property
    def local(self) -> Path | None:
        """The folder of this computer that holds the whole workspace, or None when none does."""
        ...

    def jobs(self) -> list[str]:
        """Return the ids of all jobs, newest first. Opens no journal.

        Raises:
            WorkspaceError: the workspace cannot be read.
        """
        ...

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the id and the name of each job, newest first. Opens no journal."""
        ...

    def cards(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the id and the card of each job, newest first, as `JobStore.shown` has it.

        Opens no journal, and reads no more of them ahead than costs little.
        """
        ...

    def job(self, job: str) -> JobStore:
        """Return the store of one job, which need not exist."""
        ...

    def brought(self, folder: Path) -> BroughtFiles:
        """Return the record of what jobs have brought to a folder of the user's."""
        ...

    def draft(self, now: float) -> Draft:
        """Begin a job, submitted at `now` (Unix seconds), under an id that nobody has.

        Raises:
            WorkspaceError: the workspace cannot be written.
        """
        ...

    def remove(self, job: str) -> None:
        """Delete all that is kept of a job; slow for a large job.

        Raises:
            LeaseHeld: a head runs it.
            NoSuchJob: there is none.
        """
        ...

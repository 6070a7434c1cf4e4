"""A workspace in memory; its journals are in `journal.py`."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batchio.core.cards import TOPIC
from batchio.core.events import JobSubmitted, encode
from batchio.errors import JournalDown, NoSuchJob, UsageError, WorkspaceError
from batchio.ports import Pace
from batchio.runtime.replay import Fold
from batchio.stores.folder import new_id
from batchio.stores.log_sink import FolderSink
from batchio.testing.journal import MemoryEvents, MemoryJournal, refuse_second
from batchio.testing.memory_logs import MemoryLogs, MemorySink
from batchio.testing.placed import MemoryBroughtFiles, MemoryPlacedFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec
    from batchio.ports import Holder, LogSink

PACE: Final = Pace(requests=0.1, news=(0.02, 0.5), leader=0.03, shown=0.0)


class MemoryInputs:
    """The inputs of tasks by position; implements `ports.Inputs`."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values = values
        self.count = len(values)

    def raw(self, position: int) -> bytes:
        """Return the bytes of one task's input."""
        if not 0 <= position < self.count:
            raise IndexError(f"input {position} of {self.count}")
        return self._values[position]

    def value(self, position: int) -> str:
        """Return the input of one task as text."""
        return self.raw(position).decode("utf-8", "surrogateescape")

    def record(self, position: int) -> dict[str, str]:
        """Return the input of one task as its variables: name to value."""
        record: dict[str, str] = json.loads(self.raw(position))
        return record

    def close(self) -> None:
        """Do nothing: nothing is held."""


@dataclass
class _Kept:
    """The stored facts of one job, all but its real files."""

    past: MemoryEvents
    name: str
    inputs: list[bytes] | None
    requests: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    last_words: str | None = None
    logs: MemoryLogs | None = None
    asked: int = 0
    seed: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    placed: MemoryPlacedFiles = field(default_factory=MemoryPlacedFiles)


class MemoryJobStore:
    """One job in memory; implements `ports.JobStore`.

    Logs, outputs and the bundle are real files in `folder`, for other programs open them.
    """

    pace = PACE

    def __init__(
        self, job: str, kept: _Kept | None, folder: Path, workspace: MemoryWorkspace
    ) -> None:
        self.id = job
        self._workspace = workspace
        self.where = f"memory:{job}"
        self.folder = folder
        self._maybe = kept

    @property
    def _kept(self) -> _Kept:
        if self._maybe is None:
            raise NoSuchJob(f"there is no job {self.id}")
        return self._maybe

    def name(self) -> str:
        """Return the name that people gave the job; may be empty."""
        return self._maybe.name if self._maybe else ""

    def size(self) -> int:
        """Return how many bytes its events and its real files take."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        events = self._maybe.past.read() if self._maybe else []
        return sum(len(body) for _, body in events) + sum(path.stat().st_size for path in files)

    def reader(self) -> MemoryEvents:
        """Return the journal for reading, which can also be made full, slow or down."""
        return self._kept.past

    def lead(self, kind: str = "local") -> MemoryJournal:
        """Acquire the lease, and open the journal for writing."""
        journal = MemoryJournal(self._kept.past, kind)
        self._kept.last_words = None
        return journal

    def leader(self) -> Holder | None:
        """Return the process that leads the job."""
        return self._maybe.past.holder if self._maybe else None

    def seed(self) -> bytes:
        """Return the job's secret."""
        return self._kept.seed

    def ask(self, request: Mapping[str, Any]) -> str:
        """Make a request to the head, and return its name."""
        if self._maybe is None:
            raise WorkspaceError(f"there is no job {self.id}")
        self._kept.asked += 1
        name = f"{self._kept.asked:020d}"
        self._kept.requests[name] = json.dumps(request)
        return name

    def asked(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all requests that were not answered, oldest first."""
        if self._maybe and self._maybe.past.down:
            raise JournalDown(f"nobody answers for job {self.id}")
        requests = self._maybe.requests if self._maybe else {}
        return [(name, json.loads(text)) for name, text in list(requests.items())]

    def answered(self, name: str) -> None:
        """Remove a request."""
        self._kept.requests.pop(name, None)

    def inputs(self) -> MemoryInputs:
        """Return the inputs of the tasks."""
        if self._kept.inputs is None:
            raise NoSuchJob(f"there are no inputs in job {self.id}")
        return MemoryInputs(self._kept.inputs)

    def bundle(self) -> Path:
        """Return the file that holds the job's files, to be uploaded."""
        return self.folder / "bundle.tar"

    def sign_bundle(self, seconds: float) -> None:
        """Return None: nodes cannot fetch from here."""

    def pieces(self) -> None:
        """Return None: its jobs run where the user's cache is."""

    def outputs(self) -> Path:
        """Return the folder where outputs go."""
        return self.folder / "outputs"

    def parts(self) -> None:
        """Return None: outputs are files in `outputs()`."""

    def placed(self) -> MemoryPlacedFiles:
        """Return the record of the outputs that were put in their place."""
        return self._kept.placed

    def brought(self, folder: Path) -> MemoryBroughtFiles:
        """Return the record of what was brought to a folder of the user's."""
        return self._workspace.brought(folder)

    def log_sink(self, node: int, *, local: bool) -> LogSink:
        """Open the place where one node's log bytes are written."""
        if local:
            return FolderSink(self.folder / "logs" / str(node), local=True)
        return MemorySink(self.logs(), node)

    def logs(self) -> MemoryLogs:
        """Return the logs of the job's nodes."""
        kept = self._kept
        kept.logs = kept.logs or MemoryLogs(self.folder / "logs")
        return kept.logs

    def show(self, topic: str, facts: Mapping[str, Any]) -> None:
        """Replace the facts that are shown about a topic."""
        if self._maybe:
            self._maybe.shown[topic] = json.dumps(facts)

    def shown(self, topic: str) -> dict[str, Any]:
        """Return the facts that are shown about a topic."""
        found: dict[str, Any] = json.loads(
            self._maybe.shown.get(topic, "{}") if self._maybe else "{}"
        )
        return found

    def say_last_words(self, text: str) -> None:
        """Store why the head stopped."""
        if self._maybe:
            self._maybe.last_words = text

    def last_words(self) -> str | None:
        """Return why the last head stopped, if it said so."""
        return self._maybe.last_words if self._maybe else None

    def head_log(self) -> Path:
        """Return the file that receives what a head writes to stderr."""
        return self.folder / "head.log"

    def head_words(self) -> str:
        """Return what heads wrote to stderr so far."""
        return self.head_log().read_text() if self.head_log().exists() else ""


class MemoryDraft:
    """A job in the making; implements `ports.Draft`."""

    def __init__(self, job: str, jobs: dict[str, _Kept], drafts: set[str], folder: Path) -> None:
        self.id = job
        self._jobs = jobs
        self._drafts = drafts
        self._folder = folder
        self._inputs: list[bytes] | None = None
        self._shown: dict[str, str] = {}

    def put_inputs(self, inputs: Iterable[bytes], what: str) -> int:
        """Store all inputs of the tasks, and return how many there are."""
        self._inputs = list(inputs)
        if not self._inputs:
            raise UsageError(f"no values in {what}", hint="a job needs at least one task")
        return len(self._inputs)

    def bundle(self) -> Path:
        """Return a file to pack the job's files into."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / "bundle.tar"

    def show(self, topic: str, facts: Mapping[str, Any]) -> None:
        """Show onlookers these facts about a topic, from the job's beginning."""
        self._shown[topic] = json.dumps(facts)

    def send(self) -> None:
        """Do nothing: they are there already."""

    def commit(self, events: Sequence[str], *, name: str = "", made_by: str = "") -> None:
        """Create the job; only this process knows it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        past = MemoryEvents(self.id, [list(events)])
        self._jobs[self.id] = _Kept(past, name, self._inputs, shown=self._shown)

    def __enter__(self) -> MemoryDraft:
        """Begin the draft."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete what was not committed."""
        self._drafts.discard(self.id)
        if self.id not in self._jobs:
            _delete(self._folder)


class MemoryWorkspace:
    """A workspace whose jobs are in memory; implements `ports.Workspace`.

    Args:
        root: A folder for what must be real files: logs, outputs, bundles.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.url = f"memory:{root}"
        self.local = self.root
        self.new_id = new_id
        """Makes an id from the time of submission; may make the same one twice."""
        self._jobs: dict[str, _Kept] = {}
        self._drafts: set[str] = set()
        self._brought: dict[Path, MemoryBroughtFiles] = {}

    def jobs(self) -> list[str]:
        """Return the ids of all jobs, newest first."""
        return sorted(self._jobs, reverse=True)

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the id and the name of each job, newest first."""
        return ((job, self._jobs[job].name) for job in self.jobs())

    def cards(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the id and the card of each job, newest first."""
        return ((job, self.job(job).shown(TOPIC)) for job in self.jobs())

    def job(self, job: str) -> MemoryJobStore:
        """Return the store of one job, which need not exist."""
        return MemoryJobStore(job, self._jobs.get(job), self.root / job, self)

    def brought(self, folder: Path) -> MemoryBroughtFiles:
        """Return the record of what was brought to a folder of the user's."""
        return self._brought.setdefault(Path(os.path.realpath(folder)), MemoryBroughtFiles())

    def draft(self, now: float) -> MemoryDraft:
        """Begin a job under an id that nobody has."""
        while (job := self.new_id(now)) in {*self._jobs, *self._drafts}:
            pass
        self._drafts.add(job)
        return MemoryDraft(job, self._jobs, self._drafts, self.root / job)

    def remove(self, job: str) -> None:
        """Delete all that is kept of a job."""
        refuse_second(self.job(job).reader())
        del self._jobs[job]
        _delete(self.root / job)

    # --- for tests -----------------------------------------------------------

    def submit(self, spec: JobSpec, now: float) -> str:
        """Create a job of this spec, and return its id; no head runs it yet."""
        with self.draft(now) as draft:
            draft.commit([encode(JobSubmitted(now, draft.id, spec.to_json()))], name=spec.name)
        return draft.id

    def machine(self, job: str) -> Machine:
        """Return the job's state machine, folded from its journal."""
        fold = Fold(self.job(job).reader())
        fold.catch_up()
        return fold.machine


def _delete(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)

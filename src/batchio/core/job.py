"""A job's state, derived from its tasks and nodes; it is never set on its own. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from batchio.core.errands import ready_limit
from batchio.core.spec import HEADS_HERE
from batchio.core.task import Outcome, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchio.core.node import Node
    from batchio.core.spec import JobSpec
    from batchio.core.task import Tasks


class JobState(StrEnum):
    """State of a job."""

    PENDING = "pending"
    """Submitted; no node has been asked for."""
    PROVISIONING = "provisioning"
    """Nodes were asked for, none has greeted us yet."""
    RUNNING = "running"
    """At least one node has greeted us."""
    DONE = "done"
    """Every task has an outcome and every node is given back."""


EXIT_CODES: Final = {
    Outcome.NONE: 3,  # a job whose end nobody can tell is no success
    Outcome.SUCCEEDED: 0,
    Outcome.FAILED: 1,
    Outcome.LOST: 3,
    Outcome.CANCELLED: 4,
    Outcome.TIMED_OUT: 5,
}
"""Exit code, by the job's outcome, of a command that waited for it; 2 means wrong usage."""


@dataclass(slots=True)
class Job:
    """State of the job as a whole; times are Unix seconds."""

    id: str
    spec: JobSpec
    submitted: float
    epoch: int = 0
    """Number of heads that have led the job."""
    head: str = ""
    """Kind of the newest of them, as `JobSpec.head`; "" when there was none."""
    boot: str = ""
    """Id of the boot of its head's computer; "" when unknown."""
    booted: float = 0.0
    """When that boot began: the job's time is this and the seconds since."""
    provisioning: float = 0.0
    """When the first node was wanted; 0 before."""
    running: float = 0.0
    """When the first node greeted us: the job timeout counts from here."""
    closed: float = 0.0
    cancelled: bool = False
    timed_out: bool = False
    why: str = ""
    """Cause of an early end of the job; "" when there was none."""
    merging: int = 0
    """How often outputs were begun to be brought to the folder of --sync."""
    merged: int = 0
    """The number of the last time of these that has ended."""
    unmerged: str = ""
    """Why outputs could not be brought there; "" when they were, or need not."""
    fresh: bool = True
    """Whether tasks may have run since outputs were last begun to be brought there."""
    rents: bool = False
    """Whether the job's nodes cost money."""
    offers_why: str = ""
    """Why the provider could not list its offers; "" when it could, or was not asked yet."""
    offers_again: float = 0.0
    """When the provider is asked for offers again; 0: never."""
    blocked: dict[str, str] = field(default_factory=dict)
    """By node's number, or "-1" for all output files: why nothing more can be kept now."""
    ready_limit: float = field(init=False)
    """Seconds that a node of the job may take from booting to being ready."""

    def __post_init__(self) -> None:
        self.ready_limit = ready_limit(self.spec)

    @property
    def outputs(self) -> str:
        """Store or folder of --sync that output files go to; "": where its workspace has them."""
        spec = self.spec
        if spec.output_filestore:
            return f"{spec.output_filestore}/{self.id}"
        return (self.spec.sync or "") if self.merges and not self.unmerged else ""

    @property
    def merges(self) -> bool:
        """Whether its head brings outputs to the folder of --sync; one elsewhere has it not."""
        return self.spec.sync is not None and self.head in ("", *HEADS_HERE)

    @property
    def to_merge(self) -> bool:
        """Whether its head still is to bring outputs to the folder of --sync."""
        return self.merges and (self.fresh or self.merging > self.merged)

    @property
    def cut_short(self) -> bool:
        """Whether the job was ended early: cancelled, timed out or abandoned."""
        return self.cancelled or self.timed_out or bool(self.why)


def state(job: Job, nodes: Iterable[Node]) -> JobState:
    """Return the job's state, derived from the job and whether it has nodes."""
    if job.closed:
        return JobState.DONE
    if job.running:
        return JobState.RUNNING
    return JobState.PROVISIONING if any(True for _ in nodes) else JobState.PENDING


def outcome(job: Job, tasks: Tasks) -> Outcome:
    """Return how the job ended, once every task has ended; NONE before.

    The worst news wins: a lost task says that the machines failed, a failed one that the
    program did; a job that was ended as a whole says so even when some tasks had failed.
    """
    if tasks.by_state[TaskState.DONE] < tasks.count:
        return Outcome.NONE
    ends = tasks.by_outcome
    if ends[Outcome.SUCCEEDED] == tasks.count:
        return Outcome.FAILED if job.unmerged else Outcome.SUCCEEDED
    if job.cancelled:
        return Outcome.CANCELLED
    if job.timed_out:
        return Outcome.TIMED_OUT
    if ends[Outcome.LOST]:
        return Outcome.LOST
    if ends[Outcome.FAILED] or ends[Outcome.TIMED_OUT]:
        return Outcome.FAILED
    return Outcome.CANCELLED

"""The life of a task, and a million of them as columns.

Pure. EDGES is the whole truth about one task; STALE holds what may arrive late or twice,
each with its reason. docs/design/states.md draws both, tests/core walks them.
"""

from __future__ import annotations

from array import array
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from batchio.errors import IllegalEvent

if TYPE_CHECKING:
    from batchio.core.reports import Ended


class TaskState(IntEnum):
    """State of one task."""

    PENDING = 0
    """The task waits for a slot, or for its backoff to pass."""
    ASSIGNED = 1
    """The task was sent to a node, where it may still be queued."""
    RUNNING = 2
    """The task's process runs."""
    COLLECTING = 3
    """The task's process has ended; its output files are being downloaded."""
    DONE = 4
    """The task has an outcome. Only a new attempt leads out of this state."""


class Outcome(IntEnum):
    """How a task, or a job, ended."""

    NONE = 0
    SUCCEEDED = 1
    FAILED = 2
    CANCELLED = 3
    TIMED_OUT = 4
    LOST = 5
    """Nodes could not be had or kept; the program is not to blame."""

    @property
    def label(self) -> str:
        """This outcome's name for people and JSON, such as "failed"; "" for NONE."""
        return self.name.lower() if self else ""


class TaskFact(IntEnum):
    """Facts: the things that can happen to one task."""

    ASSIGNED = 0
    STARTED = 1
    FINISHED = 2
    """Ended with nothing to collect."""
    LEFT_OUTPUTS = 3
    """Ended, and left files behind."""
    RETURNED = 4
    COLLECTED = 5
    NODE_LOST = 6
    DROPPED = 7
    """Cancelled, timed out or abandoned before it was sent anywhere."""
    REQUEUED = 8


S, F = TaskState, TaskFact

EDGES: Final[dict[tuple[TaskState, TaskFact], TaskState]] = {
    (S.PENDING, F.ASSIGNED): S.ASSIGNED,
    (S.PENDING, F.DROPPED): S.DONE,
    (S.ASSIGNED, F.STARTED): S.RUNNING,
    (S.ASSIGNED, F.FINISHED): S.DONE,  # so short that its start was never news
    (S.ASSIGNED, F.LEFT_OUTPUTS): S.COLLECTING,
    (S.ASSIGNED, F.RETURNED): S.PENDING,
    (S.ASSIGNED, F.NODE_LOST): S.DONE,
    (S.RUNNING, F.FINISHED): S.DONE,
    (S.RUNNING, F.LEFT_OUTPUTS): S.COLLECTING,
    (S.RUNNING, F.NODE_LOST): S.DONE,
    (S.COLLECTING, F.COLLECTED): S.DONE,
    (S.COLLECTING, F.NODE_LOST): S.DONE,  # its outputs are gone: it counts as lost
    (S.DONE, F.REQUEUED): S.PENDING,
}

STALE: Final[dict[tuple[TaskState, TaskFact], str]] = {
    (S.RUNNING, F.STARTED): "the agent repeats itself after a reconnection",
    (S.COLLECTING, F.STARTED): "repeated, and overtaken by its own result",
    (S.DONE, F.STARTED): "repeated, and overtaken by its own result",
    (S.COLLECTING, F.FINISHED): "the result is sent until it is acknowledged",
    (S.COLLECTING, F.LEFT_OUTPUTS): "the result is sent until it is acknowledged",
    (S.DONE, F.FINISHED): "the result is sent until it is acknowledged",
    (S.DONE, F.LEFT_OUTPUTS): "the result is sent until it is acknowledged",
    (S.RUNNING, F.RETURNED): "a recall crossed a start",
    (S.DONE, F.RETURNED): "a recall crossed a node's loss",
    (S.DONE, F.COLLECTED): "collected twice, around a crash",
    **{
        (state, F.REQUEUED): "asked for again before it had ended"
        for state in (S.PENDING, S.ASSIGNED, S.RUNNING, S.COLLECTING)
    },
}
"""Facts that change nothing. `Tasks.current` refuses those of another attempt or node before."""

_ILLEGAL, _STALE = 255, 254


def _compile() -> list[bytes]:
    rows = []
    for fact in TaskFact:
        row = bytearray([_ILLEGAL] * len(TaskState))
        for state in TaskState:
            if (state, fact) in STALE:
                row[state] = _STALE
            elif (state, fact) in EDGES:
                row[state] = EDGES[state, fact]
        rows.append(bytes(row))
    return rows


_MOVES: Final = _compile()

COLUMNS: Final = {
    "state": "B",
    "outcome": "B",
    "stopping": "B",  # the outcome a stop under way will have
    "attempt": "H",
    "failures": "H",  # attempts spent of --max-retries
    "losses": "B",  # attempts spent of --max-infra-retries
    "node": "i",
    "exit": "h",
    "started": "d",
    "ended": "d",
    "rss": "Q",
    "cpu": "f",
    "log_from": "Q",
    "log_to": "Q",
    "files": "I",
}
"""Name and array type code of each column: 62 bytes a task."""


class Tasks:
    """All tasks of one job: a column a property, and counts by state and outcome."""

    __slots__ = (
        *COLUMNS, "by_outcome", "by_state", "coming", "count", "reasons", "tails",
    )  # fmt: skip

    state: array[int]
    outcome: array[int]
    stopping: array[int]
    attempt: array[int]
    failures: array[int]
    losses: array[int]
    node: array[int]
    exit: array[int]
    started: array[float]
    ended: array[float]
    rss: array[int]
    cpu: array[float]
    log_from: array[int]
    log_to: array[int]
    files: array[int]

    def __init__(self, count: int) -> None:
        self.count = count
        for name, code in COLUMNS.items():
            size = array(code).itemsize
            setattr(self, name, array(code, bytes(size * count)))
        self.attempt = array("H", b"\1\0" * count)
        self.node = array("i", b"\xff\xff\xff\xff" * count)
        self.by_state = [count, 0, 0, 0, 0]
        self.by_outcome = [count] + [0] * (len(Outcome) - 1)
        self.tails: dict[int, str] = {}
        """By task: the last words of a failed one."""
        self.reasons: dict[int, str] = {}
        """By task: the cause of its end, where the exit code does not say it."""
        self.coming: dict[int, int] = {}
        """By task whose output files are being downloaded: their size in bytes."""

    def move(self, task: int, fact: TaskFact) -> bool:
        """Change a task's state as EDGES says; return False when STALE: nothing changed.

        Raises:
            IllegalEvent: there is no such edge.
        """
        state = self.state[task]
        to = _MOVES[fact][state]
        if to >= _STALE:
            if to == _ILLEGAL:
                raise IllegalEvent(
                    f"task {task}, attempt {self.attempt[task]}: "
                    f"{fact.name} while {TaskState(state).name}"
                )
            return False
        self.state[task] = to
        self.by_state[state] -= 1
        self.by_state[to] += 1
        return True

    def current(self, task: int, attempt: int, node: int) -> bool:
        """Return whether this attempt, on this node, is the task's present one."""
        return self.attempt[task] == attempt and self.node[task] == node

    def set_outcome(self, task: int, outcome: Outcome) -> None:
        """Set a task's outcome, NONE to clear it, and keep the counts by outcome."""
        self.by_outcome[self.outcome[task]] -= 1
        self.by_outcome[outcome] += 1
        self.outcome[task] = outcome

    def set_result(self, ended: Ended) -> None:
        """Store an agent's record of a finished attempt in the columns."""
        task = ended.task
        self.exit[task] = ended.exit
        self.started[task] = ended.started
        self.ended[task] = ended.ended
        self.rss[task] = ended.rss
        self.cpu[task] = ended.cpu
        self.log_from[task] = ended.log_from
        self.log_to[task] = ended.log_to
        self.files[task] = ended.files
        if ended.files:
            self.coming[task] = ended.bytes
        if ended.reason:
            self.reasons[task] = ended.reason
        if ended.tail:
            self.tails[task] = ended.tail

    def renew(self, task: int) -> None:
        """Begin the task's next attempt: clear what the columns hold of the last one."""
        self.set_outcome(task, Outcome.NONE)
        self.attempt[task] += 1
        self.stopping[task] = 0
        self.node[task] = -1
        self.exit[task] = 0
        self.started[task] = self.ended[task] = 0.0
        self.rss[task] = self.log_from[task] = self.log_to[task] = 0
        self.cpu[task] = 0.0
        self.files[task] = 0
        self.coming.pop(task, None)
        self.tails.pop(task, None)
        self.reasons.pop(task, None)

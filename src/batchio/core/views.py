"""What people are shown of a job, computed from a Machine and the time. Pure.

Task ids are the job's own (`spec.tasks`), never positions. Times are Unix seconds and
durations seconds; None stands for "not yet" or "not known". `to_json` gives plain JSON
values; SCHEMA rises when a field changes its meaning or goes away, not when one is added.
"""

from __future__ import annotations

import shlex
import signal
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from batchio.core.arrays import compact
from batchio.core.cost import cost
from batchio.core.news import event_view as event_view
from batchio.core.record import SCHEMA as SCHEMA
from batchio.core.record import View
from batchio.core.spec import PYTHON, SHELL
from batchio.core.task import Outcome, TaskState

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec

BAD: Final = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST)
"""How a task ends that is to be looked at. A cancelled one is what somebody wanted."""

_REASONS: Final = {
    "oom": "out of memory",
    "timed_out": "timed out",
    "unstartable": "could not be started",
    "node": "its node could not run it",
}
"""The agent's reasons in words; any other stands for itself."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Counts(View):
    """How many tasks stand where, and how those that are done ended."""

    total: int
    pending: int
    assigned: int
    running: int
    collecting: int
    done: int
    succeeded: int
    failed: int
    cancelled: int
    timed_out: int
    lost: int

    @property
    def bad(self) -> int:
        """Done, and neither succeeded nor cancelled."""
        return self.failed + self.timed_out + self.lost


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TaskRow(View):
    """One task, and its present attempt."""

    id: int
    state: str
    outcome: str
    """Empty until it is done."""
    attempt: int
    node: str | None
    """The node's name; None before it is sent to one."""
    started: float | None
    stopped: float | None
    duration: float | None
    """Counts on while it runs."""
    exit_code: int | None
    """None when it has none: not ended, or ended by a signal."""
    signal: str | None
    """SIGKILL, say."""
    reason: str
    """Why it ended so, where the exit code does not say it: out of memory, timed out."""
    memory: int | None
    """Peak resident bytes."""
    cpu: float | None
    """User and system seconds."""
    last_words: str
    """The last line a failed one wrote to stderr, or else to stdout."""

    @property
    def ending(self) -> str:
        """How its process ended, in a word: "0", "3", "SIGKILL", ""."""
        return self.signal or ("" if self.exit_code is None else str(self.exit_code))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NodeRow(View):
    """One node."""

    number: int
    name: str
    offer: str
    state: str
    since: float
    slots: int | None
    """None until its agent has greeted us."""
    running: int
    queued: int
    """Sent there, not started."""
    ended: int
    address: str | None
    cpus: float | None
    memory: int | None
    why: str
    """Why it is not of use, or is on its way out; or what it does before it is."""
    load: float | None = None
    """Processes that run or wait, over the last minute, as the node said lately."""
    disk_free: int | None = None
    """In bytes."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FailureGroup(View):
    """Tasks that ended badly in the same way."""

    outcome: str
    exit_code: int | None
    signal: str | None
    reason: str
    last_words: str
    count: int
    ids: str
    """As --task takes them: "3,7-9"."""

    @property
    def cause(self) -> str:
        """The way, in a few words: "exit code 3", "SIGKILL, out of memory"."""
        code = "" if self.exit_code in (None, 0) else f"exit code {self.exit_code}"
        said = ", ".join(part for part in (self.signal or code, self.reason) if part)
        return said or self.outcome


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class JobSummary(View):
    """One job as a line of a list."""

    id: str
    name: str
    command: str
    state: str
    outcome: str
    why: str
    provider: str
    counts: Counts
    submitted: float
    started: float | None
    finished: float | None
    duration: float
    """Since it was submitted; stops when it is finished."""
    cost: float | None
    """What its nodes cost so far, in US dollars; None where nothing is rented."""

    @property
    def standing(self) -> str:
        """Its outcome once there is one, else its state."""
        return self.outcome if self.state == "done" and self.outcome else self.state

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"schema": SCHEMA, **View.to_json(self)}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class JobView(JobSummary):
    """One job as a whole; its tasks and failures are one call away."""

    nodes: tuple[NodeRow, ...]
    retries: int
    """Attempts repeated because the program failed."""
    infra_retries: int
    """Attempts repeated because a node was lost."""
    epoch: int
    """How many heads have had it."""
    notes: tuple[tuple[float, str], ...]
    _machine: Machine = field(repr=False, compare=False)
    _now: float = field(repr=False, compare=False)
    attended: bool | None = None
    """Whether a head runs it; None: not known."""

    def tasks(self, ids: Iterable[int] | None = None) -> Iterator[TaskRow]:
        """Its tasks by rising id, or those of `ids`, one by one."""
        return task_rows(self._machine, self._now, ids)

    def urgent(self) -> Iterator[TaskRow]:
        """All of its tasks, those worth looking at first, one by one."""
        return urgent_rows(self._machine, self._now)

    def failures(self) -> list[FailureGroup]:
        """What went wrong, the most frequent first."""
        return failure_groups(self._machine)


# ---- computing them -----------------------------------------------------------------


def job_view(machine: Machine, now: float) -> JobView:
    """The job as it stands at `now`."""
    tasks = machine.tasks
    summary = job_summary(machine, now)
    return JobView(
        **{item.name: getattr(summary, item.name) for item in fields(summary)},
        nodes=tuple(node_rows(machine)),
        retries=sum(tasks.failures),
        infra_retries=sum(tasks.losses),
        epoch=machine.running_job.epoch,
        notes=tuple(machine.notes),
        _machine=machine,
        _now=now,
    )


def job_summary(machine: Machine, now: float) -> JobSummary:
    """The job as a line of a list, as it stands at `now`."""
    job = machine.running_job
    paid = cost(machine, now)
    return JobSummary(
        id=job.id,
        name=job.spec.name,
        command=command_text(job.spec),
        state=str(machine.state),
        outcome=machine.outcome.label,
        why=job.why,
        provider=job.spec.provider,
        counts=counts(machine),
        submitted=job.submitted,
        started=job.running or None,
        finished=job.closed or None,
        duration=max((job.closed or now) - job.submitted, 0.0),
        cost=None if paid is None else paid.spent,
    )


def counts(machine: Machine) -> Counts:
    """How many tasks stand where."""
    tasks = machine.tasks
    ends = {outcome.label: tasks.by_outcome[outcome] for outcome in Outcome if outcome}
    states = {state.name.lower(): tasks.by_state[state] for state in TaskState}
    return Counts(total=tasks.count, **states, **ends)


def task_rows(machine: Machine, now: float, ids: Iterable[int] | None = None) -> Iterator[TaskRow]:
    """Rows of all tasks by rising id, or of those in `ids`, in that order.

    Raises:
        KeyError: the job has no such task.
    """
    known = machine.running_job.spec.tasks
    if ids is None:
        for position, task_id in enumerate(known):
            yield _row(machine, position, task_id, now)
        return
    for task_id in ids:
        yield _row(machine, known.position(task_id), task_id, now)


def urgent_rows(machine: Machine, now: float) -> Iterator[TaskRow]:
    """Rows of all tasks: the bad ones first, then the active, the waiting, the rest."""
    known, tasks = machine.running_job.spec.tasks, machine.tasks
    order = (
        *((tasks.outcome, outcome) for outcome in BAD),
        (tasks.state, TaskState.RUNNING),
        (tasks.state, TaskState.COLLECTING),
        (tasks.state, TaskState.ASSIGNED),
        (tasks.state, TaskState.PENDING),
        (tasks.outcome, Outcome.CANCELLED),
        (tasks.outcome, Outcome.SUCCEEDED),
    )
    for column, value in order:
        for position in _where(column, value):
            yield _row(machine, position, known.at(position), now)


def node_rows(machine: Machine) -> Iterator[NodeRow]:
    """Rows of all nodes there were, in the order in which they were wanted."""
    state = machine.tasks.state
    for node in machine.nodes:
        running = sum(state[task] == TaskState.RUNNING for task in node.active)
        facts = node.facts
        yield NodeRow(
            number=node.number,
            name=node.name,
            offer=node.offer,
            state=str(node.state),
            since=node.since,
            slots=node.slots or None,
            running=running,
            queued=len(node.active) - running,
            ended=node.ended,
            address=facts.get("address") or None,
            cpus=facts.get("cpus"),
            memory=facts.get("memory"),
            why=node.why,
        )


def failure_groups(machine: Machine) -> list[FailureGroup]:
    """Tasks that ended badly, those that did so in the same way together."""
    known, tasks = machine.running_job.spec.tasks, machine.tasks
    groups: dict[tuple[Outcome, int | None, str, str], list[int]] = {}
    for outcome in BAD:
        for position in _where(tasks.outcome, outcome):
            code = tasks.exit[position] if tasks.ended[position] else None
            reason, tail = tasks.reasons.get(position, ""), tasks.tails.get(position, "")
            groups.setdefault((outcome, code, reason, tail), []).append(known.at(position))
    found = [
        FailureGroup(outcome.label, *_ending(code), _worded(reason), tail, len(ids), compact(ids))
        for (outcome, code, reason, tail), ids in groups.items()
    ]
    return sorted(found, key=lambda group: -group.count)


def command_text(spec: JobSpec) -> str:
    """The command as one would type it: a script by its name alone."""
    if spec.shell:
        return spec.argv[0]
    script = spec.files[0].path if spec.files else None
    words = spec.argv
    if words[0] == PYTHON or (words[0] == SHELL and words[1:2] == (script,)):
        words = words[1:]
    elif words[0] == f"./{script}":
        words = (words[0][2:], *words[1:])
    return shlex.join(words)


def signal_name(number: int) -> str:
    """SIGKILL for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _row(machine: Machine, at: int, task_id: int, now: float) -> TaskRow:
    tasks = machine.tasks
    state, node = TaskState(tasks.state[at]), tasks.node[at]
    started, stopped = tasks.started[at] or None, tasks.ended[at] or None
    duration = None
    if started is not None and (stopped is not None or state is TaskState.RUNNING):
        duration = max((stopped or now) - started, 0.0)
    code, killed_by = _ending(tasks.exit[at] if stopped else None)
    return TaskRow(
        id=task_id,
        state=state.name.lower(),
        outcome=Outcome(tasks.outcome[at]).label,
        attempt=tasks.attempt[at],
        node=machine.nodes[node].name if node >= 0 else None,
        started=started,
        stopped=stopped,
        duration=duration,
        exit_code=code,
        signal=killed_by,
        reason=_worded(tasks.reasons.get(at, "")),
        memory=tasks.rss[at] or None,
        cpu=round(tasks.cpu[at], 6) if stopped else None,
        last_words=tasks.tails.get(at, ""),
    )


def _ending(code: int | None) -> tuple[int | None, str | None]:
    """Exit code and signal name of the code an agent reports (-N: signal N)."""
    if code is None or code >= 0:
        return code, None
    return None, signal_name(-code)


def _worded(reason: str) -> str:
    return _REASONS.get(reason, reason)


def _where(column: array[int], value: int) -> Iterator[int]:
    """Positions of `value` in a column of bytes: a million cost a millisecond."""
    data = column.tobytes()
    at = data.find(value)
    while at >= 0:
        yield at
        at = data.find(value, at + 1)

"""Rows that people are shown of a job: its tasks, its nodes, its failures. Pure.

Task ids are the job's own (`spec.tasks`), never positions. Times are Unix seconds and
durations seconds; None stands for "not yet" or "not known".
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from batchio.core.arrays import compact
from batchio.core.concerns import failing
from batchio.core.cost import node_cost, task_cost
from batchio.core.endings import BAD as BAD
from batchio.core.moments import moment
from batchio.core.record import View
from batchio.core.sending import preparing
from batchio.core.task import Outcome, TaskState

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from batchio.core.concerns import Reaching
    from batchio.core.machine import Machine
    from batchio.core.sending import Seen


REASONS: Final = {
    "oom": "out of memory",
    "timed_out": "timed out",
    "unstartable": "could not be started",
    "node": "its node could not run it",
}
"""Words for the reasons that agents report; any other reason is shown as it is."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TaskRow(View):
    """One task with its present attempt."""

    id: int
    state: str
    """`pending`, `assigned`, `running`, `collecting` or `done`."""
    outcome: str
    """`succeeded`, `failed`, `cancelled`, `timed_out` or `lost`; empty until it is done."""
    attempt: int
    """Number of the present attempt, counted from 1."""
    node: str | None
    """Name of the task's node; None before it is sent to one."""
    started: float | None
    """Unix seconds at which the present attempt started."""
    stopped: float | None
    """Unix seconds at which it ended."""
    duration: float | None
    """Seconds; grows while the task runs."""
    exit_code: int | None
    """None when there is none: the process has not ended, or a signal ended it."""
    signal: str | None
    """Name of the signal that ended the process, such as SIGKILL. A shell says 137 of that one, 128
    and its number; `--retry-on` takes each of SIGKILL, KILL, 137 and -9 for it."""
    reason: str
    """Cause of the end, where the exit code does not say it: out of memory, timed out."""
    memory: int | None
    """Peak resident bytes."""
    cpu: float | None
    """User and system seconds."""
    last_words: str
    """The last line a failed task wrote to stderr, or else to stdout."""
    cost: float | None = None
    """US dollars: what its attempts took of their nodes, at their prices; None before they took
    anything, and where nothing is rented."""

    @property
    def ending(self) -> str:
        """How the process ended, in a word: "0", "3", "SIGKILL"; "" before."""
        return self.signal or ("" if self.exit_code is None else str(self.exit_code))

    @property
    def started_at(self) -> datetime | None:
        """`started` as a datetime in UTC."""
        return moment(self.started)

    @property
    def stopped_at(self) -> datetime | None:
        """`stopped` as a datetime in UTC."""
        return moment(self.stopped)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NodeRow(View):
    """One node of a job."""

    number: int
    """Number in the job, from 0."""
    name: str
    offer: str
    """What was asked for, in the provider's words: a host, a type of machine."""
    state: str
    """`wanted`, `booting`, `ready`, `silent`, `unwanted`, `draining` or `gone`."""
    since: float
    """Unix seconds at which that state began."""
    slots: int | None
    """None until its agent has greeted us."""
    running: int
    """Number of tasks that run there now."""
    queued: int
    """Number of tasks that were sent to the node and have not started."""
    ended: int
    """Number of attempts that ended there."""
    address: str | None
    """Address at which other nodes reach it."""
    cpus: float | None
    memory: int | None
    """Bytes."""
    why: str
    """Why the node is of no use or leaves; or what it does before it is ready."""
    hostname: str | None = None
    """What the node calls itself; None before it is known."""
    load: float | None = None
    """Load average of the last minute, as the node's last heartbeat said."""
    disk_free: int | None = None
    """Free bytes on the node's disk."""
    rate: float | None = None
    """US dollars an hour that the node costs, at most; None where nothing is rented."""
    cost: float | None = None
    """US dollars that it cost so far."""
    spot: bool = False
    """Whether it may be taken from us at any time."""
    zone: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FailureGroup(View):
    """Attempts that ended badly alike, and the tasks whose last attempts they are."""

    outcome: str
    exit_code: int | None
    signal: str | None
    reason: str
    last_words: str
    """Where they differ, numbers, ids and temporary paths in them are #: "row # of #"."""
    count: int
    """Number of tasks that ended so; 0 when all of them were tried again."""
    ids: str
    """The tasks' ids in the form of --task: "3,7-9"."""
    attempts: int = 0
    """Number of attempts that ended so, also of tasks that were tried again; 0: they never ran."""
    first: float | None = None
    """Unix seconds at which the first of these attempts ended; None: they never ran."""
    last: float | None = None
    """Unix seconds at which the last one ended."""
    nodes: tuple[str, ...] = ()
    """Names of the nodes that they were on, in the order of the first on each."""
    going_on: bool = False
    """Whether the job runs, and one of them is among the newest 500 attempts that ended."""
    task: int | None = None
    """Id of the task that ended so last."""
    attempt: int = 0
    """The number of that attempt."""
    memory: int | None = None
    """Largest peak of resident bytes."""

    @property
    def cause(self) -> str:
        """How these tasks ended, in a few words: "exit code 3", "SIGKILL, out of memory"."""
        code = "" if self.exit_code in (None, 0) else f"exit code {self.exit_code}"
        said = ", ".join(part for part in (self.signal or code, self.reason) if part)
        return said or self.outcome


# ---- computing them -----------------------------------------------------------------


def urgent_rows(machine: Machine, now: float) -> Iterator[TaskRow]:
    """Yield the rows of all tasks: bad ones first, then active, then waiting, then the rest."""
    tasks = machine.tasks
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
            yield row_at(machine, position, now)


def node_rows(
    machine: Machine,
    loads: Mapping[int, Any] | None = None,
    seen: Seen | None = None,
    reaching: Reaching | None = None,
    now: float = 0.0,
) -> Iterator[NodeRow]:
    """Yield the rows of all nodes, also of those that left, in the order of their numbers.

    Args:
        now: Unix seconds, until which costs are counted.
        loads: By node, what its heartbeat said lately: `load`, `disk_free`.
        seen: By node, what it does before it is ready, as `core.sending` has it.
        reaching: By node, why it could not be reached so far, as `core.concerns` has it.
    """
    state = machine.tasks.state
    for node in machine.nodes:
        running = sum(state[task] == TaskState.RUNNING for task in node.active)
        facts = node.facts
        said = (loads or {}).get(node.number, {}) if node.state == "ready" else {}
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
            why=node.why
            or machine.running_job.blocked.get(str(node.number), "").removeprefix(f"{node.name}: ")
            or preparing(node, seen or {})
            or failing(node, reaching or {}),
            hostname=facts.get("hostname"),
            load=said.get("load"),
            disk_free=said.get("disk_free"),
            rate=node.rate or None,
            cost=rounded(node_cost(node, now)),
            spot=node.spot,
            zone=node.zone,
        )


def failure_groups(
    machine: Machine, *, attempts: bool = False, attended: bool | None = None
) -> list[FailureGroup]:
    """Return the tasks that ended badly, grouped by how they ended, largest group first.

    Args:
        attempts: Also return groups of attempts all of whose tasks were tried again.
        attended: Whether a head leads the job; None: not known.
    """
    tasks, endings = machine.tasks, machine.endings
    known = machine.running_job.spec.tasks
    ran: dict[int, list[int]] = {}
    never_ran: dict[tuple[Outcome, str], list[int]] = {}
    for outcome in BAD:
        for position in _where(tasks.outcome, outcome):
            group = endings.of.get(position)
            if group is None:
                key = outcome, tasks.reasons.get(position, "")
                never_ran.setdefault(key, []).append(known.at(position))
            else:
                ran.setdefault(group, []).append(known.at(position))
    is_over = machine.running_job.closed or attended is False
    lately = {} if is_over else endings.lately()
    found = [
        _group(machine, number, ran.get(number, []), going_on=number in lately)
        for number in (range(len(endings.groups)) if attempts else ran)
    ]
    found += [
        FailureGroup(outcome.label, None, None, worded(reason), "", len(ids), compact(ids))
        for (outcome, reason), ids in never_ran.items()
    ]
    return sorted(found, key=lambda group: (-group.count, -group.attempts))


def _group(machine: Machine, number: int, ids: list[int], *, going_on: bool) -> FailureGroup:
    group = machine.endings.groups[number]
    return FailureGroup(
        Outcome(group.outcome).label,
        *ended_by(group.exit),
        worded(group.reason),
        group.words,
        len(ids),
        compact(ids),
        attempts=group.count,
        first=group.first,
        last=group.last,
        nodes=tuple(dict.fromkeys(machine.nodes[node].name for node in group.nodes)),
        going_on=going_on,
        task=machine.running_job.spec.tasks.at(group.task),
        attempt=group.attempt,
        memory=group.memory or None,
    )


def signal_name(number: int) -> str:
    """Return the name of a signal: SIGKILL for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def row_at(machine: Machine, at: int, now: float) -> TaskRow:
    """Return the row of the task at this position."""
    tasks = machine.tasks
    state, node = TaskState(tasks.state[at]), tasks.node[at]
    started, stopped = tasks.started[at] or None, tasks.ended[at] or None
    running = state is TaskState.RUNNING
    duration = None
    if started is not None and (stopped is not None or running):
        duration = max((stopped or now) - started, 0.0)
    code, killed_by = ended_by(tasks.exit[at] if stopped else None)
    return TaskRow(
        id=machine.running_job.spec.tasks.at(at),
        state=state.name.lower(),
        outcome=Outcome(tasks.outcome[at]).label,
        attempt=tasks.attempt[at],
        node=machine.nodes[node].name if node >= 0 else None,
        started=started,
        stopped=stopped,
        duration=duration,
        exit_code=code,
        signal=killed_by,
        reason=worded(tasks.reasons.get(at, "")),
        memory=tasks.rss[at] or None,
        cpu=round(tasks.cpu[at], 6) if stopped else None,
        last_words=tasks.tails.get(at, ""),
        cost=rounded(task_cost(machine, at, now if running else 0.0) or None),
    )


def rounded(dollars: float | None) -> float | None:
    """Return US dollars as they are shown: to a millionth."""
    return None if dollars is None else round(dollars, 6)


def ended_by(code: int | None) -> tuple[int | None, str | None]:
    """Return exit code and signal name for the code that an agent reports (-N: signal N)."""
    if code is None or code >= 0:
        return code, None
    return None, signal_name(-code)


def worded(reason: str) -> str:
    """Return the words for an agent's reason."""
    return REASONS.get(reason, reason)


def _where(column: array[int], value: int) -> Iterator[int]:
    """Yield the positions of `value` in a column of bytes; a million take a millisecond."""
    data = column.tobytes()
    at = data.find(value)
    while at >= 0:
        yield at
        at = data.find(value, at + 1)

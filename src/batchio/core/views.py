"""Views: what people are shown of a job, computed from a Machine and the time. Pure.

Task ids are the job's own (`spec.tasks`), never positions. Times are Unix seconds and
durations seconds; None stands for "not yet" or "not known". `to_json` gives plain JSON
values; SCHEMA rises when a field changes its meaning or goes away, not when one is added.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, cast

from batchio.core import lens
from batchio.core.concerns import Concern as Concern
from batchio.core.concerns import concerns
from batchio.core.cost import cost
from batchio.core.moments import moment
from batchio.core.news import event_view as event_view
from batchio.core.record import SCHEMA as SCHEMA
from batchio.core.record import View, one_line
from batchio.core.rows import FailureGroup as FailureGroup
from batchio.core.rows import NodeRow as NodeRow
from batchio.core.rows import TaskRow as TaskRow
from batchio.core.rows import failure_groups, node_rows, rounded, urgent_rows
from batchio.core.select import select
from batchio.core.spec import PYTHON, SHELL
from batchio.core.table import TaskRows as TaskRows
from batchio.core.table import task_rows
from batchio.core.task import Outcome, TaskState
from batchio.core.verdict import Verdict as Verdict
from batchio.core.verdict import verdict

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from batchio.core.concerns import Reaching
    from batchio.core.lens import Order, Where
    from batchio.core.machine import Machine
    from batchio.core.select import Filter
    from batchio.core.sending import Seen
    from batchio.core.spec import JobSpec


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Counts(View):
    """Number of tasks in each state, and of done tasks by outcome."""

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
        """Number of tasks that are done and neither succeeded nor were cancelled."""
        return self.failed + self.timed_out + self.lost


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class JobSummary(View):
    """One job as a line of a list."""

    id: str
    """The job's id: short, unique, sorts by time of submission."""
    name: str
    command: str
    """The command as a user would type it."""
    tags: tuple[str, ...]
    """The job's tags: `"team=a"`, sorted."""
    state: str
    """`pending`, `provisioning`, `running`, `done`; or `unreadable`."""
    outcome: str
    """`succeeded`, `failed`, `cancelled`, `timed_out` or `lost`; empty until it is done."""
    why: str
    """Cause of the outcome, where the tasks do not say it; or why it cannot be read."""
    provider: str
    """Where its nodes come from: `local`, `ssh`."""
    counts: Counts
    submitted: float
    """Unix seconds."""
    started: float | None
    """Unix seconds at which its first node was ready; None: none was yet."""
    finished: float | None
    """Unix seconds; None until it is done."""
    duration: float
    """Seconds since the job was submitted, until it finished."""
    attended: bool | None
    """Whether a head leads the job now; None: not known, or not needed any more."""
    cost: float | None
    """US dollars that the job's nodes cost so far; None where nothing is rented."""

    @property
    def standing(self) -> str:
        """The job's outcome when it is done, "unattended" if no process runs it, else its state."""
        if self.state == "done":
            return self.outcome or self.state
        return "unattended" if self.attended is False else self.state

    @property
    def progress(self) -> str:
        """Number of tasks that are done, and what became of them: "3 of 4 done, 1 failed"."""
        ends = ("failed", "timed_out", "lost", "cancelled")
        bad = ((getattr(self.counts, end), end.replace("_", " ")) for end in ends)
        return ", ".join(
            [
                f"{self.counts.done} of {self.counts.total} done",
                *(f"{count} {end}" for count, end in bad if count),
            ]
        )

    @property
    def submitted_at(self) -> datetime:
        """`submitted` as a datetime in UTC."""
        return moment(self.submitted)

    @property
    def started_at(self) -> datetime | None:
        """`started` as a datetime in UTC."""
        return moment(self.started)

    @property
    def finished_at(self) -> datetime | None:
        """`finished` as a datetime in UTC."""
        return moment(self.finished)

    def __repr__(self) -> str:
        about = f"{self.id} {one_line(self.name)}: {self.standing}, {self.progress}"
        return f"<{type(self).__name__} {about}>"

    def _repr_html_(self) -> str:
        from batchio.core.html import job_html  # only notebooks ask for it

        return job_html(self)

    def to_json(self) -> dict[str, Any]:
        """Return this summary as a dict of plain JSON values, with `schema`."""
        return {"schema": SCHEMA, **View.to_json(self)}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class JobHeader(JobSummary):
    """One job as a whole without its tasks; plain values that never change."""

    nodes: tuple[NodeRow, ...]
    """All nodes, also those that left."""
    retries: int
    """Attempts repeated because the program failed."""
    infra_retries: int
    """Attempts repeated because a node was lost."""
    epoch: int
    """Number of heads that have led the job."""
    notes: tuple[tuple[float, str], ...]
    """Unix seconds and sentence of each thing to know that stopped nothing."""
    concerns: tuple[Concern, ...]
    """What people must know of the job's nodes: those that cannot be reached, are left out, …"""
    hourly: float | None
    """US dollars an hour that the job's nodes cost now; None where nothing is rented."""
    wasted: float | None
    """The part of `cost` that went to attempts which ended badly or were run again."""
    verdict: Verdict
    """The most urgent truth about the job in one sentence, and the command that helps."""
    outputs: str
    """Folder or URL that output files go to, below the tasks' ids; "" where that is not known."""
    packages: str
    """The Python environment that nodes get, in one line; "" when none travels."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class JobView(JobHeader):
    """One job as a whole; its tasks and failures are one call away."""

    _machine: Machine = field(repr=False, compare=False)
    _now: float = field(repr=False, compare=False)

    def tasks(self, ids: Iterable[int] | None = None) -> TaskRows:
        """Return the rows of all tasks by rising id, or of the tasks in `ids`, in that order.

        Raises:
            UsageError: the job has no such task.
        """
        return task_rows(self._machine, self._now, ids)

    def task(self, task: int) -> TaskRow:
        """Return the row of the task of this id.

        Raises:
            UsageError: the job has no such task.
        """
        return task_rows(self._machine, self._now, [task])[0]

    def _repr_html_(self) -> str:
        from batchio.core.html import job_html

        return job_html(self, self.failures())

    def urgent(self) -> Iterator[TaskRow]:
        """Yield the rows of all tasks, those that need attention first."""
        return urgent_rows(self._machine, self._now)

    def select(self, where: Where | Filter | str = lens.ALL, *order: Order) -> array[int]:
        """Return the positions of the tasks that meet `where`, sorted by `order`, else by id.

        Args:
            where: Conditions, or a filter as a person types it: `"failed node:gpu3 >10m"`.

        Raises:
            KeyError: there is no such column.
            UsageError: the filter makes no sense.
        """
        return select(self._machine, where, order, self._now)

    def rows(self, positions: Iterable[int]) -> list[TaskRow]:
        """Return the rows of tasks at these positions."""
        return lens.window(self._machine, positions, self._now)

    def failures(self, *, attempts: bool = False) -> list[FailureGroup]:
        """Return the tasks that ended badly, grouped by how they ended, largest group first.

        Args:
            attempts: Also return groups of attempts all of whose tasks were tried again.
        """
        return failure_groups(self._machine, attempts=attempts, attended=self.attended)

    @property
    def leaving(self) -> int:
        """Number of tasks with output files."""
        return sum(map(bool, self._machine.tasks.files))


# ---- computing them -----------------------------------------------------------------


def job_view(machine: Machine, now: float, **seen: Any) -> JobView:
    """Return the job as it is at `now` (Unix seconds); `seen` as for `job_header`."""
    return JobView(**_values(job_header(machine, now, **seen)), _machine=machine, _now=now)


def job_header(
    machine: Machine,
    now: float,
    *,
    loads: Mapping[int, Any] | None = None,
    preparing: Seen | None = None,
    reaching: Reaching | None = None,
    attended: bool | None = None,
    last_words: str = "",
    outputs: str = "",
) -> JobHeader:
    """Return the job without its tasks, as it is at `now` (Unix seconds).

    Args:
        loads, preparing: Recent facts about nodes; see `loads` and `seen` of `node_rows`.
        reaching, attended, last_words: As for `concerns`.
        outputs: Where output files go that the spec sends nowhere else.
    """
    tasks = machine.tasks
    known = concerns(machine, reaching=reaching, attended=attended, last_words=last_words)
    paid = cost(machine, now)
    return JobHeader(
        **_values(job_summary(machine, now, attended=attended)),
        nodes=tuple(node_rows(machine, loads, preparing, reaching, now)),
        retries=_total(tasks.failures),
        infra_retries=_total(tasks.losses),
        epoch=machine.running_job.epoch,
        notes=tuple(machine.notes),
        concerns=known,
        hourly=None if paid is None else rounded(paid.hourly),
        wasted=None if paid is None else rounded(paid.wasted),
        verdict=verdict(machine, now, known),
        outputs=machine.running_job.outputs or outputs,
        packages=str(machine.running_job.spec.software or ""),
    )


def _values(view: View) -> dict[str, Any]:
    return {item.name: getattr(view, item.name) for item in fields(cast("Any", view))}


def _total(column: array[int]) -> int:
    """Return the sum of a column; fast when all of it is zero."""
    data = column.tobytes()
    return sum(column) if data.count(0) < len(data) else 0


def job_summary(machine: Machine, now: float, *, attended: bool | None = None) -> JobSummary:
    """Return the job as one line of a list, as it is at `now` (Unix seconds)."""
    job = machine.running_job
    paid = cost(machine, now)
    return JobSummary(
        id=job.id,
        name=job.spec.name,
        command=command_text(job.spec),
        tags=tag_texts(job.spec),
        state=str(machine.state),
        outcome=machine.outcome.label,
        why=job.why,
        provider=job.spec.provider,
        counts=counts(machine),
        submitted=job.submitted,
        started=job.running or None,
        finished=job.closed or None,
        duration=max((job.closed or now) - job.submitted, 0.0),
        attended=None if job.closed else attended,
        cost=None if paid is None else rounded(paid.spent),
    )


def counts(machine: Machine) -> Counts:
    """Count the tasks by state and by outcome."""
    tasks = machine.tasks
    ends = {outcome.label: tasks.by_outcome[outcome] for outcome in Outcome if outcome}
    states = {state.name.lower(): tasks.by_state[state] for state in TaskState}
    return Counts(total=tasks.count, **states, **ends)


def tag_texts(spec: JobSpec) -> tuple[str, ...]:
    """Return the job's tags as a user would type them, sorted."""
    return tuple(sorted(f"{key}={value}" for key, value in spec.tags.items()))


def command_text(spec: JobSpec) -> str:
    """Return the job's command as a user would type it: a script by its name alone."""
    if spec.shell:
        return spec.argv[0]
    script = spec.files[0].path if spec.files else None
    words = spec.argv
    if words[0] == PYTHON or (words[0] == SHELL and words[1:2] == (script,)):
        words = words[1:]
    elif words[0] == f"./{script}":
        words = (words[0][2:], *words[1:])
    return shlex.join(words)

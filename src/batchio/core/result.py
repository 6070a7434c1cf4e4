"""The result of a job that is done. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchio.core.endings import BAD
from batchio.core.explain import clip
from batchio.core.job import EXIT_CODES
from batchio.core.lens import Where
from batchio.core.record import Record, one_line
from batchio.core.task import Outcome

if TYPE_CHECKING:
    from batchio.core.concerns import Concern
    from batchio.core.rows import FailureGroup, TaskRow
    from batchio.core.table import TaskRows
    from batchio.core.views import JobView


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Result(Record):
    """The result of a job that is done."""

    job: JobView
    """The job as it ended."""

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What people must know of the job's nodes: hosts that were left out, and the like."""
        return self.job.concerns

    @property
    def outcome(self) -> str:
        """The job's outcome: `succeeded`, `failed`, `cancelled`, `timed_out` or `lost`."""
        return self.job.outcome

    @property
    def exit_code(self) -> int:
        """The exit code of `batchio wait`: 0, 1 failed, 3 lost, 4 cancelled, 5 timed out."""
        return EXIT_CODES[Outcome[self.job.outcome.upper() or "NONE"]]

    @property
    def tasks(self) -> TaskRows:
        """The rows of all tasks in order: a sequence, whose rows are made as they are asked for."""
        return self.job.tasks()

    def task(self, task: int) -> TaskRow:
        """Return the row of the task of this id.

        Raises:
            UsageError: the job has no such task.
        """
        return self.job.task(task)

    def failures(self, *, attempts: bool = False) -> list[FailureGroup]:
        """Return the tasks that ended badly, grouped by how they ended, largest group first.

        Args:
            attempts: Also return groups of attempts all of whose tasks were tried again.
        """
        return self.job.failures(attempts=attempts)

    @property
    def failed(self) -> tuple[int, ...]:
        """Ids of the tasks that ended badly, in order; those cancelled are none of them."""
        bad = self.job.select(Where(standing=frozenset(outcome.label for outcome in BAD)))
        return tuple(row.id for row in self.job.rows(bad))

    @property
    def cause(self) -> str:
        """The job's outcome and what failed, in one line."""
        job, groups = self.job, self.job.failures()
        said = f"job {job.id} ({one_line(job.name)}) {self.outcome.replace('_', ' ')}"
        if job.counts.bad:
            said += f": {job.counts.bad} of {job.counts.total} tasks"
        if groups:
            first = groups[0]
            words = f": {first.last_words}" if first.last_words else ""
            which = f"{'task' if first.count == 1 else 'tasks'} {clip(first.ids)}"
            said += f"; {first.cause}{words} ({which})"
        if groups[1:]:
            said += f"; and {len(groups) - 1} more"
        return f"{said}; {job.why}" if job.why else said

    def to_json(self) -> dict[str, Any]:
        """Return the job, its failures and its tasks as `batchio status --format json` prints."""
        return {
            **self.job.to_json(),
            "failures": [group.to_json() for group in self.failures(attempts=True)],
            "tasks": [task.to_json() for task in self.tasks],
        }

    def __repr__(self) -> str:
        about = f"{self.job.id} {one_line(self.job.name)}: {self.outcome}, {self.job.progress}"
        return f"<Result {about}>"

    def _repr_html_(self) -> str:
        return self.job._repr_html_()

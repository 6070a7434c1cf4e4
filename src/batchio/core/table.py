"""The tasks of a job as a sequence of rows, each made when it is asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, overload

from batchio.core.record import one_line
from batchio.core.rows import TaskRow, row_at
from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batchio.core.machine import Machine


class TaskRows(Sequence[TaskRow]):
    """Rows of a job's tasks in order. An index counts from 0, whatever the tasks' ids are."""

    def __init__(self, machine: Machine, positions: Sequence[int], now: float) -> None:
        self._machine = machine
        self._positions = positions
        self._now = now

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> TaskRow: ...
    @overload
    def __getitem__(self, index: slice) -> TaskRows: ...
    def __getitem__(self, index: int | slice) -> TaskRow | TaskRows:
        if isinstance(index, slice):
            return TaskRows(self._machine, self._positions[index], self._now)
        return row_at(self._machine, self._positions[index], self._now)

    def __iter__(self) -> Iterator[TaskRow]:
        return (row_at(self._machine, position, self._now) for position in self._positions)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TaskRows)
            and len(self) == len(other)
            and all(mine == its for mine, its in zip(self, other, strict=True))
        )

    __hash__: ClassVar[None]  # type: ignore[assignment]  # what has __eq__ alone has no hash

    def __repr__(self) -> str:
        job = self._machine.running_job
        return f"<TaskRows of job {job.id} {one_line(job.spec.name)}: {len(self)}>"

    def _repr_html_(self) -> str:
        from batchio.core.html import rows_html  # only notebooks ask for it

        return rows_html(self)


def task_rows(machine: Machine, now: float, ids: Iterable[int] | None = None) -> TaskRows:
    """Return the rows of all tasks by rising id, or of the tasks in `ids`, in that order.

    Raises:
        UsageError: the job has no such task.
    """
    if ids is None:
        return TaskRows(machine, range(machine.tasks.count), now)
    return TaskRows(machine, [position_of(machine, task) for task in ids], now)


def position_of(machine: Machine, task: int) -> int:
    """Return the position of the task of this id.

    Raises:
        UsageError: the job has no such task.
    """
    job = machine.running_job
    if task not in job.spec.tasks:
        raise UsageError(f"job {job.id} has no task {task}", hint=f"its tasks are {job.spec.tasks}")
    return job.spec.tasks.position(task)

"""Looking at the state of a job that is shown: what `Live` can be asked between two events."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from batchio.core import lens
from batchio.core.explain import why_job, why_task
from batchio.core.happened import told_of
from batchio.core.pace import Ended, ended_in, rate
from batchio.core.rows import failure_groups
from batchio.core.select import select
from batchio.core.sending import sending
from batchio.core.table import position_of
from batchio.runtime.host import in_thread
from batchio.runtime.live_status import PREPARING

if TYPE_CHECKING:
    from array import array
    from collections.abc import Container, Iterable, Sequence

    from batchio.core.lens import Order, Where
    from batchio.core.machine import Machine
    from batchio.core.rows import FailureGroup, TaskRow
    from batchio.core.select import Filter
    from batchio.core.sending import Sending
    from batchio.core.spec import JobSpec
    from batchio.core.views import JobHeader
    from batchio.ports import JournalReader


class Looking:
    """The verbs of `Live` that look at the moment that is shown."""

    _past: JournalReader
    _nodes_seen: dict[str, dict[int, Any]]

    @property
    def _machine(self) -> Machine:
        raise NotImplementedError

    @property
    def _at_now(self) -> bool:
        raise NotImplementedError

    @property
    def _seen(self) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def view(self) -> JobHeader:
        """The job without its tasks."""
        raise NotImplementedError

    def _now(self) -> float:
        raise NotImplementedError

    def select(self, where: Where | Filter | str = lens.ALL, *order: Order) -> array[int]:
        """Return the positions of the tasks that meet `where`, sorted by `order`, else by id.

        Args:
            where: Conditions, or a filter as a person types it: `"failed node:gpu3 >10m"`.

        Raises:
            KeyError: there is no such column.
            UsageError: the filter makes no sense.
        """
        return select(self._machine, where, order, self._now())

    def rows(self, positions: Iterable[int]) -> list[TaskRow]:
        """Return the rows of the tasks at these positions."""
        return lens.window(self._machine, positions, self._now())

    def failures(self, *, attempts: bool = False) -> list[FailureGroup]:
        """Return the tasks that ended badly, grouped by how they ended, largest group first.

        Args:
            attempts: Also return groups of attempts all of whose tasks were tried again.
        """
        return failure_groups(self._machine, attempts=attempts)

    def ended(self, since: float, until: float, bins: int) -> Ended:
        """Return how many tasks ended in each of `bins` equal parts of a time; Unix seconds."""
        return ended_in(self._machine, since, until, bins)

    @property
    def rate(self) -> float | None:
        """How many attempts end in a second, of late; None before two have ended."""
        return rate(self._machine, self._now())

    def why(self, task: int | None = None) -> list[str]:
        """Return plain sentences that say why the job, or the task of this id, is in its state.

        Raises:
            UsageError: the job has no such task.
        """
        about = self._now(), self._seen.get("preparing"), self.view.concerns
        if task is None:
            return why_job(self._machine, *about)
        return why_task(self._machine, position_of(self._machine, task), *about)

    def sending(self) -> Sending | None:
        """Return how far the job's files were sent to nodes; None when none are being sent."""
        return sending(self._machine, self._nodes_seen[PREPARING]) if self._at_now else None

    @property
    def spec(self) -> JobSpec:
        """What the job was submitted as: its task ids, its options and where they came from."""
        return self._machine.running_job.spec

    async def told(
        self, first: int, count: int, tasks: Container[int] | None = None, words: Sequence[str] = ()
    ) -> list[tuple[int, float, str]]:
        """Return events as sentences: number, Unix seconds, and what happened.

        Args:
            first: Number of the first event, counted from 1; those that are damaged say so.
            count: Most events to look at.
            tasks, words: As of `happened.told_of`: which of them to return.
        """
        rows = await in_thread(partial(self._past.read, first - 1, count))
        return told_of(self._machine, rows, tasks, words)

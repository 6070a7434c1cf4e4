"""All attempts of a job, also earlier ones: a second fold of the journal. Pure.

The Machine keeps the present attempt of each task and forgets it when the next one begins.
Here all of them stay, as columns; the attempts of one task are chained, newest first.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from batchio.core import events as ev
from batchio.core.moments import moment
from batchio.core.record import View
from batchio.core.rows import ended_by, worded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from batchio.core.machine import Machine
    from batchio.core.reports import Ended

COLUMNS: Final = {
    "task": "i",
    "number": "H",
    "node": "i",
    "exit": "h",
    "started": "d",
    "ended": "d",
    "rss": "Q",
    "cpu": "f",
    "log_from": "Q",
    "log_to": "Q",
    "before": "i",  # the attempt of the same task before this one; -1: none
}
"""Name and array type code of each column; a row is an attempt that was sent to a node."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AttemptRow(View):
    """One attempt of a task."""

    task: int
    """The task's id."""
    attempt: int
    """Counted from 1."""
    node: str
    """The node's name."""
    started: float | None
    """Unix seconds; None: it was not started, or its start was never reported."""
    stopped: float | None
    """Unix seconds; None: it has not ended, or its node was lost."""
    exit_code: int | None
    signal: str | None
    reason: str
    """Cause of the end, where the exit code does not say it: out of memory, its node was lost."""
    memory: int | None
    """Peak resident bytes."""
    cpu: float | None
    """User and system seconds."""

    @property
    def started_at(self) -> datetime | None:
        """`started` as a datetime in UTC."""
        return moment(self.started)

    @property
    def stopped_at(self) -> datetime | None:
        """`stopped` as a datetime in UTC."""
        return moment(self.stopped)

    last_words: str
    """The last line a failed attempt wrote to stderr, or else to stdout."""


class History:
    """All attempts of a job, in the order in which they were sent to nodes."""

    def __init__(self) -> None:
        self.columns: dict[str, array[Any]] = {name: array(code) for name, code in COLUMNS.items()}
        self.reasons: dict[int, str] = {}
        """By row: the cause of the attempt's end, where the exit code does not say it."""
        self.tails: dict[int, str] = {}
        """By row: the attempt's last words."""
        self._newest: dict[int, int] = {}
        """By task: the row of its newest attempt."""
        self._open: dict[int, dict[int, int]] = {}
        """By node: its present tasks, each with the row of its attempt."""

    def apply(self, event: ev.Event) -> None:
        """Fold one event of the job's journal; ignore late events and those about no attempt."""
        match event:
            case ev.TasksAssigned():
                for task, attempt in event.tasks:
                    self._begin(task, attempt, event.node)
            case ev.TasksStarted():
                for task, attempt, at in event.tasks:
                    if (row := self._row(task, attempt, event.node)) is not None:
                        self.columns["started"][row] = at
            case ev.TasksFinished():
                for record in event.records:
                    self._end(record, event.node)
            case ev.TasksReturned():
                for task, attempt in event.tasks:
                    self._return(task, attempt, event.node)
            case ev.NodeRestarted():
                self._lose(event.node, "its agent was restarted")
            case ev.NodeLost() | ev.NodeVanished() | ev.NodeReleased():
                self._lose(event.node, event.why)
            case _:
                pass

    def of(self, task: int) -> list[int]:
        """Return the row numbers of the attempts of the task at position `task`, oldest first."""
        rows, before = [], self.columns["before"]
        row = self._newest.get(task, -1)
        while row >= 0:
            rows.append(row)
            row = before[row]
        return rows[::-1]

    def attempts(self, machine: Machine, task: int) -> Iterator[AttemptRow]:
        """Yield one row for each attempt of the task at position `task`, oldest first."""
        columns = self.columns
        for row in self.of(task):
            ended = columns["ended"][row]
            code, signal = ended_by(columns["exit"][row] if ended else None)
            yield AttemptRow(
                task=machine.running_job.spec.tasks.at(task),
                attempt=columns["number"][row],
                node=machine.nodes[columns["node"][row]].name,
                started=columns["started"][row] or None,
                stopped=ended or None,
                exit_code=code,
                signal=signal,
                reason=worded(self.reasons.get(row, "")),
                memory=columns["rss"][row] or None,
                cpu=round(columns["cpu"][row], 6) if ended else None,
                last_words=self.tails.get(row, ""),
            )

    def _begin(self, task: int, attempt: int, node: int) -> None:
        """Add a row for an attempt; one that came back unstarted keeps the row it had."""
        row, columns = self._newest.get(task, -1), self.columns
        if row >= 0 and columns["number"][row] == attempt:
            columns["node"][row] = node
        else:
            self._newest[task] = len(columns["task"])
            first = {"task": task, "number": attempt, "node": node, "before": row}
            for name, column in columns.items():
                column.append(first.get(name, 0))
        self._open.setdefault(node, {})[task] = self._newest[task]

    def _lose(self, node: int, why: str) -> None:
        for row in self._open.pop(node, {}).values():
            self.reasons[row] = why

    def _row(self, task: int, attempt: int, node: int) -> int | None:
        """Return the row number of an attempt on this node; None when it is not there."""
        row = self._open.get(node, {}).get(task)
        return row if row is not None and self.columns["number"][row] == attempt else None

    def _return(self, task: int, attempt: int, node: int) -> None:
        row = self._row(task, attempt, node)
        if row is not None and not self.columns["started"][row]:
            del self._open[node][task]

    def _end(self, record: Ended, node: int) -> None:
        if (row := self._row(record.task, record.attempt, node)) is None:
            return
        del self._open[node][record.task]
        for name in ("exit", "started", "ended", "rss", "cpu", "log_from", "log_to"):
            self.columns[name][row] = getattr(record, name)
        if record.reason:
            self.reasons[row] = record.reason
        if record.tail:
            self.tails[row] = record.tail

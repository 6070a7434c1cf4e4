"""The queue of pending tasks, and how many of them a node may hold. Pure.

A million fresh tasks are one cursor; only those that are told apart (retried, returned,
pinned) are held one by one. Lines are never searched: an entry that is no longer true is
skipped when it is met.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING, Final

from batchio.core.retry import SUSPECT_LOSSES
from batchio.core.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Collection

    from batchio.core.spec import JobSpec
    from batchio.core.task import Tasks

HORIZON_S: Final = 0.2
"""Least seconds of work that a node holds queued beyond its slots, to hide the network's delay."""

WRITES_AHEAD: Final = 40
"""Number of writes to the journal that this work shall outlast: no task starts before one."""

LONGEST_HORIZON_S: Final = 5.0
"""Most seconds of such work."""

MOST_AHEAD: Final = 64
"""Most queued tasks for each slot: so many are at stake when a node dies."""

FAR_S: Final = 90.0
"""Seconds in which a rented node can be had: none is kept or ordered for a task whose backoff
is longer."""

PENDING: Final = TaskState.PENDING


def horizon(write_s: float) -> float:
    """Return the seconds of work to send ahead where a write to the journal takes `write_s`."""
    return min(max(HORIZON_S, WRITES_AHEAD * write_s), LONGEST_HORIZON_S)


def window(
    slots: int, mean: float | None, queued: int, nodes: int, horizon_s: float = HORIZON_S
) -> int:
    """Return how many tasks a node of `slots` may hold at once.

    Tasks that are shorter than the horizon (`mean` seconds, None when that is not known) are
    sent ahead of their turn. Long ones are not: another node may be free sooner. Near the end
    of the queue nothing is hoarded.
    """
    if mean is None or mean >= horizon_s:
        return slots
    ahead = min(int(horizon_s / max(mean, 1e-4)), MOST_AHEAD) * slots
    return slots + min(ahead, queued // (2 * max(nodes, 1)))


def pinned(spec: JobSpec) -> frozenset[int]:
    """Return the positions of the tasks that must run on the scheduler's node."""
    if spec.scheduler_tasks is not None:
        return frozenset(map(spec.tasks.position, spec.scheduler_tasks))
    if spec.task_on_scheduler and len(spec.tasks):
        return frozenset((spec.tasks.position(min(spec.tasks)),))
    return frozenset()


def keeps_away(spec: JobSpec) -> bool:
    """Return whether no task may run on the scheduler's node (--no-task-on-scheduler)."""
    return spec.task_on_scheduler is False and not pinned(spec)


class Queue:
    """Pending tasks in the order in which they are tried.

    A pending task is either fresh (the cursor will come to it) or stands in `_due` with
    the time from which it is ready, and in one of the lines.
    """

    def __init__(self, tasks: Tasks, pins: Collection[int] = ()) -> None:
        self._tasks = tasks
        self.pins = pins
        """Tasks that must run on the scheduler's node."""
        self._due = dict.fromkeys(sorted(pins), 0.0)
        self._fresh = 0
        self._later: list[tuple[float, int]] = []
        self._far: dict[int, float] = {}
        """Tasks whose backoff ends later than in FAR_S, and when it ends, in Unix seconds."""
        self._far_line: list[tuple[float, int]] = []
        self._again: deque[int] = deque()
        self.pinned: deque[int] = deque(self._due)
        """Tasks that must run on the scheduler's node, in order."""
        self.suspects: deque[int] = deque()
        """Tasks that must run alone, as nodes were lost under them before."""

    def add(self, task: int, not_before: float = 0.0) -> None:
        """Queue a task that is pending again; it is ready at `not_before` (Unix seconds)."""
        self._due[task] = not_before
        if not_before:
            heappush(self._later, (not_before, task))
            self._far[task] = not_before
            heappush(self._far_line, (not_before, task))
        else:
            self._line(task).append(task)

    def drop(self, task: int) -> None:
        """Forget a task that is no longer pending."""
        self._due.pop(task, None)
        self._far.pop(task, None)

    def not_before(self, task: int) -> float:
        """Return when a pending task's backoff ends, in Unix seconds; 0 when it has none."""
        return self._due.get(task, 0.0)

    @property
    def far(self) -> int:
        """Number of tasks whose backoff lasts longer than FAR_S; `mature` brings it up to date."""
        return len(self._far)

    def next_near(self) -> float | None:
        """Return when the next task stops being `far`, in Unix seconds; None: no task is far."""
        line = self._far_line
        while line and self._far.get(line[0][1]) != line[0][0]:
            heappop(line)
        return line[0][0] - FAR_S if line else None

    def next_due(self) -> float | None:
        """Return when the next task's backoff ends, in Unix seconds; None: no task has one."""
        while self._later and self._due.get(self._later[0][1]) != self._later[0][0]:
            heappop(self._later)
        return self._later[0][0] if self._later else None

    def mature(self, now: float) -> bool:
        """Move tasks whose backoff has passed to their line; return if a `far` one came near."""
        near = False
        while (when := self.next_near()) is not None and when <= now:
            del self._far[heappop(self._far_line)[1]]
            near = True
        while self._later and self._later[0][0] <= now:
            at, task = heappop(self._later)
            if self._due.get(task) == at:
                self._line(task).append(task)
        return near

    def plain(self, now: float) -> int:
        """Return how many ready tasks may run on any node: an upper bound, but 0 means none."""
        again, due = self._again, self._due
        while again and (due.get(again[0], inf) > now or self._line(again[0]) is not again):
            again.popleft()
        return self._tasks.by_state[PENDING] - len(due) + len(again)

    def first(self, line: deque[int], now: float) -> int | None:
        """Return the first ready task of `line` (`pinned` or `suspects`); drop stale entries."""
        while line:
            if self._due.get(line[0], inf) <= now and self._line(line[0]) is line:
                return line[0]
            line.popleft()
        return None

    def pop(self, most: int, now: float) -> list[int]:
        """Remove and return up to `most` ready tasks that may run on any node, in order.

        They must be assigned at once.
        """
        out: list[int] = []
        again, due = self._again, self._due
        while again and len(out) < most:
            task = again.popleft()
            if due.get(task, inf) <= now and self._line(task) is again:
                due[task] = inf  # until it is assigned: it may stand in line twice
                out.append(task)
        at, count, state = self._fresh, self._tasks.count, self._tasks.state
        while at < count and len(out) < most:
            if state[at] == PENDING and at not in due:
                out.append(at)
            at += 1
        self._fresh = at
        return out

    def _line(self, task: int) -> deque[int]:
        if task in self.pins:
            return self.pinned
        return self.suspects if self._tasks.losses[task] >= SUSPECT_LOSSES else self._again

"""Ready tasks come out in order, once, and not before their time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from batchio.core.arrays import TaskIds
from batchio.core.dispatch import HORIZON_S, MOST_AHEAD, Queue, horizon, pinned, window
from batchio.core.retry import SUSPECT_LOSSES
from batchio.core.task import TaskFact, Tasks, TaskState
from tests.core.machines import spec


def test_long_tasks_are_not_sent_ahead() -> None:
    assert window(4, HORIZON_S, 10**6, 1) == 4
    assert window(4, None, 10**6, 1) == 4


def test_short_tasks_are_sent_ahead_up_to_a_limit() -> None:
    assert window(4, 0.05, 10**6, 1) == 4 + 4 * 4
    assert window(4, 0.0, 10**6, 1) == 4 + MOST_AHEAD * 4


def test_where_writes_take_long_more_is_sent_ahead_up_to_seconds_of_work() -> None:
    assert horizon(0.0) == horizon(0.001) == HORIZON_S
    assert horizon(0.05) == 2.0
    assert horizon(3.0) == 5.0
    assert window(4, 0.2, 10**6, 1, horizon(0.05)) == 4 + 4 * 10
    assert window(4, 2.0, 10**6, 1, horizon(0.05)) == 4


def test_near_the_end_of_the_queue_nothing_is_hoarded() -> None:
    assert window(4, 0.001, 40, 10) == 4 + 2
    assert window(4, 0.001, 0, 10) == 4


@given(st.integers(1, 64), st.floats(0, 10), st.integers(0, 10**6), st.integers(0, 1000))
def test_a_window_is_never_less_than_the_slots(
    slots: int, mean: float, queued: int, nodes: int
) -> None:
    assert slots <= window(slots, mean, queued, nodes) <= slots * (1 + MOST_AHEAD)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({}, set()),
        ({"task_on_scheduler": True}, {0}),
        ({"scheduler_tasks": TaskIds.of([5, 7])}, {0, 2}),
        ({"scheduler_tasks": TaskIds(), "task_on_scheduler": True}, set()),
    ],
)
def test_which_tasks_must_run_on_the_schedulers_node(
    options: dict[str, object], where: set[int]
) -> None:
    assert pinned(spec(tasks=TaskIds.of([5, 6, 7]), **options)) == where


def assigned(queue: Queue, tasks: Tasks, taken: list[int]) -> list[int]:
    """As the machine does it at once."""
    for task in taken:
        tasks.move(task, TaskFact.ASSIGNED)
        queue.drop(task)
    return taken


def test_fresh_tasks_come_in_order_and_returned_ones_before_them() -> None:
    tasks = Tasks(5)
    queue = Queue(tasks)

    assert assigned(queue, tasks, queue.pop(2, 0.0)) == [0, 1]
    tasks.move(0, TaskFact.RETURNED)
    queue.add(0)
    assert assigned(queue, tasks, queue.pop(9, 0.0)) == [0, 2, 3, 4]
    assert queue.pop(9, 0.0) == []


def test_a_backoff_is_waited_for() -> None:
    tasks = Tasks(1)
    queue = Queue(tasks)
    queue.add(0, 10.0)

    queue.mature(9.9)
    assert (queue.plain(9.9), queue.pop(1, 9.9), queue.next_due()) == (0, [], 10.0)
    queue.mature(10.0)
    assert (queue.plain(10.0), queue.pop(1, 10.0), queue.next_due()) == (1, [0], None)


def test_pinned_tasks_and_suspects_stand_in_lines_of_their_own() -> None:
    tasks = Tasks(3)
    tasks.losses[1] = SUSPECT_LOSSES
    queue = Queue(tasks, {0})
    queue.add(1)

    assert queue.first(queue.pinned, 0.0) == 0
    assert queue.first(queue.suspects, 0.0) == 1
    assert queue.pop(9, 0.0) == [2]


class AnyHistory(RuleBasedStateMachine):
    """Whatever comes back and goes, each pending task stands in exactly one place."""

    @initialize(count=st.integers(1, 8), pins=st.sets(st.integers(0, 7), max_size=2))
    def begin(self, count: int, pins: set[int]) -> None:
        self.now = 1.0
        self.pins = {task for task in pins if task < count}
        self.tasks = Tasks(count)
        self.queue = Queue(self.tasks, self.pins)
        self.ready_at = dict.fromkeys(range(count), 0.0)

    def state(self, task: int) -> TaskState:
        return TaskState(self.tasks.state[task])

    def plain(self) -> set[int]:
        return {
            task
            for task, at in self.ready_at.items()
            if at <= self.now and task not in self.pins and self.tasks.losses[task] < SUSPECT_LOSSES
        }

    def send(self, taken: list[int]) -> None:
        for task in assigned(self.queue, self.tasks, taken):
            del self.ready_at[task]

    @rule(most=st.integers(1, 4))
    def take(self, most: int) -> None:
        self.queue.mature(self.now)
        plain = self.plain()

        taken = self.queue.pop(most, self.now)

        assert set(taken) <= plain
        assert len(set(taken)) == len(taken) == min(most, len(plain))
        self.send(taken)

    @rule(suspect=st.booleans())
    def take_one_apart(self, suspect: bool) -> None:
        self.queue.mature(self.now)
        line = self.queue.suspects if suspect else self.queue.pinned
        first = self.queue.first(line, self.now)
        ready = {task for task, at in self.ready_at.items() if at <= self.now}
        lost = {task for task in ready if self.tasks.losses[task] >= SUSPECT_LOSSES}
        mine = lost - self.pins if suspect else ready & self.pins

        assert first in mine if mine else first is None
        self.send([] if first is None else [first])

    @rule(task=st.integers(0, 7), wait=st.sampled_from([0.0, 1.0, 5.0]), lost=st.booleans())
    def come_back(self, task: int, wait: float, lost: bool) -> None:
        if task < self.tasks.count and self.state(task) is TaskState.ASSIGNED:
            self.tasks.move(task, TaskFact.RETURNED)
            self.tasks.losses[task] += lost
            at = self.now + wait if wait else 0.0
            self.ready_at[task] = at
            self.queue.add(task, at)

    @rule(task=st.integers(0, 7))
    def replay_an_assignment(self, task: int) -> None:
        """As a replay does it: nobody took the task from its line."""
        if task < self.tasks.count and self.state(task) is TaskState.PENDING:
            self.send([task])

    @rule(task=st.integers(0, 7))
    def cancel(self, task: int) -> None:
        if task < self.tasks.count and self.state(task) is TaskState.PENDING:
            self.tasks.move(task, TaskFact.DROPPED)
            self.queue.drop(task)
            del self.ready_at[task]

    @rule(seconds=st.sampled_from([0.5, 3.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def the_next_backoff_is_known(self) -> None:
        self.queue.mature(self.now)
        later = [at for at in self.ready_at.values() if at > self.now]
        assert self.queue.next_due() == min(later, default=None)

    @invariant()
    def nothing_ready_is_overlooked(self) -> None:
        self.queue.mature(self.now)
        plain = self.plain()
        assert self.queue.plain(self.now) >= len(plain)
        if not self.queue._again:
            assert self.queue.plain(self.now) == len(plain)


TestAnyHistory = AnyHistory.TestCase

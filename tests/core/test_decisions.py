"""Who gets which task when, and who pays when it ends badly."""

from __future__ import annotations

from typing import Any

import pytest

from batchio.core import events as ev
from batchio.core.arrays import TaskIds
from batchio.core.decisions import STUCK_S
from batchio.core.node import NodeState
from batchio.core.plan import Offer
from batchio.core.retry import Cause
from batchio.core.task import Outcome, TaskState
from tests.core.machines import World, spec

HANDLE = "h-j1-0"


def world(tasks: int = 3, nodes: int = 1, slots: int = 1, **options: Any) -> World:
    """A job whose nodes have greeted and hold their first tasks."""
    seconds = options.pop("seconds", 1.0)
    offers = [Offer(f"o{n}", slots=slots) for n in range(nodes)]
    made = World(spec(tasks, **options), offers, seconds=seconds)
    made.open()
    return made


def on(w: World) -> list[set[int]]:
    """Tasks active on each node."""
    return [node.active for node in w.machine.nodes]


def outcomes(w: World) -> list[str]:
    return [Outcome(value).label for value in w.machine.tasks.outcome]


def hang(*tasks: int) -> Any:
    """These never end; all others succeed."""
    return lambda key: None if key[0] in tasks else 0


# --- sending tasks out -------------------------------------------------------


def test_few_tasks_are_spread_over_all_nodes() -> None:
    assert on(world(9, nodes=3, slots=4)) == [{0, 1, 2}, {3, 4, 5}, {6, 7, 8}]


@pytest.mark.parametrize("slots", [(1, 9), (9, 1)])
def test_what_a_full_node_cannot_take_goes_to_one_with_room(slots: tuple[int, int]) -> None:
    w = World(spec(10), [Offer("a", slots=slots[0]), Offer("b", slots=slots[1])])
    w.open()

    assert sorted(len(active) for active in on(w)) == [1, 9]


def test_no_more_run_than_asked_for_and_they_are_spread() -> None:
    w = world(9, nodes=2, slots=1, at_once=2)

    assert [len(active) for active in on(w)] == [1, 1]
    for _ in range(30):
        w.go()
        by_state = w.machine.tasks.by_state
        assert by_state[TaskState.ASSIGNED] + by_state[TaskState.RUNNING] <= 2
    assert w.machine.outcome is Outcome.SUCCEEDED


def test_short_tasks_are_sent_ahead_of_their_turn() -> None:
    w = world(100, nodes=1, slots=1, seconds=0.01)

    w.go(2)

    assert len(w.machine.nodes[0].active) > 10


def ahead() -> World:
    """Two nodes with tasks queued ahead of their turn; none is left to be sent out."""
    w = world(60, nodes=2, slots=1, seconds=0.01)
    w.go(3)
    for _ in range(60):
        w.go(1, hang(*w.machine.nodes[0].active))
    assert w.machine.tasks.by_state[TaskState.PENDING] == 0
    assert w.machine.tasks.by_state[TaskState.RUNNING] == 1
    return w


def test_tasks_stuck_behind_a_long_one_are_taken_back_and_run_elsewhere() -> None:
    w = ahead()
    (hung,) = (task for task, _ in w.agents[HANDLE].running)
    waiting = w.machine.nodes[0].active - {hung}
    assert waiting
    assert (w.machine.next_wake() or 0.0) <= w.now + STUCK_S

    for _ in range(60):
        w.wait(0.5)
        w.go(1, hang(hung))

    assert {w.machine.tasks.node[task] for task in waiting} == {1}
    assert w.machine.tasks.by_outcome[Outcome.SUCCEEDED] == 59
    assert {attempt for _, attempt, _ in w.started} == {1}


def test_a_node_that_reports_is_not_asked_to_return_anything() -> None:
    w = ahead()

    for _ in range(len(w.machine.nodes[0].active)):
        w.begin(HANDLE)
        w.finish(HANDLE, next(iter(w.agents[HANDLE].running)))
        w.hear()
        w.wait(0.6)

    assert not [line for line in w.journal if line.startswith('["recall"')]


# --- the scheduler's own tasks -----------------------------------------------


def test_a_pinned_task_is_the_first_on_the_schedulers_node() -> None:
    w = world(9, nodes=2, slots=1, scheduler_tasks=TaskIds.of([7]))

    assert on(w)[0] == {7}


def test_a_pinned_task_is_not_starved_by_short_ones_sent_ahead() -> None:
    w = world(500, nodes=1, slots=1, seconds=0.001, scheduler_tasks=TaskIds.of([0]), max_retries=1)
    w.go(1, lambda key: 1)

    for _ in range(90):
        w.go()
        w.wait(0.1)

    assert w.machine.tasks.outcome[0] == Outcome.SUCCEEDED
    assert w.machine.tasks.by_state[TaskState.PENDING] > 0


def test_pinned_tasks_follow_the_scheduler_when_its_node_is_lost() -> None:
    w = world(4, nodes=2, slots=1, task_on_scheduler=True)

    w.post(ev.NodeLost(w.now, 0, "burnt", final=True))
    w.go(1, hang(0))
    w.wait(2.0)
    w.settle()

    assert w.machine.tasks.node[0] == 1
    assert w.machine.outcome is Outcome.SUCCEEDED


# --- tasks under which nodes are lost ----------------------------------------


def lose(w: World, times: int) -> None:
    """The first node's agent dies so often; each time, tasks come back after a while."""
    for _ in range(times):
        w.restart(HANDLE)
        w.go(1, hang(*range(99)))
        w.wait(2.0)
        w.hear()
        w.turn()


def test_a_task_that_lost_nodes_before_runs_alone_and_others_go_on() -> None:
    w = world(4, nodes=2, slots=2, max_infra_retries=9)
    suspects = set(w.machine.nodes[0].active)
    alone = []

    lose(w, 2)
    while not w.machine.running_job.closed:
        alone += [set(n.active) for n in w.machine.nodes if n.active & suspects]
        w.go()

    assert list(w.machine.tasks.losses) == [2, 2, 0, 0]
    assert all(len(active) <= 1 for active in alone)
    assert w.machine.outcome is Outcome.SUCCEEDED


def test_a_task_that_kills_its_agent_is_given_up_after_the_limit_and_others_succeed() -> None:
    w = world(6, nodes=1, slots=2, max_infra_retries=3)

    def agent_dies_under_task_0(key: tuple[int, int]) -> int | None:
        return None if key[0] == 0 else 0

    for _ in range(60):
        w.go(1, agent_dies_under_task_0)
        agent = w.agents.get(HANDLE)
        if agent and any(key[0] == 0 for key in agent.running):
            w.restart(HANDLE)
        w.wait(1.0)

    assert outcomes(w) == ["lost", *["succeeded"] * 5]
    assert w.machine.tasks.losses[0] == 3
    assert w.machine.tasks.attempt[0] == 4


def test_a_suspect_that_vanishes_frees_the_node_kept_for_it() -> None:
    w = world(9, nodes=1, slots=2, max_infra_retries=9)
    while not w.machine.queue.suspects:
        lose(w, 1)
    suspects = [task for task in range(9) if w.machine.tasks.losses[task] >= 2]
    w.post(ev.CancelRequested(w.now, suspects, "no"))

    w.settle()

    assert w.machine.tasks.by_outcome[Outcome.CANCELLED] == len(suspects)
    assert w.machine.tasks.by_outcome[Outcome.SUCCEEDED] == 9 - len(suspects)


def test_a_node_kept_free_is_used_at_once_when_its_suspect_vanishes() -> None:
    w = world(9, nodes=1, slots=2, max_infra_retries=9)
    while w.machine.reserved is None or len(w.machine.nodes[0].active) == 2:
        lose(w, 1) if not w.machine.queue.suspects else w.go(1, hang(max(on(w)[0])))
    suspects = [task for task in range(9) if w.machine.tasks.losses[task] >= 2]

    w.post(ev.CancelRequested(w.now, suspects, "no"))
    w.turn()

    assert w.machine.reserved is None
    assert len(w.machine.nodes[0].active) == 2


def test_a_node_that_cannot_run_tasks_gets_no_more_of_them() -> None:
    w = world(9, nodes=2, slots=1, max_infra_retries=9)
    for _ in range(3):
        w.hear()
        w.begin(HANDLE)
        for key in list(w.agents[HANDLE].running):
            w.agents[HANDLE].running[key] = "node"
            w.finish(HANDLE, key, -9)
        w.hear()
        w.turn()

    assert w.machine.nodes[0].state is NodeState.DRAINING
    assert "3 different tasks" in w.machine.nodes[0].why
    w.settle()
    assert w.machine.outcome is Outcome.SUCCEEDED
    assert len(w.machine.nodes) == 2, "its host is not tried again"


# --- time and budgets --------------------------------------------------------


def test_the_jobs_time_counts_from_the_first_greeting() -> None:
    w = World(spec(2, job_timeout=100.0), [Offer("a", slots=1)])
    w.wait(500.0)
    w.open()
    w.wait(99.0)
    assert not w.machine.running_job.timed_out

    w.wait(1.5)
    assert w.machine.running_job.timed_out
    w.settle(hang(0))
    assert outcomes(w) == ["timed_out", "timed_out"]


def test_a_failed_task_is_retried_on_the_users_account_only() -> None:
    w = world(1, max_retries=2)

    w.settle(lambda key: 1)

    tasks = w.machine.tasks
    assert (tasks.attempt[0], tasks.failures[0], tasks.losses[0]) == (3, 2, 0)
    assert w.machine.outcome is Outcome.FAILED


def test_a_lost_attempt_is_retried_on_the_infrastructures_account_only() -> None:
    w = world(1, max_infra_retries=1)
    lose(w, 1)
    w.settle(lambda key: 1)

    tasks = w.machine.tasks
    assert (tasks.attempt[0], tasks.failures[0], tasks.losses[0]) == (2, 0, 1)


def test_only_the_listed_exit_codes_are_retried() -> None:
    w = world(2, slots=2, max_retries=3, retry_on=((7, 7),))

    w.settle(lambda key: 7 if key[0] else 1)

    assert list(w.machine.tasks.attempt) == [1, 4]


def test_outputs_that_could_not_be_saved_are_the_infrastructures_fault() -> None:
    w = World(spec(1, max_infra_retries=1), [Offer("a")], files=1)
    w.open()
    while not w.collects:
        w.go()
    w.collect(next(iter(w.collects)), "disk full")
    w.settle()

    tasks = w.machine.tasks
    assert (tasks.attempt[0], tasks.failures[0], tasks.losses[0]) == (2, 0, 1)
    assert w.machine.outcome is Outcome.SUCCEEDED


def test_what_somebody_asks_for_again_has_fresh_budgets() -> None:
    w = world(1, max_retries=1)
    w.settle(lambda key: 1)
    w.crash(ev.TasksRequeued(w.now, [[0, 0.0, str(Cause.ASKED)]]))

    w.settle(lambda key: 1 if key[1] < 4 else 0)

    assert w.machine.tasks.attempt[0] == 4
    assert w.machine.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("seconds", [0.001, 1.0])
def test_the_machine_never_asks_to_be_woken_in_the_past(seconds: float) -> None:
    w = world(30, nodes=3, slots=2, seconds=seconds, max_retries=1, job_timeout=900.0)

    while not w.machine.running_job.closed:
        w.go(1, lambda key: key[0] % 2)
        wake = w.machine.next_wake()
        assert wake is None or wake > w.now
        w.now = max(w.now, wake or 0.0) if w.machine.tasks.by_state[0] else w.now

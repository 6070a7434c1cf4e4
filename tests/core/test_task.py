"""A task moves along the edges of its table, and along no others."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core.task import COLUMNS, EDGES, STALE, Outcome, TaskFact, Tasks, TaskState
from batchio.errors import IllegalEvent
from tests.core.machines import record

PAIRS = list(product(TaskState, TaskFact))


def at(state: TaskState) -> Tasks:
    """One task in that state."""
    tasks = Tasks(1)
    tasks.state[0] = state
    tasks.by_state = [int(s == state) for s in TaskState]
    return tasks


@pytest.mark.parametrize(("state", "fact"), PAIRS)
def test_every_fact_in_every_state_is_an_edge_stale_or_named_illegal(
    state: TaskState, fact: TaskFact
) -> None:
    tasks = at(state)

    if (state, fact) in EDGES:
        assert tasks.move(0, fact)
        assert TaskState(tasks.state[0]) is EDGES[state, fact]
    elif (state, fact) in STALE:
        assert not tasks.move(0, fact)
        assert TaskState(tasks.state[0]) is state
    else:
        told = f"task 0, attempt 1: {fact.name} while {state.name}"
        with pytest.raises(IllegalEvent, match=told):
            tasks.move(0, fact)
        assert TaskState(tasks.state[0]) is state
    assert tasks.by_state == [list(tasks.state).count(s) for s in TaskState]


def test_no_pair_is_both_an_edge_and_stale() -> None:
    assert not EDGES.keys() & STALE.keys()


def test_every_stale_pair_gives_its_reason() -> None:
    assert all(STALE.values())


def test_every_state_can_be_reached_and_left() -> None:
    assert {TaskState.PENDING, *EDGES.values()} == set(TaskState)
    assert {state for state, _ in EDGES} == set(TaskState)


def test_only_a_new_attempt_leads_out_of_done() -> None:
    assert {fact for state, fact in EDGES if state is TaskState.DONE} == {TaskFact.REQUEUED}


def test_only_an_assignment_or_an_early_end_leads_out_of_pending() -> None:
    ways = {fact for state, fact in EDGES if state is TaskState.PENDING}

    assert ways == {TaskFact.ASSIGNED, TaskFact.DROPPED}


def test_a_lost_node_ends_whatever_was_on_it() -> None:
    lost = {state for state, fact in EDGES if fact is TaskFact.NODE_LOST}

    assert lost == {TaskState.ASSIGNED, TaskState.RUNNING, TaskState.COLLECTING}


def test_news_of_another_attempt_or_node_is_not_current() -> None:
    tasks = Tasks(1)
    tasks.node[0] = 3

    assert tasks.current(0, 1, 3)
    assert not tasks.current(0, 2, 3)
    assert not tasks.current(0, 1, 4)


def test_a_new_attempt_forgets_the_last_one() -> None:
    fresh, again = Tasks(1), Tasks(1)
    again.node[0] = 1
    again.stopping[0] = Outcome.CANCELLED
    again.set_result(record(0, exit=3, reason="oom", files=2))
    again.set_outcome(0, Outcome.FAILED)

    again.renew(0)

    assert again.attempt[0] == 2
    again.attempt[0] = 1
    assert {name: list(getattr(again, name)) for name in COLUMNS} == {
        name: list(getattr(fresh, name)) for name in COLUMNS
    }
    assert (again.tails, again.reasons, again.by_outcome) == ({}, {}, fresh.by_outcome)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(Outcome)), max_size=20))
def test_outcomes_are_counted_as_a_recount_would(settled: list[tuple[int, Outcome]]) -> None:
    tasks = Tasks(4)

    for task, outcome in settled:
        tasks.set_outcome(task, outcome)

    assert tasks.by_outcome == [list(tasks.outcome).count(outcome) for outcome in Outcome]


def test_a_task_takes_few_bytes() -> None:
    tasks = Tasks(1000)

    assert sum(len(memoryview(getattr(tasks, name)).tobytes()) for name in COLUMNS) <= 64_000

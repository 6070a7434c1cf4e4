"""A job's state and outcome follow from its tasks and nodes."""

from __future__ import annotations

import pytest

from batchio.core.job import Job, JobState, outcome, state
from batchio.core.node import Node
from batchio.core.task import Outcome, Tasks, TaskState
from tests.core.machines import spec

S, F, C, T, L = (
    Outcome.SUCCEEDED,
    Outcome.FAILED,
    Outcome.CANCELLED,
    Outcome.TIMED_OUT,
    Outcome.LOST,
)


def ended(*outcomes: Outcome) -> Tasks:
    tasks = Tasks(len(outcomes))
    for task, end in enumerate(outcomes):
        tasks.set_outcome(task, end)
    tasks.by_state = [0, 0, 0, 0, len(outcomes)]
    return tasks


def job(**told: object) -> Job:
    made = Job("j", spec(), 0.0)
    for name, value in told.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("ends", "told", "what"),
    [
        ((S, S), {}, S),
        ((S, S), {"cancelled": True}, S),  # all of it was faster than the cancel
        ((S, F), {}, F),
        ((S, T), {}, F),  # one task's own time, not the job's
        ((F, L), {}, L),
        ((S, C), {}, C),
        ((S, C), {"cancelled": True}, C),
        ((F, C), {"cancelled": True}, C),
        ((F, C), {}, F),
        ((S, T), {"timed_out": True}, T),
        ((F, T), {"timed_out": True}, T),
    ],
)
def test_the_worst_news_wins(
    ends: tuple[Outcome, ...], told: dict[str, object], what: Outcome
) -> None:
    assert outcome(job(**told), ended(*ends)) is what


def test_a_job_has_no_outcome_before_its_last_task() -> None:
    tasks = ended(S, F)
    tasks.by_state[TaskState.DONE] = 1

    assert outcome(job(), tasks) is Outcome.NONE


def test_the_state_follows_from_what_is_there() -> None:
    node = Node(0, "a", since=0.0)

    assert state(job(), []) is JobState.PENDING
    assert state(job(), [node]) is JobState.PROVISIONING
    assert state(job(running=1.0), [node]) is JobState.RUNNING
    assert state(job(running=1.0, closed=2.0), [node]) is JobState.DONE

"""Each bad end is put on the right account, and only that account is spent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core.retry import BACKOFF_LIMIT_S, NODE_FAULT, Cause, again, delay, verdict
from batchio.core.task import Outcome, Tasks
from tests.core.machines import spec


def ended(outcome: Outcome, **columns: int) -> Tasks:
    """One task that ended so."""
    tasks = Tasks(1)
    tasks.set_outcome(0, outcome)
    for name, value in columns.items():
        getattr(tasks, name)[0] = value
    return tasks


@pytest.mark.parametrize(
    ("code", "reason", "stopping", "outcome"),
    [
        (0, "", Outcome.NONE, Outcome.SUCCEEDED),
        (0, "", Outcome.CANCELLED, Outcome.SUCCEEDED),  # it was faster than the stop
        (0, "cancelled", Outcome.CANCELLED, Outcome.CANCELLED),
        (1, "", Outcome.NONE, Outcome.FAILED),
        (-9, "", Outcome.CANCELLED, Outcome.CANCELLED),
        (-15, "timed_out", Outcome.NONE, Outcome.TIMED_OUT),
        (-15, "timed_out", Outcome.CANCELLED, Outcome.CANCELLED),
        (-9, "oom", Outcome.NONE, Outcome.FAILED),
        (0, "oom", Outcome.NONE, Outcome.FAILED),
        (127, "unstartable", Outcome.NONE, Outcome.FAILED),
        (1, NODE_FAULT, Outcome.NONE, Outcome.LOST),
        (-15, "timed_out", Outcome.TIMED_OUT, Outcome.TIMED_OUT),
    ],
)
def test_the_verdict_of_an_attempt(
    code: int, reason: str, stopping: Outcome, outcome: Outcome
) -> None:
    assert verdict(code, reason, stopping) is outcome


@pytest.mark.parametrize(
    ("outcome", "columns", "options", "cause"),
    [
        (Outcome.FAILED, {"exit": 1}, {"max_retries": 1}, Cause.USER),
        (Outcome.FAILED, {"exit": 1, "failures": 1}, {"max_retries": 1}, None),
        (Outcome.FAILED, {"exit": 1, "losses": 5}, {"max_retries": 1}, Cause.USER),
        (Outcome.FAILED, {"exit": 1}, {}, None),
        (Outcome.FAILED, {"exit": 1}, {"max_retries": 1, "retry_on": ((2, 5),)}, None),
        (Outcome.FAILED, {"exit": 5}, {"max_retries": 1, "retry_on": ((2, 5),)}, Cause.USER),
        (Outcome.FAILED, {"exit": -9}, {"max_retries": 1, "retry_on": ((-9, -9),)}, Cause.USER),
        (Outcome.FAILED, {"exit": -9}, {"max_retries": 1, "retry_on": ((130, 140),)}, Cause.USER),
        (Outcome.FAILED, {"exit": -15}, {"max_retries": 1, "retry_on": ((137, 137),)}, None),
        (Outcome.FAILED, {"exit": 137}, {"max_retries": 1, "retry_on": ((137, 137),)}, Cause.USER),
        (Outcome.FAILED, {"exit": 1}, {"max_retries": 1, "retry_on": ()}, None),
        (Outcome.TIMED_OUT, {"exit": -15}, {"max_retries": 1, "retry_on": ((2, 2),)}, Cause.USER),
        (Outcome.LOST, {}, {}, Cause.INFRA),
        (Outcome.LOST, {"failures": 9}, {"max_retries": 9}, Cause.INFRA),
        (Outcome.LOST, {"losses": 5}, {"max_retries": 9}, None),
        (Outcome.LOST, {}, {"max_infra_retries": 0}, None),
        (Outcome.LOST, {"stopping": Outcome.CANCELLED}, {}, None),
        (Outcome.FAILED, {"exit": 1, "stopping": Outcome.CANCELLED}, {"max_retries": 1}, None),
        (Outcome.CANCELLED, {}, {"max_retries": 1}, None),
        (Outcome.SUCCEEDED, {}, {"max_retries": 1}, None),
    ],
)
def test_who_pays_for_another_attempt(
    outcome: Outcome, columns: dict[str, int], options: dict[str, Any], cause: Cause | None
) -> None:
    assert again(spec(1, **options), ended(outcome, **columns), 0) == cause


@given(
    st.floats(0, 1000), st.integers(0, 300), st.integers(1, 1000), st.integers(0, 1000),
    st.sampled_from([Cause.USER, Cause.INFRA]),
)  # fmt: skip
def test_the_backoff_doubles_within_its_limit_and_is_the_same_on_every_replay(
    base: float, spent: int, attempt: int, task: int, cause: Cause
) -> None:
    job, tasks = spec(retry_delay=base), Tasks(task + 1)
    tasks.attempt[task] = attempt
    tasks.failures[task], tasks.losses[task] = spent, min(spent, 255)
    base = base if cause is Cause.USER else min(base, 1.0)
    grown = min(base * 2.0 ** min(spent, 20), BACKOFF_LIMIT_S)

    waits = {delay(job, tasks, task, cause) for _ in range(2)}

    assert len(waits) == 1
    assert 0.75 * grown <= waits.pop() <= 1.25 * grown


def test_tasks_that_failed_together_do_not_come_back_together() -> None:
    job, tasks = spec(retry_delay=1.0), Tasks(100)

    waits = {delay(job, tasks, task, Cause.USER) for task in range(100)}

    assert len(waits) > 90


def test_an_infrastructure_loss_never_waits_for_the_users_delay() -> None:
    tasks = Tasks(1)
    tasks.failures[0] = 10

    assert delay(spec(retry_delay=60.0), tasks, 0, Cause.INFRA) <= 1.25

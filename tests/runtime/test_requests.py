"""What is asked of a head is checked where it is read: nonsense is ignored, and said."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from batchio.core import events as ev
from batchio.core.task import Outcome
from batchio.runtime.asker import STALE_S, asker
from batchio.runtime.requests import Requests
from batchio.runtime.steady import since_boot
from batchio.testing import Attempt, Ends, FakeClock
from tests.core.machines import spec
from tests.core.stories import mixed
from tests.damage import SEEDS, changed, dices
from tests.runtime.jobs import Job, runs

if TYPE_CHECKING:
    from pathlib import Path


def fails_once(attempt: Attempt) -> Ends:
    return Ends(exit=int(attempt.task > 0 and attempt.number == 1), seconds=10)


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"kind": "dance"},
        {"kind": ["retry"]},
        {"kind": "retry", "tasks": [59938231]},
        {"kind": "retry", "tasks": [-1]},
        {"kind": "retry", "tasks": [True]},
        {"kind": "retry", "tasks": 7},
        {"kind": "retry", "tasks": "all"},
        {"kind": "retry", "tasks": [[0]]},
        {"kind": "retry", "tasks": [0, 1], "attempts": [1]},
        {"kind": "retry", "tasks": [0], "attempts": 1},
        {"kind": "retry", "tasks": [float("inf")]},
        {"kind": "cancel", "tasks": {"0": 1}},
        {"kind": "cancel", "tasks": [5000]},
        {"kind": "cancel", "tasks": None, "why": 7},
        {"kind": "note", "text": 7},
    ],
    ids=repr,
)
def test_a_request_that_makes_no_sense_is_ignored_with_a_note(
    tmp_path: Path, request_: dict[str, Any]
) -> None:
    job = Job(tmp_path, spec(2))
    job.ask(**request_)

    assert job.lead() is Outcome.SUCCEEDED
    [note] = job.journaled(ev.Noted)
    assert "was ignored: " in note.text
    assert runs(job) == [(0, 1), (1, 1)]
    assert not job.waiting


def test_a_retry_of_all_that_failed_means_what_failed_when_it_is_taken(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(3, max_retries=0), fails_once)
    assert job.lead() is Outcome.FAILED

    job.ask(kind="retry", tasks=None)
    assert job.lead() is Outcome.SUCCEEDED
    job.ask(kind="retry", tasks=None)  # late: whoever asked saw two failures

    assert job.lead() is Outcome.SUCCEEDED
    assert runs(job) == [(0, 1), (1, 1), (1, 2), (2, 1), (2, 2)]


def test_a_retry_that_arrives_late_runs_nothing_that_ran_again_meanwhile(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(3, max_retries=0), fails_once)
    assert job.lead() is Outcome.FAILED

    for _ in range(2):
        job.ask(kind="retry", tasks=[1, 2, 1], attempts=[1, 1, 1])
        assert job.lead() is Outcome.SUCCEEDED
    assert runs(job) == [(0, 1), (1, 1), (1, 2), (2, 1), (2, 2)]


def test_a_head_without_the_secrets_starts_no_task_again(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(2, secret_names=("TOKEN",)), lambda _: Ends(seconds=10))
    job.ask(kind="cancel", why="enough")
    job.ask(kind="retry", tasks=None)

    assert job.lead() is Outcome.CANCELLED
    assert runs(job) == []
    [note] = job.journaled(ev.Noted)
    assert note.text == "no task runs again: this head does not have TOKEN"


LONG_AGO = -2 * STALE_S
"""Seconds from now."""
JUST_NOW = 0.0
GONE = 2**22 + 1
"""No process has this id: Linux gives none above 2**22."""


@pytest.mark.parametrize(
    ("by", "ignored"),
    [
        ({}, False),
        ({"pid": GONE, "at": LONG_AGO}, True),
        ({"pid": GONE, "at": JUST_NOW}, False),
        ({"at": LONG_AGO}, False),
        ({"host": "elsewhere", "pid": GONE, "at": LONG_AGO}, False),
        ({"boot": "an earlier one"}, True),
        ({"pid": "x", "at": None}, False),
        ({"pid": 10**30, "at": LONG_AGO}, False),
    ],
    ids=["fresh", "killed", "killed just now", "alive", "elsewhere", "reboot", "odd", "absurd"],
)
def test_what_was_left_over_by_a_killed_process_is_not_done_by_a_later_head(
    tmp_path: Path, by: dict[str, Any], *, ignored: bool
) -> None:
    job = Job(tmp_path, spec(2))
    if isinstance(at := by.get("at"), float):
        by = {**by, "at": since_boot() + at}
    job.ask(kind="cancel", tasks=None, why="", by={**asker(), **by})

    assert job.lead() is (Outcome.SUCCEEDED if ignored else Outcome.CANCELLED)
    said = [note.text for note in job.journaled(ev.Noted)]
    assert said == ["a request nobody waits for was ignored: 'cancel'"] * ignored
    assert not job.waiting


def test_who_asks_a_head_that_runs_need_not_wait_for_the_answer(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1), lambda _: Ends(seconds=100))
    by = {**asker(), "pid": GONE, "at": since_boot() + LONG_AGO}

    deed = (10, lambda: job.ask(kind="cancel", tasks=None, why="", by=by))
    assert job.lead(deed) is Outcome.CANCELLED


TRUE_REQUESTS: list[dict[str, Any]] = [
    {"kind": "cancel", "tasks": None, "why": "enough", "by": asker()},
    {"kind": "cancel", "tasks": [0, 1], "why": ""},
    {"kind": "retry", "tasks": [0, 1], "attempts": [1, 1], "by": asker()},
    {"kind": "retry", "tasks": None},
]


@given(SEEDS)
def test_whatever_is_asked_becomes_events_that_the_machine_and_the_journal_take(
    seed: int,
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []
    store: Any = Asked(asked)
    story = mixed()
    for dice in dices(seed):
        request = changed(dice, dice.choice(TRUE_REQUESTS), ["cancel", "retry", 0, 1])
        if isinstance(request, dict):
            asked.append((f"{len(asked)}.json", request))
    requests = Requests(store, story.machine, FakeClock())

    events = asyncio.run(requests.read_new())

    taken = [event.name for event in events if isinstance(event, ev.RequestTaken)]
    assert taken == [name for name, _ in asked]
    for event in events:
        body = ev.encode(event)
        json.loads(body, parse_constant=lambda name: pytest.fail(name))
        story.machine.apply(ev.decode(body))


class Asked:
    """A store in which these requests lie."""

    def __init__(self, requests: list[tuple[str, dict[str, Any]]]) -> None:
        self.asked = lambda: requests

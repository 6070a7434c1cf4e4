"""The workspace does not answer: nothing is begun, nothing is lost, and then all goes on."""

from __future__ import annotations

import asyncio
import json
import logging
from math import inf
from typing import TYPE_CHECKING

import pytest

from batchio.core import events as ev
from batchio.core.task import Outcome
from batchio.runtime.conversation import PING_EVERY_S
from batchio.testing import Ends
from tests.core.machines import spec
from tests.runtime.jobs import Job, runs

if TYPE_CHECKING:
    from pathlib import Path


def silence(job: Job) -> None:
    job.past.down = True


def answer(job: Job) -> None:
    job.past.down = job.past.deaf = False


def lose_answers(job: Job) -> None:
    job.past.deaf = True


def once(job: Job) -> bool:
    """Whether no batch stands in the journal twice."""
    batches = [json.dumps(batch) for batch in job.past.batches]
    return len(set(batches)) == len(batches)


def test_tasks_run_on_and_nothing_is_begun_until_the_journal_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = Job(tmp_path, spec(4), lambda _: Ends(seconds=10), slots=2)
    written_began_running: list[tuple[int, int, int]] = []

    def look() -> None:
        [node] = job.provider.nodes.values()
        now = len(job.past.batches), len(job.provider.began), len(node.running)
        written_began_running.append(now)

    with caplog.at_level(logging.WARNING):
        outcome = job.lead(
            (5, lambda: silence(job)), (5.1, look), (605, look), (605, lambda: answer(job)),
        )  # fmt: skip

    assert outcome is Outcome.SUCCEEDED
    before, after = written_began_running
    assert after == (*before[:2], 0), "what ran has ended; nothing is written, nothing begun"
    assert before[1:] == (2, 2)
    assert runs(job) == [(task, 1) for task in range(4)]
    assert once(job)
    [note] = job.journaled(ev.Noted)
    assert note.text.startswith("the workspace did not answer for 60")
    assert caplog.messages[0] == f"nobody answers for job {job.id}; asking again until it answers"


def test_pings_go_on_while_the_journal_is_down(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1), lambda _: Ends(seconds=10))
    pings: list[int] = []

    def count() -> None:
        [node] = job.provider.nodes.values()
        pings.append(sum(message[0] == "ping" for message in node.heard))

    job.lead((5, lambda: silence(job)), (20, count), (320, count), (321, lambda: answer(job)))

    assert pings[1] - pings[0] == pytest.approx(300 / PING_EVERY_S, abs=1)


def test_a_batch_whose_answers_are_lost_is_written_once(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(3), lambda _: Ends(seconds=10), slots=1)

    assert job.lead((5, lambda: lose_answers(job)), (40, lambda: answer(job))) is Outcome.SUCCEEDED
    assert runs(job) == [(task, 1) for task in range(3)]
    assert once(job)


def test_a_cancel_that_comes_meanwhile_is_heard_as_soon_as_the_journal_answers(
    tmp_path: Path,
) -> None:
    job = Job(tmp_path, spec(3), lambda _: Ends(seconds=inf))

    outcome = job.lead(
        (5, lambda: silence(job)),
        (6, lambda: job.ask(kind="cancel", why="enough")),
        (65, lambda: answer(job)),
    )

    assert outcome is Outcome.CANCELLED
    assert job.machine.running_job.why == "enough"
    assert job.clock.passed < 90
    assert not job.waiting
    assert once(job)


def test_a_head_that_is_ended_meanwhile_lets_go_and_the_next_goes_on(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(2), lambda _: Ends(seconds=10), slots=2)

    def end() -> None:
        for task in asyncio.all_tasks():
            task.cancel()

    with pytest.raises(asyncio.CancelledError):
        job.lead((5, lambda: silence(job)), (30, end))
    assert job.past.holder is None
    answer(job)

    assert job.lead() is Outcome.SUCCEEDED
    assert runs(job) == [(0, 1), (1, 1)]
    assert once(job)

"""Agents that are there and say nothing: noticed in time, waited for, and ended at last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchio.core import events as ev
from batchio.core.task import Outcome
from batchio.runtime.conversation import PING_EVERY_S, UNANSWERED
from batchio.testing import Ends
from tests.core.machines import spec
from tests.mortal import Crash
from tests.runtime.jobs import Job, runs

if TYPE_CHECKING:
    from pathlib import Path

HUNG_AT = 7.0
HANGS = "its agent has not answered for 30 s"


def hang(job: Job, *, seconds: float | None = None) -> None:
    """The first node's agent says nothing any more, or not for so long."""
    node = job.provider.nodes["n0"]
    node.mute = True
    if seconds is not None:
        wakes = job.clock.now() + seconds
        job.clock.call_at(wakes, lambda: setattr(node, "mute", False))


def notes(job: Job) -> list[str]:
    """What people are told of its nodes, and what stayed on them."""
    left = [f"n{gone.node}: {gone.left}" for gone in job.journaled(ev.NodeDeleted) if gone.left]
    return [*(note.text for note in job.journaled(ev.Noted)), *left]


def test_an_agent_that_hangs_is_noticed_within_the_stated_time(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1, node_timeout=600), lambda _: Ends(seconds=200))
    begun = job.clock.now()

    assert job.lead((HUNG_AT, lambda: hang(job, seconds=100))) is Outcome.SUCCEEDED
    [silent] = job.journaled(ev.NodeSilent)
    assert silent.why == HANGS
    noticed = silent.at - begun - HUNG_AT
    assert UNANSWERED * PING_EVERY_S == 30
    assert 30 <= noticed <= 30 + PING_EVERY_S


def test_an_agent_that_wakes_up_in_time_goes_on_with_its_tasks(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(3, node_timeout=600), lambda _: Ends(seconds=50))

    assert job.lead((HUNG_AT, lambda: hang(job, seconds=120))) is Outcome.SUCCEEDED
    assert runs(job) == [(task, 1) for task in range(3)]
    assert job.journaled(ev.NodeHeard)
    assert notes(job) == []


def test_one_that_hangs_for_longer_is_lost_and_ended(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1, node_timeout=120), lambda _: Ends(seconds=50), nodes=2)

    assert job.lead((HUNG_AT, lambda: hang(job))) is Outcome.SUCCEEDED
    assert runs(job) == [(0, 1), (0, 2)]
    [lost] = job.journaled(ev.NodeLost)
    assert lost.why == f"silent for 120 s: {HANGS}"
    assert notes(job) == ["n0: its last lines of output did not arrive"]
    assert job.provider.nodes["n0"].removals == 1


def test_a_job_that_ends_while_an_agent_hangs_ends_the_agent(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1), lambda _: Ends(seconds=1000))
    cancelled = HUNG_AT + 15  # before anybody has noticed

    outcome = job.lead(
        (HUNG_AT, lambda: hang(job)), (cancelled, lambda: job.ask(kind="cancel", why="enough"))
    )

    assert outcome is Outcome.CANCELLED
    assert job.provider.nodes["n0"].removals == 1
    assert not [text for text in notes(job) if "may be left" in text]


def test_a_new_head_that_finds_it_hanging_at_the_end_ends_it_too(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1), lambda _: Ends(seconds=1000))
    job.store.fatal = lambda _, events: any(body.startswith('["released"') for body in events)
    with pytest.raises(Crash):
        job.lead((5, lambda: job.ask(kind="cancel")))
    job.store.fatal = None
    hang(job)

    assert job.lead() is Outcome.CANCELLED
    assert job.provider.nodes["n0"].removals == 1
    assert notes(job) == ["n0: its last lines of output did not arrive"]


def test_an_agent_too_busy_to_answer_pings_is_alive_as_long_as_it_says_something(
    tmp_path: Path,
) -> None:
    job = Job(tmp_path, spec(5), lambda _: Ends(seconds=20, stdout=b"x\n"))
    job.provider.on_node = lambda node: setattr(node, "busy", True)

    assert job.lead() is Outcome.SUCCEEDED
    assert job.clock.passed > 99
    assert job.journaled(ev.NodeSilent) == []

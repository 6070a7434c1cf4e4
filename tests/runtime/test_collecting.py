"""Outputs on their way back while nodes and heads fail: nothing is sent twice without need."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core import events as ev
from batchio.core.task import Outcome
from batchio.testing import Ends
from tests.core.machines import spec
from tests.mortal import Crash
from tests.runtime.jobs import Job, runs

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.testing import ScriptedNode

LARGE = os.urandom(3_000_000)
BROKEN_AT = 1_000_000


def collecting(tmp_path: Path, left: dict[str, bytes] | None = None, **options: Any) -> Job:
    """A job of one task, whose node's connection breaks while its output is on the way."""
    left = left or {"large": LARGE}
    wanted = spec(1, collect=str(tmp_path / "out"), **options)
    job = Job(tmp_path, wanted, lambda _: Ends(leaves=left), nodes=2)
    job.provider.on_node = break_once
    return job


def break_once(node: ScriptedNode) -> None:
    node.breaks_after = BROKEN_AT if node.name == "n0" else None


def asked(job: Job) -> list[list[int]]:
    """From which byte on outputs were asked for, node by node."""
    return [
        [said[3] if len(said) > 3 else 0 for said in node.heard if said[0] == "fetch"]
        for node in job.provider.nodes.values()
    ]


def arrived(tmp_path: Path) -> bool:
    names = [path.name for path in (tmp_path / "out").iterdir()]
    return names == ["0"] and (tmp_path / "out/0/large").read_bytes() == LARGE


def notes(job: Job) -> list[str]:
    return [note.text for note in job.journaled(ev.Noted)]


def test_after_a_broken_connection_only_the_rest_is_sent(tmp_path: Path) -> None:
    job = collecting(tmp_path)

    assert job.lead() is Outcome.SUCCEEDED
    assert asked(job) == [[0, BROKEN_AT]]
    assert arrived(tmp_path)
    assert notes(job) == []


def test_a_node_may_be_silent_for_a_minute_in_between(tmp_path: Path) -> None:
    job = collecting(tmp_path)

    def away() -> None:
        node = job.provider.nodes["n0"]
        node.go_silent()
        job.clock.call_at(job.clock.now() + 60, node.come_back)

    assert job.lead((1.01, away)) is Outcome.SUCCEEDED
    assert asked(job) == [[0, BROKEN_AT]]
    assert arrived(tmp_path)


def test_a_new_agent_sends_all_of_it_and_that_is_said(tmp_path: Path) -> None:
    job = collecting(tmp_path)

    assert job.lead((1.01, lambda: job.provider.nodes["n0"].restart())) is Outcome.SUCCEEDED
    assert asked(job) == [[0, 0]]
    assert arrived(tmp_path)
    assert notes(job) == [
        "the outputs of task 0 are sent from the beginning: the agent was restarted"
    ]


def test_outputs_that_have_changed_meanwhile_are_sent_once_more_and_that_is_said(
    tmp_path: Path,
) -> None:
    left = {"large": LARGE}
    job = collecting(tmp_path, left)

    assert job.lead((1.01, lambda: left.update(large=LARGE[::-1]))) is Outcome.SUCCEEDED
    assert asked(job) == [[0, BROKEN_AT, 0]]
    assert (tmp_path / "out/0/large").read_bytes() == LARGE[::-1]
    assert notes(job) == [
        "the outputs of task 0 are sent from the beginning: they are not what they were before"
    ]


def test_what_came_from_a_lost_node_is_no_part_of_what_comes_from_another(tmp_path: Path) -> None:
    left = {"large": LARGE}
    job = collecting(tmp_path, left, node_timeout=10)

    def die() -> None:
        job.provider.nodes["n0"].die()
        left.clear()  # the second attempt has nothing to bring

    assert job.lead((1.01, die)) is Outcome.SUCCEEDED
    assert runs(job) == [(0, 1), (0, 2)]
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("fatal", ['["silent"', '["heard"'], ids=["at once", "when it is heard"])
def test_a_new_head_begins_anew(tmp_path: Path, fatal: str) -> None:
    job = collecting(tmp_path)
    job.store.fatal = lambda _, events: any(body.startswith(fatal) for body in events)
    with pytest.raises(Crash):
        job.lead()
    job.store.fatal = None

    assert job.lead() is Outcome.SUCCEEDED
    assert asked(job) == [[0, 0]]
    assert arrived(tmp_path)

"""The head: whatever dies and whenever, the job ends as if it had not, and nothing is left."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core import events as ev
from batchio.core.task import Outcome
from batchio.errors import (
    JournalFull,
    LeaseHeld,
    NoCapacity,
    QuotaExceeded,
    Unreachable,
    UsageError,
)
from batchio.testing import (
    Ends,
)
from tests.core.machines import spec
from tests.mortal import Crash
from tests.runtime.jobs import Job, runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


# --- a job ---------------------------------------------------------------------------------


def test_every_task_runs_once_and_every_node_is_given_back(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(10), nodes=2, slots=2)

    assert job.lead() is Outcome.SUCCEEDED
    assert runs(job) == [(task, 1) for task in range(10)]
    assert (len(job.provider.nodes), job.provider.rented) == (2, set())
    assert job.past.holder is None


def test_what_a_task_printed_and_left_arrives(tmp_path: Path) -> None:
    job = Job(
        tmp_path / "workspace",
        spec(2, collect=str(tmp_path / "out")),
        lambda attempt: Ends(stdout=b"hello\n", leaves={"sub/a.txt": b"%d" % attempt.task}),
    )

    assert job.lead() is Outcome.SUCCEEDED
    assert [(tmp_path / f"out/{task}/sub/a.txt").read_text() for task in (0, 1)] == ["0", "1"]
    assert job.workspace.job(job.id).logs().read(0, 0, 1 << 20).count(b"hello\n") == 2


@pytest.mark.parametrize(
    ("verb", "error"), [("create", NoCapacity("none left")), ("connect", Unreachable("no answer"))]
)
def test_a_provider_that_says_no_is_asked_again(tmp_path: Path, verb: str, error: Any) -> None:
    job = Job(tmp_path, spec(1))
    job.provider.fail(verb, error, error)

    assert job.lead() is Outcome.SUCCEEDED
    assert job.provider.rented == set()


@pytest.mark.parametrize(
    ("verb", "error"), [("create", QuotaExceeded("full")), ("offers", UsageError("nonsense"))]
)
def test_a_provider_that_says_never_ends_the_job_as_lost(
    tmp_path: Path, verb: str, error: Any
) -> None:
    job = Job(tmp_path, spec(1))
    job.provider.fail(verb, error)

    assert job.lead() is Outcome.LOST
    assert str(error) in job.machine.running_job.why


# --- nodes in trouble ------------------------------------------------------------------------


def restart(job: Job) -> None:
    job.provider.nodes["n0"].restart()


def die(job: Job) -> None:
    job.provider.nodes["n0"].die()


def cut(job: Job) -> None:
    job.provider.nodes["n0"].cut()


def silence_a_minute(job: Job) -> None:
    node = job.provider.nodes["n0"]
    node.go_silent()
    job.clock.call_at(job.clock.now() + 60, node.come_back)


@pytest.mark.parametrize(
    ("deed", "again"), [(cut, []), (silence_a_minute, []), (restart, [0]), (die, [0])]
)
def test_a_node_in_trouble_costs_only_what_was_lost_with_it(
    tmp_path: Path, deed: Callable[[Job], None], again: list[int]
) -> None:
    job = Job(tmp_path, spec(3, node_timeout=120), lambda _: Ends(seconds=10))

    assert job.lead((5, lambda: deed(job))) is Outcome.SUCCEEDED
    assert runs(job) == sorted([(task, 1) for task in range(3)] + [(task, 2) for task in again])
    assert job.provider.rented == set()


def test_a_node_is_visited_by_one_command_however_often_it_is_cut_off(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(3), lambda _: Ends(seconds=10))

    assert job.lead((5, lambda: cut(job)), (15, lambda: cut(job))) is Outcome.SUCCEEDED
    assert len(job.provider.nodes["n0"].commands) == 1


def test_a_new_head_goes_straight_to_the_agents_it_knows(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(3), lambda _: Ends(seconds=10))
    job.store.fatal = lambda _, batch: any(
        isinstance(ev.decode(one), ev.TasksFinished) for one in batch
    )
    with pytest.raises(Crash):
        job.lead()
    job.store.fatal = None

    assert job.lead() is Outcome.SUCCEEDED
    assert len(job.provider.nodes["n0"].commands) == 1


def test_an_agent_that_never_says_hello_is_given_up(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1), nodes=2)
    job.provider.on_node = lambda node: setattr(node, "mute", node.name == "n0")

    assert job.lead() is Outcome.SUCCEEDED
    assert [attempt.node for attempt in job.provider.began] == ["n1"]
    assert job.clock.passed > 90  # three times half a minute


@pytest.mark.parametrize(("rents", "within"), [(False, 450), (True, 3_000)], ids=["lent", "rented"])
def test_a_job_whose_nodes_never_greet_is_lost_and_does_not_take_others_for_ever(
    tmp_path: Path, within: int, *, rents: bool
) -> None:
    """To get a node is no success: a host is lent at once, a machine with a bad image starts."""
    job = Job(tmp_path, spec(2), nodes=2, rents=rents)
    job.provider.on_node = lambda node: setattr(node, "mute", True)

    assert job.lead(limit=within) is Outcome.LOST
    assert "has not answered" in job.machine.running_job.why
    assert job.provider.rented == set()
    assert len(job.machine.nodes) <= 2 * 12


def test_an_agent_that_is_slow_and_repeats_itself_changes_nothing(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(5), lambda _: Ends(seconds=3), slots=2)

    def annoy() -> None:
        job.provider.nodes["n0"].late, job.provider.nodes["n0"].twice = 1.5, True

    assert job.lead((1, annoy)) is Outcome.SUCCEEDED
    assert runs(job) == [(task, 1) for task in range(5)]


def test_an_agent_that_refuses_us_ends_the_job_as_lost(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1))
    job.provider.on_node = lambda node: setattr(node, "refuses", "speaks version 7")

    assert job.lead() is Outcome.LOST
    assert "speaks version 7" in job.machine.running_job.why


# --- the head dies ---------------------------------------------------------------------------


@pytest.mark.parametrize("written", [False, True], ids=["before the write", "after the write"])
@pytest.mark.parametrize("away", [0, 30], ids=["at once", "half a minute later"])
def test_a_job_ends_the_same_at_whichever_write_its_head_dies(
    tmp_path: Path, away: float, *, written: bool
) -> None:
    fatal, crashed = 1, True
    while crashed:
        job = Job(
            tmp_path / str(fatal),
            spec(5, collect=str(tmp_path / str(fatal) / "out")),
            lambda attempt: Ends(seconds=5, leaves={"a": b"1"} if attempt.task == 1 else None),
            slots=2,
        )
        job.store.written = written
        job.store.fatal = lambda nth, _, fatal=fatal: nth == fatal
        try:
            outcome = job.lead()
            crashed = False
        except Crash:
            job.store.fatal = None
            job.clock.advance(away)
            outcome = job.lead()
        assert outcome is Outcome.SUCCEEDED
        assert runs(job) == [(task, 1) for task in range(5)]
        assert job.provider.rented == set()
        assert (tmp_path / str(fatal) / "out" / "1" / "a").read_bytes() == b"1"
        fatal += 1

    assert fatal > 10, "the job has many steps, and each was a place to die"


@pytest.mark.parametrize("back", [False, True], ids=["out of reach", "reached at the end"])
def test_a_node_on_which_an_earlier_head_began_is_tidied_up_or_named(
    tmp_path: Path, *, back: bool
) -> None:
    job = Job(tmp_path, spec(2), lambda _: Ends(seconds=5), nodes=2)
    job.store.fatal = lambda _, events: any('"greeted"' in event for event in events)
    job.store.written = False
    with pytest.raises(Crash):
        job.lead()
    away = job.provider.nodes["n1"]
    assert any("up" in words for words in away.commands), "its agent runs, and no head knows it"
    away.go_silent()
    job.store.fatal = None

    deeds = [(11.0, away.come_back)] if back else []
    assert job.lead(*deeds) is Outcome.SUCCEEDED

    [gone] = [event for event in job.journaled(ev.NodeDeleted) if event.node == 1]
    if back:
        assert gone.left == ""
        assert "down" in away.commands[-1]
    else:
        assert f"{job.id}.1 may still be there: " in gone.left


def test_a_second_head_is_refused_while_there_is_one(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1))
    job.store.lead()

    with pytest.raises(LeaseHeld, match="another process runs job"):
        job.lead()
    assert len(job.past.batches) == 1


def test_a_head_that_was_robbed_of_its_lease_stops_and_the_next_one_goes_on(
    tmp_path: Path,
) -> None:
    job = Job(tmp_path, spec(3), lambda _: Ends(seconds=10))

    with pytest.raises(LeaseHeld, match="another head has taken over"):
        job.lead((5, job.past.take_over))
    told = len(job.past.read())
    assert job.past.holder is None

    assert job.lead() is Outcome.SUCCEEDED
    assert [head.epoch for head in job.journaled(ev.HeadStarted)] == [1, 3]
    assert len(job.past.read()) > told
    assert runs(job) == [(task, 1) for task in range(3)]


def test_a_head_that_has_nothing_to_write_stops_too_when_it_was_robbed_of_its_lease(
    tmp_path: Path,
) -> None:
    job = Job(tmp_path, spec(1), lambda _: Ends(seconds=900))

    with pytest.raises(LeaseHeld, match="another head has taken over"):
        job.lead((100, job.past.take_over), limit=200)
    told = len(job.past.read())

    assert job.lead() is Outcome.SUCCEEDED
    assert len(job.past.read()) > told
    assert runs(job) == [(0, 1)]


def test_on_a_full_disk_all_that_runs_is_stopped_and_run_again_when_there_is_room(
    tmp_path: Path,
) -> None:
    job = Job(tmp_path, spec(3), lambda _: Ends(seconds=1 if room_again else inf), slots=2)
    room_again = False

    def fill() -> None:
        job.past.full = True
        job.ask(kind="cancel")  # something to write

    with pytest.raises(JournalFull):
        job.lead((5, fill))
    [node] = job.provider.nodes.values()
    assert node.running == []
    assert node.heard[-1] == ["bye", True]
    assert job.waiting, "what nobody could note down is still asked for"
    assert job.past.holder is None

    for name, _ in job.store.asked():
        job.store.answered(name)
    room_again, job.past.full = True, False
    assert job.lead() is Outcome.SUCCEEDED
    assert job.provider.rented == set()


# --- what others ask of it --------------------------------------------------------------------


def test_a_cancel_is_heard_within_moments(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(3), lambda _: Ends(seconds=inf))

    assert job.lead((60, lambda: job.ask(kind="cancel", why="enough"))) is Outcome.CANCELLED
    assert job.clock.passed < 61
    assert not job.waiting
    assert job.machine.running_job.why == "enough"


def test_a_cancel_of_some_tasks_leaves_the_others(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(3), lambda _: Ends(seconds=100), slots=3)

    job.lead((5, lambda: job.ask(kind="cancel", tasks=[1])))

    assert list(job.machine.tasks.outcome) == [
        Outcome.SUCCEEDED, Outcome.CANCELLED, Outcome.SUCCEEDED,
    ]  # fmt: skip


@pytest.mark.parametrize("written", [False, True], ids=["before the write", "after the write"])
def test_a_retry_is_taken_once_when_the_head_dies_before_it_is_dropped(
    tmp_path: Path, *, written: bool
) -> None:
    job = Job(tmp_path, spec(2), lambda attempt: Ends(exit=attempt.task))
    assert job.lead() is Outcome.FAILED

    job.ask(kind="retry")
    job.store.written = written
    job.store.fatal = lambda _, events: any('"taken"' in body for body in events)
    with pytest.raises(Crash):
        job.lead()
    assert job.waiting
    job.store.fatal = None

    assert job.lead() is Outcome.FAILED
    assert not job.waiting
    assert len(job.journaled(ev.RequestTaken)) == 1
    assert runs(job) == [(0, 1), (1, 1), (1, 2)]


def test_a_cancel_is_taken_once_when_the_head_dies_before_it_is_dropped(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(2), lambda _: Ends(seconds=inf))
    job.store.fatal = lambda _, events: any('"taken"' in body for body in events)
    with pytest.raises(Crash):
        job.lead((5, lambda: job.ask(kind="cancel")))
    assert job.waiting
    job.store.fatal = None

    assert job.lead() is Outcome.CANCELLED
    assert not job.waiting
    assert len(job.journaled(ev.CancelRequested)) == 1


def test_a_request_of_an_unknown_kind_is_noted_and_dropped(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1), lambda _: Ends(seconds=10))

    assert job.lead((5, lambda: job.ask(kind="dance"))) is Outcome.SUCCEEDED
    assert not job.waiting
    assert [note.text for note in job.journaled(ev.Noted)] == [
        "a request of an unknown kind was ignored: 'dance'"
    ]


def test_a_closed_job_of_which_nothing_is_asked_needs_no_head(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1))
    job.lead()
    written = len(job.past.batches)

    assert job.lead() is Outcome.SUCCEEDED
    assert (len(job.past.batches), job.asked) == (written, 1)
    assert job.past.holder is None


def test_a_node_that_was_tried_and_not_reached_before_the_job_was_done_is_named(
    tmp_path: Path,
) -> None:
    job = Job(tmp_path, spec(2), lambda _: Ends(seconds=3), nodes=2)
    job.provider.on_node = lambda node: node.die() if node.name == "n1" else None

    assert job.lead() is Outcome.SUCCEEDED
    told = [note.text for note in job.journaled(ev.Noted)]
    assert told == ["scripted was not used: n1: no answer"]

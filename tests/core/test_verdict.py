"""The verdict is the most urgent truth about a job, and names the command that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from batchio.core import events as ev
from batchio.core.concerns import concerns
from batchio.core.explain import why_job
from batchio.core.last_words import template
from batchio.core.pace import expected, often, rate
from batchio.core.rows import failure_groups
from batchio.core.snapshot import dump, load
from batchio.core.verdict import CONDITIONS, Kind, Verdict, tells, verdict
from batchio.core.views import job_view
from tests.core.stories import JOB, T0, Story

if TYPE_CHECKING:
    from collections.abc import Callable

NOW: Final = T0 + 40


def said(story: Story, now: float = NOW, attended: bool | None = True) -> Verdict:
    machine = story.machine
    return verdict(machine, now, concerns(machine, attended=attended))


def steady(bad: int = 0, good: int = 30, **more: Any) -> Story:
    """`good` tasks succeeded and `bad` failed alike, one a second; others run and wait."""
    story = Story("0-99", **more).offers("a").ready("a", 4)
    for task in range(good + bad):
        story.start(task, at=task)
        code, tail = (1, f"ValueError: bad row {task} in part-{task:05}") if task < bad else (0, "")
        story.end(task, code=code, tail=tail, at=task + 1)
    return story.start(99, at=30)


def one_bad_node() -> Story:
    story = Story("0-99").offers("a", "node-17").ready("a", 4).ready("node-17", 4)
    for task in range(0, 30, 2):
        story.start(task, at=task).end(task, at=task + 1)
        story.start(task + 1, node=1, at=task)
        story.end(task + 1, code=1, tail="disk", node=1, at=task + 1)
    return story.start(98, at=31)


def out_of_memory() -> Story:
    story = Story("0-9").offers("a").ready("a", 4).start(0, 1, 2)
    return story.end(0).end(1, 2, code=-9, reason="oom").start(3)


def unreachable() -> Story:
    story = Story().offers("host1").booting("host1").lose(why="no route")
    return story.tell(ev.NodeDeleted(T0 + 5, 0))


def ended(code: int = 1) -> Story:
    return Story("0-1").offers("a").ready().start(0, 1).end(0).end(1, code=code, tail="bad").close()


STORIES: Final[dict[Kind, tuple[Callable[[], Story], str, str]]] = {
    Kind.ENDED: (ended, "1 of 2 tasks failed, bad", f"batchio logs {JOB} --task 1"),
    Kind.SUCCEEDED: (lambda: ended(0), "All 2 tasks succeeded, in 9s", ""),
    Kind.ENDING: (
        lambda: steady().tell(ev.CancelRequested(T0 + 35, None, "a typo")),
        "It is being stopped: a typo", "",
    ),
    Kind.NO_NODE: (
        unreachable, "No node is ready: host1 cannot be reached: no route", f"batchio explain {JOB}"
    ),
    Kind.BLOCKED: (
        lambda: steady().tell(ev.Noted(T0 + 35, "a: the log cannot be written (full)", True, 0)),
        "On a: the log cannot be written (full)", f"batchio nodes {JOB}",
    ),
    Kind.BAD_NODE: (
        one_bad_node,
        "Everything fails on node-17: the last 15 attempts; other nodes are fine",
        f"batchio explain {JOB}/29",
    ),
    Kind.MEMORY: (
        out_of_memory, "2 of 3 tasks ran out of memory at 4 KiB", f"batchio explain {JOB}/2"
    ),
    Kind.FAILING: (
        lambda: steady(bad=10, good=20),
        "33 % of the last 30 tasks failed, all alike: ValueError: bad row # in part-#",
        f"batchio logs {JOB} --task 9",
    ),
    Kind.WAITING: (
        lambda: Story(wait_for_ready=True).offers("a", "b").ready("a").booting("b"),
        "Tasks wait for b (--wait-for-ready-cluster): 1 of 2 nodes are ready",
        f"batchio nodes {JOB}",
    ),
    Kind.FAILED_SOME: (
        lambda: steady(bad=1, good=35),
        "1 of 100 tasks failed, ValueError: bad row 0 in part-00000",
        f"batchio logs {JOB} --task 0",
    ),
    Kind.PENDING: (lambda: Story().offers("a").booting(), "It waits for a node to be ready", ""),
    Kind.RUNNING: (
        steady, "It is running well: 30 of 100 tasks are done, about 3m 57s to go", ""
    ),
}  # fmt: skip
"""By kind, a job of which it is true, its sentence and its command."""


@pytest.mark.parametrize(
    "after",
    [
        ev.Noted(T0 + 36, "a: the log is written again", False, 0),
        ev.NodeRestarted(T0 + 36, 0, {"hostname": "a"}),
        ev.NodeLost(T0 + 36, 0, "gone", False),
        ev.HeadStarted(T0 + 36, 2, "vm", 1),
    ],
    ids=lambda event: event.tag,
)
def test_what_held_tasks_up_is_said_until_it_is_over(after: ev.Event) -> None:
    story = steady().tell(ev.Noted(T0 + 35, "a: the log cannot be written (full)", True, 0))
    assert said(story).kind == Kind.BLOCKED

    story.tell(after)

    assert said(story).kind != Kind.BLOCKED


def test_output_files_that_nobody_can_keep_are_held_up_on_whichever_node_they_are() -> None:
    story = steady().tell(ev.Noted(T0 + 35, "output files cannot be saved in /out", True))
    held_up = said(story)

    assert (held_up.text, held_up.urgent) == ("Output files cannot be saved in /out", True)


def test_every_kind_has_a_condition_and_a_test_of_its_own() -> None:
    assert set(CONDITIONS) == set(Kind) == {*STORIES, Kind.UNATTENDED, Kind.STALLED}


@pytest.mark.parametrize("kind", STORIES)
def test_the_verdict_says_what_is_most_urgent_and_what_helps(kind: Kind) -> None:
    make, text, command = STORIES[kind]

    found = said(make())

    assert (found.kind, found.text, found.command) == (kind, text, command)


def test_a_job_that_nobody_runs_comes_before_all_else_it_suffers_from() -> None:
    found = said(steady(bad=10, good=20), attended=False)

    assert (found.kind, found.text) == (Kind.UNATTENDED, "No process runs it")
    assert found.command == f"batchio recover {JOB}"


def test_nothing_has_ended_for_much_longer_than_is_usual() -> None:
    assert said(steady(), now=T0 + 80).kind is Kind.RUNNING

    found = said(steady(), now=T0 + 30 + 14 * 60)

    assert (found.kind, found.command) == (Kind.STALLED, f"batchio nodes {JOB}")
    assert found.text == "No task has ended for 14m 00s, but 1 a second is usual"


def test_a_clock_that_was_set_back_is_no_stall_and_makes_no_nonsense() -> None:
    for now in (0.0, T0 - 1e6, T0, T0 + 1e9):
        found = said(steady(bad=2), now=now)
        assert found.text
        assert found.expected is None or found.expected >= now


def test_when_a_whole_job_fails_no_node_is_blamed() -> None:
    story = Story("0-99").offers("a", "b").ready("a", 4).ready("b", 4)
    for task in range(20):
        story.start(task, node=task % 2).end(task, code=1, node=task % 2, tail="no file")

    assert said(story).text == "100 % of the last 20 tasks failed, all alike: no file"


def test_attempts_that_were_tried_again_are_failures_too() -> None:
    story = Story("0-9", max_retries=2).offers("a").ready("a", 8).start(*range(8))
    for task in range(4):
        story.end(task, code=1, tail=f"cannot open /tmp/x{task}.csv").requeue(task)
    story.end(4, 5, 6, 7)

    assert failure_groups(story.machine) == []
    (group,) = failure_groups(story.machine, attempts=True)
    assert (group.count, group.attempts, group.ids) == (0, 4, "")
    assert group.last_words == "cannot open #"
    assert (group.first, group.last, group.nodes) == (T0 + 5, T0 + 5, ("a",))
    assert (group.going_on, group.task, group.attempt) == (True, 3, 1)
    assert said(story).text == "4 of 8 attempts failed, all alike: cannot open #"
    assert said(story).command == f"batchio logs {JOB} --task 3 --attempt 1"


def test_a_task_that_is_done_at_last_leaves_its_failed_attempt_in_the_group() -> None:
    story = Story("0", max_retries=2).offers("a").ready("a").start(0)
    story.end(0, code=1, tail="bad").requeue(0).start(0, at=6).end(0, at=7).close()

    (group,) = failure_groups(story.machine, attempts=True)

    assert (group.count, group.attempts, group.going_on) == (0, 1, False)
    assert said(story).text == "The task succeeded, in 9s; 1 attempt had to be repeated"


def test_what_was_lost_with_its_nodes_is_one_group_whatever_the_nodes_were_called() -> None:
    story = Story("0-3").offers("a", "b").ready("h-1").ready("h-2").start(0, 1).start(2, node=1)
    story.lose(0, "no answer from h-1 for 31 s").lose(1, "no answer from h-2 for 45 s")

    (group,) = failure_groups(story.machine)

    assert (group.outcome, group.count, group.reason) == ("lost", 3, "no answer from h-# for # s")
    assert group.nodes == ("h-1", "h-2")


def test_a_snapshot_keeps_groups_and_newest_endings() -> None:
    machine = steady(bad=10).machine
    loaded = load(dump(machine))

    assert loaded is not None
    assert loaded.endings.to_json() == machine.endings.to_json()
    assert verdict(loaded, NOW) == verdict(machine, NOW)


def test_rate_and_end_are_not_known_before_something_has_ended() -> None:
    machine = Story().offers("a").ready().start(0).machine

    assert rate(machine, NOW) is None
    assert expected(machine, NOW) is None
    assert rate(steady().machine, T0 + 30) == pytest.approx(1.0)


def test_the_end_of_a_few_long_waves_is_not_guessed_from_the_rush_of_the_first() -> None:
    story = Story("0-7").offers("a").ready("a", 2).start(0, 1)
    story.end(0, at=602).end(1, at=603).start(2, 3, at=603)

    ends = expected(story.machine, T0 + 604)

    assert ends is not None
    assert 1400 < ends - (T0 + 604) < 1900


@pytest.mark.parametrize("kind", STORIES)
def test_an_explanation_says_the_words_of_the_verdict(kind: Kind) -> None:
    machine = STORIES[kind][0]().machine
    found, told = said(STORIES[kind][0]()), "\n".join(why_job(machine, NOW))

    assert found.text in told or not found.urgent


def test_the_view_of_a_job_has_its_verdict_and_a_concern_is_not_said_twice() -> None:
    view = job_view(steady().machine, NOW, attended=False)

    assert view.verdict.text == "No process runs it"
    assert [tells(view.verdict, concern) for concern in view.concerns] == [True]
    assert view.to_json()["verdict"]["command"] == f"batchio recover {JOB}"


@pytest.mark.parametrize(
    ("words", "alike"),
    [
        ("ValueError: bad row 340 in part-00017", "ValueError: bad row # in part-#"),
        ("no such file: '/tmp/tmpab_3x/x.csv'", "no such file: '#'"),
        ("at 0x7f3a21 and deadbeef01", "at # and #"),
        ("job 2bbw29m4kv of 123e4567-e89b-12d3-a456-426614174000", "job # of #"),
        ("a facade decade: accede", "a facade decade: accede"),
        ("took 1.5e-3 s at 12:30:05", "took # s at #"),
        ("", ""),
    ],
)
def test_what_varies_in_last_words_is_a_hash(words: str, alike: str) -> None:
    assert template(words) == alike
    assert template(alike) == alike


def test_a_frequency_is_written_in_the_unit_that_fits() -> None:
    said = [often(f) for f in (13.2, 1.0, 0.5, 1 / 60, 0.001, 1234.0)]

    assert said == [
        "13 a second", "1 a second", "30 a minute", "1 a minute", "3.6 an hour", "1,234 a second",
    ]  # fmt: skip

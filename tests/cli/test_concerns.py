"""What people must know of a job's nodes stands wherever they look, by the name they typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from batchio.cli.summary import ending_lines
from batchio.core import events as ev
from batchio.core.concerns import Kind, concerns
from batchio.core.explain import why_job
from batchio.core.node import TWIN
from batchio.core.plan import GIVE_UP_AFTER, Offer
from batchio.core.telling import MOST_TOLD, Teller
from batchio.core.views import JobView, job_view
from tests.core.stories import JOB, T0, Story

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.terminal import Terminal

NOW: Final = T0 + 20
SELDOM: Final = "no answer from 10.0.0.9"


def two(**options: Any) -> Story:
    """`good` is ready and `typed` was asked for."""
    return Story("0-3", **options).offers("good", "typed").ready("good").booting("typed")


def lost(story: Story, why: str, *, final: bool = False, at: float = 4.0) -> Story:
    """The newest node is given up."""
    number = len(story.machine.nodes) - 1
    return story.tell(ev.NodeLost(T0 + at, number, why, final), ev.NodeDeleted(T0 + at, number, ""))


def hello(story: Story, **facts: Any) -> Story:
    number = len(story.machine.nodes) - 1
    return story.tell(ev.NodeGreeted(T0 + 3, number, 2, {"hostname": "its-own-name", **facts}))  # type: ignore[typeddict-item]


def crowded() -> Story:
    story = Story("0-7")
    story.tell(ev.OffersListed(T0, [Offer("typed", most_slots=8).to_json()])).booting("typed")
    return hello(story, cpus=2)


def tired() -> Story:
    story = two()
    for turn in range(GIVE_UP_AFTER):
        if turn:
            story.booting("typed", at=30 * turn)
        lost(story, SELDOM, at=30 * turn + 5)
    return story


STORIES: Final[dict[Kind, tuple[Callable[[], Story], str]]] = {
    Kind.TRYING: (lambda: lost(two(), f"typed: {SELDOM}"), SELDOM),
    Kind.LEFT_OUT: (lambda: lost(two(), "typed: host key not known", final=True), "host key"),
    Kind.USED_ONCE: (
        lambda: lost(two(), f"typed: {TWIN}good; it is used once", final=True),
        "the same computer as good",
    ),
    Kind.SILENT: (
        lambda: hello(two()).tell(ev.NodeSilent(T0 + 5, 1, "it hung up")), "it hung up"
    ),
    Kind.NO_LIMIT: (
        lambda: hello(two(memory=1 << 30), limits={"memory": False}), "does not enforce --memory"
    ),
    Kind.REMAINS: (
        lambda: hello(two()).tell(
            ev.NodeLost(T0 + 5, 1, "gone", True),
            ev.NodeDeleted(T0 + 6, 1, "x.1 may still be there"),
        ),
        "x.1 may still be there",
    ),
    Kind.WAITING: (lambda: two(wait_for_ready=True), "1 of 2 nodes are ready"),
    Kind.FEWER: (crowded, "2 CPUs"),
    Kind.BLOCKED: (
        lambda: hello(two()).tell(
            ev.Noted(T0 + 5, "typed: the log cannot be written (No space left)", True, 1)
        ),
        "No space left",
    ),
    Kind.PROVIDER: (lambda: Story().tell(ev.OffersFailed(T0 + 1, "no quota", T0 + 9)), "no quota"),
}  # fmt: skip
"""By kind, a job of which it is true, and part of the reason. The node was typed as `typed`."""

LOOKS: Final = (
    ("status", JOB),
    ("explain", JOB),
    ("status", JOB, "--format", "json"),
    ("explain", JOB, "--format", "json"),
    ("nodes", JOB),
)
"""Commands that show a job."""


def name_of(kind: Kind) -> str:
    return "local" if kind is Kind.PROVIDER else "typed"


def test_every_kind_has_a_story() -> None:
    assert {*STORIES, Kind.UNATTENDED} == set(Kind)


@pytest.mark.parametrize("kind", STORIES)
def test_a_story_tells_its_kind_with_name_and_reason(kind: Kind) -> None:
    make, reason = STORIES[kind]

    (found,) = [one for one in concerns(make().machine) if one.kind == kind]

    assert found.name == name_of(kind)
    assert found.name in found.text
    assert reason in found.text


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
@pytest.mark.parametrize("kind", STORIES)
def test_every_look_at_a_job_shows_it(
    terminal: Terminal, kind: Kind, words: tuple[str, ...]
) -> None:
    make, reason = STORIES[kind]
    terminal.keep(make())

    seen = terminal.type(*words)

    if words[0] == "nodes" and kind is Kind.PROVIDER:
        assert "explain" in seen.err, "there are no nodes yet, and it says where to look"
        return
    assert name_of(kind) in seen.out
    assert reason in seen.out


@pytest.mark.parametrize("kind", STORIES)
def test_the_document_of_status_has_it_in_fields(terminal: Terminal, kind: Kind) -> None:
    make, reason = STORIES[kind]
    terminal.keep(make())

    rows = json.loads(terminal.type("status", JOB, "--format", "json").out)["concerns"]

    (row,) = [row for row in rows if row["kind"] == kind]
    assert row["name"] == name_of(kind)
    assert reason in row["text"]
    assert set(row) == {"kind", "name", "why", "text", "since", "times"}


@pytest.mark.parametrize("kind", STORIES)
def test_who_waits_is_told_once_as_it_happens_and_again_at_the_end(kind: Kind) -> None:
    make, reason = STORIES[kind]
    view = job_view(make().machine, NOW)
    told: list[str] = []
    teller = Teller(told.append, job_view(Story("0-3").machine, NOW))

    teller.look(view)
    teller.look(view)

    mine = [line for line in told if reason in line]
    end = any(reason in line for line in ending_lines(view))
    if kind is Kind.FEWER:  # run has said it before there was a job
        assert (mine, end) == ([], False)
        return
    assert len(mine) == 1
    assert name_of(kind) in mine[0]
    assert end


def out_of_reach() -> Story:
    """A job that was lost, because its only host cannot be reached."""
    story = lost(Story("0-2").offers("typed").booting("typed"), f"typed: {SELDOM}", final=True)
    story.tell(*story.machine.decide(T0 + 5))
    assert story.machine.running_job.why == f"no node was available (typed: {SELDOM})"
    return story.close()


@pytest.mark.parametrize("words", [("status", JOB), ("explain", JOB), ("wait", JOB)], ids=" ".join)
def test_the_reason_of_a_lost_job_is_told_once(terminal: Terminal, words: tuple[str, ...]) -> None:
    terminal.keep(out_of_reach())

    seen = terminal.type(*words)

    assert (seen.out + seen.err).count(SELDOM) == 1
    assert "typed" in seen.out + seen.err


def test_hosts_that_cannot_be_reached_for_one_reason_are_told_together() -> None:
    names = [f"host{number}" for number in range(5)]
    story = Story("0-2").offers(*names)
    for number, name in enumerate(names):
        lost(story.booting(name), f"{name}: {SELDOM}", final=True, at=number)
    story.tell(*story.machine.decide(T0 + 9))

    assert story.machine.running_job.why == (
        f"no node was available (host0, host1, host2 and 2 more: {SELDOM})"
    )


@pytest.mark.parametrize(
    "words", [("status", JOB), ("list",), ("explain", JOB), ("explain", f"{JOB}/0")], ids=" ".join
)
def test_a_job_that_nobody_runs_is_shown_as_such(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    terminal.keep(two())

    shown = terminal.type(*words).out

    assert "unattended" in shown or "No process runs it" in shown


def test_documents_say_that_nobody_runs_it(terminal: Terminal) -> None:
    terminal.keep(two())

    (row,) = json.loads(terminal.type("list", "--format", "json").out)
    view = json.loads(terminal.type("status", JOB, "--format", "json").out)

    assert row["attended"] is view["attended"] is False
    assert view["concerns"][0]["kind"] == "unattended"


def test_a_job_that_somebody_runs_is_not_unattended() -> None:
    view = job_view(two().machine, NOW, attended=True)

    assert view.standing == "running"
    assert not view.concerns


def test_the_first_tries_are_shown_while_they_are_made() -> None:
    view = job_view(two().machine, NOW, reaching={1: [2, T0 + 2, f"typed: {SELDOM}"]})

    (found,) = view.concerns
    assert found.text == f"typed cannot be reached: {SELDOM}"
    assert found.often(NOW) == "tried 2 times in 18s"
    assert view.nodes[1].why == f"{SELDOM}, tried 2 times"
    assert f"Node typed cannot be reached: {SELDOM}; tried 2 times in 18s." in why_job(
        two().machine, NOW, known=view.concerns
    )


def test_a_node_that_answers_at_last_is_no_concern() -> None:
    story = lost(two(), SELDOM).booting("typed", at=9)

    assert not concerns(hello(story).machine)


def test_a_host_that_is_given_up_says_how_often_it_was_tried() -> None:
    (found,) = concerns(tired().machine)

    assert (found.kind, found.times) == (Kind.LEFT_OUT, GIVE_UP_AFTER)


def test_many_hosts_alike_are_told_shortly_and_all_named_at_the_end() -> None:
    names = [f"h{number}" for number in range(MOST_TOLD + 5)]
    story = Story("0-99").offers("good", *names).ready("good")
    for name in names:
        lost(story.booting(name), f"{name}: refused", final=True)
    view: JobView = job_view(story.machine, NOW)
    told: list[str] = []

    Teller(told.append, view).look(view)

    assert len(told) == MOST_TOLD + 1
    end = "\n".join(ending_lines(view))
    assert all(f"{name}" in end for name in names)
    assert len(end.splitlines()) < MOST_TOLD


def test_notes_are_told_as_they_come_but_not_those_of_before() -> None:
    story = two().tell(ev.Noted(T0 + 2, "old"))
    told: list[str] = []
    teller = Teller(told.append, job_view(story.machine, NOW))

    teller.look(job_view(story.tell(ev.Noted(T0 + 9, "its clock is behind")).machine, NOW))

    assert told == ["its clock is behind"]


def test_notes_that_say_the_same_are_told_once_and_shown_once_at_the_end() -> None:
    story, said = two(), "h1 was not used: cannot connect to port 22"
    told: list[str] = []
    teller = Teller(told.append, job_view(story.machine, NOW))

    for at in range(4):
        teller.look(job_view(story.tell(ev.Noted(T0 + 2 + at, said)).machine, NOW))

    assert told == [said]
    ended = ending_lines(job_view(story.machine, NOW))
    assert sum(said in line for line in ended) == 1


def test_the_end_and_status_say_what_to_do_about_a_missing_file(terminal: Terminal) -> None:
    words = "FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'"
    story = Story("0-1").offers("h1").ready().start(0, 1).end(0, 1, code=1, tail=words).close()
    terminal.keep(story)

    for said in (terminal.type("wait", JOB).err, terminal.type("status", JOB).out):
        assert said.count("    hint: The task looked for data.csv in its working folder") == 1
        assert said.count("To send it: --upload data.csv") == 1

"""What people are shown agrees with the machine, in the job's own task ids."""

from __future__ import annotations

import json
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core import events as ev
from batchio.core.arrays import parse_ids
from batchio.core.reports import Ended
from batchio.core.rows import failure_groups, signal_name, urgent_rows
from batchio.core.spec import SentFile
from batchio.core.table import task_rows
from batchio.core.views import command_text, event_view, job_summary, job_view
from batchio.errors import UsageError
from tests.core.stories import JOB, T0, Story, mixed, spec

NOW = T0 + 10


def test_the_view_of_a_running_job_says_where_everything_stands() -> None:
    view = job_view(mixed().machine, NOW)

    assert (view.id, view.name, view.state, view.outcome) == (JOB, "process.py", "running", "")
    assert view.command == "process.py '$BATCHIO_TASK_INPUT'"
    assert (view.submitted, view.started, view.finished) == (T0, T0 + 1, None)
    assert view.duration == 10.0
    assert (view.counts.total, view.counts.done, view.counts.running) == (6, 4, 1)
    assert (view.counts.succeeded, view.counts.failed, view.counts.bad) == (2, 2, 2)
    assert [(n.name, n.state, n.slots, n.running, n.ended) for n in view.nodes] == [
        ("laptop", "ready", 2, 1, 4)
    ]


def test_rows_bear_the_ids_of_the_array() -> None:
    rows = list(task_rows(mixed().machine, NOW))

    assert [row.id for row in rows] == [2, 4, 5, 6, 8, 9]
    assert [row.state for row in rows] == ["done"] * 4 + ["running", "pending"]
    assert [row.ending for row in rows] == ["0", "0", "3", "3", "", ""]


def test_rows_of_chosen_ids_come_in_the_order_asked_for() -> None:
    rows = list(task_rows(mixed().machine, NOW, [9, 2]))

    assert [row.id for row in rows] == [9, 2]


def test_an_unknown_id_is_an_error_that_names_the_job_s_tasks() -> None:
    with pytest.raises(UsageError, match="has no task 3"):
        list(task_rows(mixed().machine, NOW, [3]))


def test_a_running_task_counts_its_seconds_on() -> None:
    row = task_rows(mixed().machine, NOW, [8])[0]

    assert (row.started, row.stopped, row.duration) == (T0 + 2, None, 8.0)
    assert (row.exit_code, row.signal, row.memory, row.cpu) == (None, None, None, None)


def test_a_finished_task_tells_what_it_used() -> None:
    row = task_rows(mixed().machine, NOW, [5])[0]

    assert (row.outcome, row.exit_code, row.duration) == ("failed", 3, 3.0)
    assert (row.memory, row.cpu) == (4096, 0.5)
    assert row.last_words == "ValueError: bad row"
    assert row.node == "laptop"


def test_a_signal_is_named_and_is_no_exit_code() -> None:
    story = Story("0").offers("laptop").ready().start(0).end(0, code=-9, reason="oom")
    row = task_rows(story.machine, NOW)[0]

    assert (row.exit_code, row.signal, row.reason) == (None, "SIGKILL", "out of memory")
    assert row.ending == "SIGKILL"


def test_a_task_that_never_ran_has_no_exit_code() -> None:
    story = Story("0").tell(ev.CancelRequested(T0, None, "a typo"))
    row = task_rows(story.machine, NOW)[0]

    assert (row.outcome, row.exit_code, row.signal, row.reason) == (
        "cancelled",
        None,
        None,
        "a typo",
    )


def test_the_bad_ones_come_first_then_the_active() -> None:
    rows = urgent_rows(mixed().machine, NOW)

    assert [row.id for row in rows] == [5, 6, 8, 9, 2, 4]


def test_rows_of_a_million_tasks_are_made_one_by_one() -> None:
    story = Story("0-999999").offers("laptop").ready().start(999_998)
    first = next(urgent_rows(story.machine, NOW))

    assert first.id == 999_998
    assert [row.id for row in islice(task_rows(story.machine, NOW), 2)] == [0, 1]


def test_failures_that_look_alike_are_one_group_and_the_largest_is_first() -> None:
    story = Story("0-9").offers("laptop").ready().start(*range(10))
    story.end(1, code=1, tail="first").end(3, 7, 8, 9, code=1, tail="second")
    story.end(2, code=2, tail="second").end(0, 4, 5, 6)
    groups = failure_groups(story.machine)

    assert [(g.cause, g.last_words, g.count, g.ids) for g in groups] == [
        ("exit code 1", "second", 4, "3,7-9"),
        ("exit code 1", "first", 1, "1"),
        ("exit code 2", "second", 1, "2"),
    ]


def test_lost_tasks_are_a_group_without_an_exit_code() -> None:
    story = Story("0-1").tell(ev.TasksAbandoned(T0, "no node was available"))

    (group,) = failure_groups(story.machine)

    assert (group.outcome, group.exit_code, group.cause, group.ids) == (
        "lost",
        None,
        "no node was available",
        "0-1",
    )


def test_cancelled_tasks_are_no_failures() -> None:
    story = Story("0-1").tell(ev.CancelRequested(T0, None, ""))

    assert failure_groups(story.machine) == []


@given(st.lists(st.sampled_from([0, 1, 2, -9]), min_size=1, max_size=12))
def test_groups_hold_each_failed_task_once(codes: list[int]) -> None:
    story = Story(f"0-{len(codes)}").offers("laptop").ready().start(*range(len(codes)))
    for task, code in enumerate(codes):
        story.end(task, code=code)
    groups = failure_groups(story.machine)
    named = [task for group in groups for task in parse_ids(group.ids)]

    assert sorted(named) == [task for task, code in enumerate(codes) if code]
    assert sum(group.count for group in groups) == len(named)
    assert [g.count for g in groups] == sorted((g.count for g in groups), reverse=True)


def test_retries_are_counted_by_who_is_to_blame() -> None:
    story = Story("0-1", max_retries=3).offers("laptop").ready()
    story.start(0).end(0, code=1).requeue(0).start(0, 1, at=6).lose(at=7)
    story.requeue(0, 1, cause="infra")
    view = job_view(story.machine, NOW)

    assert (view.retries, view.infra_retries) == (1, 2)


def test_a_closed_job_has_an_outcome_and_its_clock_stands() -> None:
    story = Story("0").offers("laptop").ready().start(0).end(0).close(at=9)
    view = job_view(story.machine, T0 + 1000)

    assert (view.state, view.outcome, view.standing) == ("done", "succeeded", "succeeded")
    assert (view.finished, view.duration) == (T0 + 9, 9.0)


def test_json_is_plain_and_bears_its_version() -> None:
    view = job_view(mixed().machine, NOW)
    data = json.loads(json.dumps(view.to_json()))

    assert data["schema"] == 2
    assert data["counts"]["failed"] == 2
    assert data["nodes"][0]["name"] == "laptop"
    assert not [name for name in data if name.startswith("_")]
    assert data["id"] == json.loads(json.dumps(job_summary(mixed().machine, NOW).to_json()))["id"]


def test_a_command_is_shown_as_one_would_type_it() -> None:
    shell_script = spec(argv=("/bin/sh", "a.sh", "x y"), files=(SentFile("a.sh", 1, 0o644),))
    with_shebang = spec(argv=("./a.sh", ""), files=(SentFile("a.sh", 1, 0o755),))
    program = spec(argv=("sh", "a.sh"), files=(SentFile("a.sh", 1, 0o644),))
    line = spec(argv=("echo $A | wc",), shell=True, files=())

    shown = [command_text(each) for each in (shell_script, with_shebang, program, line)]

    assert shown == ["a.sh 'x y'", "a.sh ''", "sh a.sh", "echo $A | wc"]


def test_an_unknown_signal_is_a_number() -> None:
    assert [signal_name(15), signal_name(120)] == ["SIGTERM", "signal 120"]


def test_every_event_has_a_view_in_named_fields() -> None:
    started = ev.TasksStarted(T0, 0, [[1, 1, T0]])
    cancelled = ev.CancelRequested(T0, [2, 0], "enough")
    ids = parse_ids("2,4-6")

    assert event_view(started) == {
        "at": T0,
        "event": "tasks_started",
        "node": "0",
        "node_number": 0,
        "tasks": [{"task": 1, "attempt": 1, "started": T0}],
    }
    assert event_view(started, ids)["tasks"][0]["task"] == 4
    assert event_view(cancelled, ids)["tasks"] == [5, 2]
    assert event_view(ev.JobClosed(T0, "succeeded")) == {
        "at": T0,
        "event": "job_closed",
        "outcome": "succeeded",
    }


def test_the_columns_of_a_finished_task_are_those_of_the_agents_record() -> None:
    story = Story("7").offers("laptop").ready().start(0)
    record = Ended(0, 1, 3, "", T0, T0 + 1, 4096, 0.5, 0, 9, 0, 0, "bad row")
    event = ev.TasksFinished(T0, 0, 1, [record])
    story.tell(event)
    (told,) = event_view(event, parse_ids("7"))["tasks"]
    row = task_rows(story.machine, NOW)[0]

    assert (told["task"], told["exit_code"], told["last_words"]) == (7, 3, "bad row")
    assert (told["memory"], told["cpu"], told["stopped"]) == (row.memory, row.cpu, row.stopped)


def test_failures_on_one_computer_are_on_one_node_however_often_it_was_taken() -> None:
    story = Story("0").offers("laptop").ready().start(0).end(0, code=1).lose()
    story.ready().requeue(0).start(0, node=1).end(0, node=1, code=1)

    (group,) = failure_groups(story.machine)

    assert (group.attempts, group.nodes) == (2, ("laptop",))

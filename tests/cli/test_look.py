"""Commands that look show what the journal says, and change nothing."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core import events as ev
from batchio.core.lens import COLUMNS
from tests.cli.terminal import on_a_terminal
from tests.core.stories import JOB, T0, Story, mixed
from tests.making import make

if TYPE_CHECKING:
    from tests.cli.terminal import Terminal

OTHER = "2c4d5f6g8h"


def test_status_shows_counts_failures_and_every_task(terminal: Terminal) -> None:
    terminal.keep(mixed())

    seen = terminal.type("status", JOB)
    head, groups, table = seen.out.split("\n\n")

    assert (seen.code, seen.err) == (0, "")
    assert head.splitlines()[:6] == [
        f"job        {JOB}  unattended",
        "verdict    No process runs it",
        f"           batchio recover {JOB}",
        "name       process.py",
        "command    process.py '$BATCHIO_TASK_INPUT'",
        "tasks      6: 2 succeeded, 2 failed, 1 running, 1 pending",
    ]
    assert groups == (
        "2 tasks failed, exit code 3: 5-6\n    ValueError: bad row\n"
        "    at 2023-11-14 22:13:25, all on laptop"
    )
    rows = [line.split() for line in table.splitlines()]
    assert [row[:2] for row in rows[1:]] == [
        ["2", "succeeded"],
        ["4", "succeeded"],
        ["5", "failed"],
        ["6", "failed"],
        ["8", "running"],
        ["9", "pending"],
    ]
    assert rows[3][-3:] == ["ValueError:", "bad", "row"]


def test_status_says_when_nobody_runs_the_job(terminal: Terminal) -> None:
    terminal.keep(mixed())

    seen = terminal.type("status")

    assert f"verdict    No process runs it\n           batchio recover {JOB}\n" in seen.out
    assert "attention" not in seen.out


def test_status_of_a_large_job_shows_the_bad_and_the_busy_first(terminal: Terminal) -> None:
    story = Story("0-999").offers("laptop").ready().start(700, 701)
    story.end(701, code=2)
    terminal.keep(story)

    shown = terminal.type("status", JOB).out
    rows = shown.split("\n\n")[-1].splitlines()

    assert [row.split()[0] for row in rows[1:4]] == ["701", "700", "0"]
    assert len(rows) == 1 + 50 + 1
    assert rows[-1] == "50 of 1000 tasks, failed and running ones first; --all shows all of them"
    assert len(terminal.type("status", JOB, "--all").out.splitlines()) > 1000
    assert len(terminal.type("status", JOB, "--limit", "3").out.split("\n\n")[-1].split("\n")) == 6


@pytest.mark.parametrize("key", COLUMNS)
def test_every_column_sorts_both_ways_and_unknown_values_stand_last(
    terminal: Terminal, key: str
) -> None:
    terminal.keep(mixed().tell(ev.NodeSilent(T0 + 8, 0, "")).lose(at=9))

    def sorted_by(order: str) -> list[Any]:
        out = terminal.type("status", JOB, "--format", "jsonl", "--sort", order).out
        values = [json.loads(line)[key] for line in out.splitlines()]
        return [None if value == "" else value for value in values]

    up, down = sorted_by(key), sorted_by(f"-{key}")
    known = [value for value in up if value is not None]

    assert up == [*sorted(known), *[None] * (6 - len(known))]
    assert down == [*reversed(known), *[None] * (6 - len(known))]


def test_an_unknown_column_gets_a_suggestion(terminal: Terminal) -> None:
    terminal.keep(mixed())

    seen = terminal.type("status", JOB, "--sort", "exit-cod")

    assert seen.code == 2
    assert seen.err == (
        'error: --sort: tasks have no column "exit_cod"\nhint: did you mean exit_code?\n'
    )


def test_status_is_json_when_asked(terminal: Terminal) -> None:
    terminal.keep(mixed())

    data = json.loads(terminal.type("status", JOB, "--format", "json").out)

    assert (data["schema"], data["id"], data["counts"]["failed"]) == (2, JOB, 2)
    assert data["failures"][0]["ids"] == "5-6"
    assert [task["id"] for task in data["tasks"]] == [2, 4, 5, 6, 8, 9]


def test_control_characters_and_markup_in_a_command_are_only_text(terminal: Terminal) -> None:
    story = Story("0", argv=("echo", "[red]\x1b[31m\n[/nope]"), files=())
    terminal.keep(story)

    shown = terminal.type("status", JOB).out
    listed = terminal.type("list").out

    assert "command    echo '[red]\\x1b[31m\\n[/nope]'\n" in shown
    assert "echo '[red]\\x1b[31m\\n[/nope]'" in listed
    assert "\x1b" not in shown + listed


def test_list_is_the_table_of_the_docs_page_newest_first(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    terminal.keep(mixed())
    terminal.keep(Story("0", OTHER).offers("laptop").ready().start(0).end(0).close())

    lines = terminal.type("list").out.splitlines()

    assert " ".join(lines[0].split()) == (
        "ID Name State Tasks Done Submitted (UTC) Finished (UTC) Approx Cloud Cost Tags Command"
    )
    assert lines[1].split()[:6] == [OTHER, "process.py", "succeeded", "1", "/", "1"]
    assert "2023-11-14 22:13:20  2023-11-14 22:13:29" in lines[1]
    assert lines[2].split()[:8] == [JOB, "process.py", "unattended", "2", "+", "2", "/", "6"]
    assert lines[2].endswith("-        process.py '$BATCHIO_TASK_INPUT'")


def test_list_is_an_array_or_lines_of_json(terminal: Terminal) -> None:
    terminal.keep(mixed())
    terminal.keep(mixed(OTHER))

    array = json.loads(terminal.type("list", "--format", "json").out)
    lines = [
        json.loads(line) for line in terminal.type("list", "--format", "jsonl").out.splitlines()
    ]

    assert [job["id"] for job in array] == [OTHER, JOB] == [job["id"] for job in lines]
    assert len(json.loads(terminal.type("list", "--format", "json", "--limit", "1").out)) == 1


def test_list_shows_only_jobs_that_are_asked_for(terminal: Terminal) -> None:
    tagged = Story("0", OTHER, name="train-1", tags={"team": "a", "kind": "x"})
    terminal.keep(tagged.offers("laptop").ready().start(0).end(0).close())
    terminal.keep(mixed())

    def listed(*words: str) -> list[str]:
        out = terminal.type("list", "--format", "jsonl", *words).out
        return [json.loads(line)["id"] for line in out.splitlines()]

    assert listed("--state", "succeeded") == [OTHER] == listed("--state", "done")
    assert listed("--state", "running", "--state", "succeeded") == [OTHER, JOB]
    assert listed("--state", "unattended") == [JOB]
    assert listed("--tag", "team=a") == [OTHER] == listed("-t", "team", "--tag", "kind=x")
    assert listed("--tag", "team=b") == [] == listed("--tag", "team=a", "--tag", "kind=y")
    assert listed("--name", "train*") == [OTHER]
    assert listed("--name", "train*", "--state", "running") == []
    assert listed("--state", "running", "--limit", "1") == [JOB]
    assert terminal.type("list", "--name", "no").err == "no job matches\n"
    assert "kind=x team=a" in terminal.type("list").out
    assert terminal.type("list", "--state", "runing").code == 2


def test_a_narrow_terminal_says_which_columns_it_has_no_room_for(terminal: Terminal) -> None:
    terminal.keep(mixed())

    shown = on_a_terminal(terminal, {"COLUMNS": "70"}, "list")

    assert "Approx" not in shown.split("hint:")[0]
    assert "this terminal is too narrow for" in shown
    assert "Approx Cloud Cost" in shown.split("hint:")[1]
    assert "too narrow" not in on_a_terminal(terminal, {"COLUMNS": "200"}, "list")


def test_inputs_are_shown_beside_their_tasks_and_explained(terminal: Terminal) -> None:
    job = terminal.type("run", "--map-over-values", "a b,c", "--", "false").out.strip()
    terminal.type("wait", job)

    rows = terminal.type("status", job, "--inputs").out.splitlines()
    [one, two] = terminal.type("status", job, "--inputs", "--format", "jsonl").out.splitlines()
    whole = json.loads(terminal.type("status", job, "--inputs", "--format", "json").out)

    assert "Input" in "".join(rows)
    assert [row for row in rows if row.split()[:4] == ["0", "failed", "a", "b"]]
    assert (json.loads(one)["input"], json.loads(two)["input"]) == ("a b", "c")
    assert [task["input"] for task in whole["tasks"]] == ["a b", "c"]
    assert "Its input is 'a b'.\n" in terminal.type("explain", f"{job}/0").out
    assert "input" not in terminal.type("status", job, "--format", "jsonl").out


def test_a_job_that_maps_over_nothing_has_no_inputs(terminal: Terminal) -> None:
    terminal.keep(mixed(OTHER))
    terminal.keep(Story("0", JOB).offers("laptop").ready().start(0).end(0).close())

    [line] = terminal.type("status", JOB, "--inputs", "--format", "jsonl").out.splitlines()

    assert json.loads(line)["input"] is None
    assert "Its input" not in terminal.type("explain", f"{JOB}/0").out


def test_an_empty_workspace_is_no_error_and_its_json_is_empty(terminal: Terminal) -> None:
    assert terminal.type("list") == (0, "", "no jobs yet; start one: batchio run SCRIPT\n")
    assert terminal.type("list", "--format", "json") == (0, "[]\n", "")


def test_without_a_job_status_needs_one_to_exist(terminal: Terminal) -> None:
    assert terminal.type("status") == (
        2,
        "",
        "error: there are no jobs yet\nhint: start one: batchio run SCRIPT\n",
    )


def test_a_job_is_found_by_a_beginning_of_its_id_or_its_name(terminal: Terminal) -> None:
    terminal.keep(mixed())

    for name in (JOB[:3], "process.py"):
        assert JOB in terminal.type("status", name).out


def test_an_ambiguous_beginning_lists_what_it_could_be(terminal: Terminal) -> None:
    terminal.keep(mixed())
    terminal.keep(mixed(OTHER))

    seen = terminal.type("status", "2c4d")

    assert seen.code == 2
    assert seen.err == (
        f'error: 2 jobs start with "2c4d"\nhint: {OTHER} process.py, {JOB} process.py\n'
    )


def test_an_unknown_job_is_a_usage_error(terminal: Terminal) -> None:
    terminal.keep(mixed())

    assert terminal.type("status", "nothere") == (
        2,
        "",
        'error: no job has the id or name "nothere"\nhint: see: batchio list\n',
    )


def test_explain_speaks_about_a_job_or_a_task(terminal: Terminal) -> None:
    terminal.keep(mixed())

    unled = f"No process runs it; to continue it: batchio recover {JOB}"
    about_task = terminal.type("explain", f"{JOB}/5")
    about_job = terminal.type("explain", "--format", "json")

    assert about_task.out.startswith("Task 5 failed with exit code 3 after 3s on node laptop.\n")
    assert about_task.out.endswith(f"{unled}\n")
    assert json.loads(about_job.out)["why"][0].startswith("The job runs: 4 of 6 tasks are done")
    assert terminal.type("explain", f"{JOB}/x").code == 2
    assert terminal.type("explain", f"{JOB}/3") == (
        2,
        "",
        f"error: job {JOB} has no task 3\nhint: its tasks are 2,4-6,8-9\n",
    )


def test_nodes_shows_each_with_what_it_does(terminal: Terminal) -> None:
    terminal.keep(mixed())

    row = terminal.type("nodes", JOB).out.splitlines()[1]
    data = json.loads(terminal.type("nodes", "--format", "json").out)

    assert row.split() == ["0", "laptop", "ready", "2", "1", "0", "4", "127.0.0.1", "2", "8", "GiB"]
    assert data[0]["name"] == "laptop"


def test_a_workspace_can_be_typed_or_set_in_a_project_file(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.keep(mixed())
    monkeypatch.delenv("BATCHIO_WORKSPACE")
    monkeypatch.setenv("XDG_DATA_HOME", str(terminal.folder / "none"))

    assert terminal.type("status", JOB).code == 2
    assert terminal.type("status", JOB, "--workspace", "ws").code == 0
    (terminal.folder / "batchio.toml").write_text('workspace = "ws"\n')
    assert terminal.type("status", JOB).code == 0


def test_a_corrupt_journal_is_named(terminal: Terminal) -> None:
    terminal.keep(mixed())
    path = terminal.workspace.job(JOB).folder / "journal.sqlite"
    path.write_bytes(os.urandom(4096))

    seen = terminal.type("status", JOB)

    assert seen.code == 3
    assert str(path) in seen.err
    assert seen.err.startswith("error: ")
    assert "Traceback" not in seen.err


def test_a_damaged_job_hides_no_other_in_a_list(terminal: Terminal) -> None:
    terminal.keep(mixed())
    broken = make(terminal.workspace, "2b7l9lhbbb", [])
    path = terminal.workspace.job(broken).folder / "journal.sqlite"
    path.write_bytes(os.urandom(4096))

    seen = terminal.type("list")
    _, second, first = seen.out.splitlines()

    assert (seen.code, seen.err) == (0, "")
    assert first.split()[:2] == [broken, "unreadable"]
    assert f"the journal {path} is damaged: " in first
    assert second.split()[:3] == [JOB, "process.py", "unattended"]


def test_a_cancelled_job_shows_why(terminal: Terminal) -> None:
    story = Story("0-1").tell(ev.CancelRequested(T0, None, "a typo")).close()
    terminal.keep(story)

    assert "verdict    It was cancelled: a typo\n" in terminal.type("status", JOB).out


def test_a_task_to_explain_may_be_an_option(terminal: Terminal) -> None:
    terminal.keep(mixed())

    assert terminal.type("explain", JOB, "--task", "5") == terminal.type("explain", f"{JOB}/5")
    assert "names another task" in terminal.type("explain", f"{JOB}/5", "--task", "4").err


def test_a_job_can_be_shown_without_its_tasks(terminal: Terminal) -> None:
    terminal.keep(mixed())

    whole = json.loads(terminal.type("status", JOB, "--format", "json").out)
    for form in ("json", "jsonl"):
        alone = json.loads(terminal.type("status", JOB, "--no-tasks", "--format", form).out)
        assert {**alone, "tasks": whole["tasks"]}.keys() == whole.keys()
    assert "Exit Code" not in terminal.type("status", JOB, "--no-tasks").out
    seen = terminal.type("status", JOB, "--no-tasks", "--all")
    assert (seen.code, "--no-tasks leaves out" in seen.err) == (2, True)


def test_a_list_names_the_time_zone(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.keep(mixed())
    monkeypatch.setenv("COLUMNS", "200")

    assert "Submitted (UTC)" in terminal.type("list").out


def test_logs_of_a_silent_job_say_so_to_a_person(terminal: Terminal) -> None:
    terminal.type("run", "--wait", "true")

    assert "has printed nothing" in on_a_terminal(terminal, {}, "logs")
    assert "has printed no such line" in on_a_terminal(terminal, {}, "logs", "--filter", "x")
    assert terminal.type("logs") == (0, "", "")


def test_a_filter_chooses_the_tasks_that_status_shows(terminal: Terminal) -> None:
    terminal.keep(mixed())

    seen = terminal.type("status", JOB, "--filter", 'failed "bad row"').out
    rows = terminal.type("status", JOB, "--filter", "!id:5-9", "--format", "jsonl").out
    wrong = terminal.type("status", JOB, "--filter", "exit:often")

    assert [line.split()[0] for line in seen.splitlines()[-3:]] == ["5", "6", "2"]
    assert seen.endswith("2 of 6 tasks fit --filter\n")
    assert [json.loads(row)["id"] for row in rows.splitlines()] == [2, 4]
    assert wrong.code == 2
    assert 'error: --filter: "exit:often": "often" is neither an exit code' in wrong.err

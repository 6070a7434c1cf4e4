"""What verbs return to a program: values that can be compared, kept, counted, shown and pickled."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import batchio
import batchio.sync

if TYPE_CHECKING:
    from pathlib import Path

NASTY = "<script>alert(1)</script>"


@dataclass
class Ended:
    job: batchio.sync.Job
    result: batchio.Result
    error: batchio.JobFailed
    place: str


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A job of the ids 2, 4, 5, 6, of which only 5 succeeds."""
    place = str(tmp_path_factory.mktemp("ws"))
    command = f'[ $BATCHIO_TASK_ID = 4 ] && exit 3; echo out $BATCHIO_TASK_ID; echo "{NASTY}" >&2'
    command += "; [ $BATCHIO_TASK_ID = 5 ]"
    job = batchio.sync.run(command, array="2,4-6", name="mixed", workspace=place)
    with pytest.raises(batchio.JobFailed) as failed:
        job.wait(check=True, timeout=60)
    return Ended(job, failed.value.result, failed.value, place)


def test_an_error_says_what_failed_and_has_the_job_its_result_and_the_ids(ended: Ended) -> None:
    assert ended.error.failed == ended.result.failed == (2, 4, 6)
    assert ended.error.job is ended.job
    assert str(ended.error).startswith(f"job {ended.job.id} (mixed) failed: 3 of 4 tasks; ")
    assert f"exit code 1: {NASTY} (tasks 2,6); and 1 more" in str(ended.error)
    assert ended.error.hint == "job.explain()"


def test_the_tasks_of_a_result_are_a_sequence(ended: Ended) -> None:
    tasks = ended.result.tasks

    assert len(tasks) == 4
    assert [task.id for task in tasks] == [2, 4, 5, 6]
    assert tasks[-1] == ended.result.task(6) == ended.result.job.task(6)
    assert [task.id for task in tasks[1:3]] == [4, 5]
    assert tasks == ended.result.tasks
    assert tasks[0] in tasks
    assert tasks[:1] != tasks[1:2]
    assert len({*tasks, *ended.result.tasks}) == 4
    with pytest.raises(IndexError):
        tasks[4]
    with pytest.raises(batchio.UsageError, match="has no task 3"):
        ended.result.task(3)


def test_a_result_is_the_json_of_status(ended: Ended) -> None:
    said = json.loads(json.dumps(ended.result.to_json()))

    assert [task["id"] for task in said["tasks"]] == [2, 4, 5, 6]
    assert (said["id"], said["outcome"], said["schema"]) == (
        ended.job.id, "failed", batchio.sync.status(workspace=ended.place).to_json()["schema"],
    )  # fmt: skip
    assert said["failures"][0]["count"] >= 1


def test_times_are_also_dates(ended: Ended) -> None:
    task, job = ended.result.tasks[0], ended.result.job

    assert task.started is not None
    assert task.started_at == datetime.fromtimestamp(task.started, UTC)
    assert task.stopped_at is not None
    assert job.submitted_at <= task.started_at <= task.stopped_at
    assert job.finished_at is not None
    [attempt] = ended.job.attempts(2)
    assert (attempt.started_at, attempt.stopped_at) == (task.started_at, task.stopped_at)


def test_what_a_task_printed_is_one_text(ended: Ended) -> None:
    assert ended.job.stdout(5) == "out 5\n"
    assert ended.job.stderr(5) == f"{NASTY}\n"
    assert ended.job.stdout(4) == ""
    with pytest.raises(batchio.UsageError, match="has no task 9"):
        ended.job.stdout(9)


@pytest.mark.parametrize("follow", [True, False])
def test_a_stream_that_no_task_has_is_refused(ended: Ended, *, follow: bool) -> None:
    with pytest.raises(batchio.UsageError, match='tasks have no stream "out"'):
        list(ended.job.logs(stream="out", follow=follow))  # type: ignore[arg-type]


def test_a_retried_task_has_its_attempts_and_the_text_of_the_last(tmp_path: Path) -> None:
    job = batchio.sync.run(
        "echo attempt $BATCHIO_ATTEMPT; exit $((2 - BATCHIO_ATTEMPT))",
        max_retries=1, workspace=str(tmp_path),
    )  # fmt: skip
    job.wait(timeout=60, check=True)

    assert [attempt.exit_code for attempt in job.attempts(0)] == [1, 0]
    assert job.stdout(0) == "attempt 2\n"


def test_jobs_are_the_same_by_id_and_workspace(ended: Ended, tmp_path: Path) -> None:
    same = batchio.sync.open_job(ended.job.id, workspace=ended.place)
    other = batchio.sync.run("true", workspace=str(tmp_path))

    assert same == ended.job
    assert len({same, ended.job, other}) == 2
    assert same != other
    assert ended.job._job == same._job != ended.job


def test_what_is_shown_is_one_line_with_name_and_state(ended: Ended) -> None:
    result = ended.result
    shown: list[Any] = [ended.job, result, result.job, result.tasks]
    shown += batchio.sync.list_jobs(ended.place)

    for thing in shown:
        assert "\n" not in repr(thing)
        assert len(repr(thing)) < 100
        assert f"{ended.job.id} mixed: " in repr(thing)
    assert "failed, 4 of 4 done" in repr(ended.job)


def test_a_name_of_two_lines_is_shown_in_one(tmp_path: Path) -> None:
    job = batchio.sync.run("exit 3", name="two\n lines", workspace=str(tmp_path))
    with pytest.raises(batchio.JobFailed, match=r"\(two lines\) failed") as failed:
        job.wait(check=True, timeout=60)
    for thing in (job, failed.value.result, failed.value.result.job, failed.value.result.tasks):
        assert f"{job.id} two lines: " in repr(thing)


def test_a_job_that_was_removed_can_still_be_shown(tmp_path: Path) -> None:
    job = batchio.sync.run("true", workspace=str(tmp_path))
    job.wait(timeout=60)
    batchio.sync.remove(job.id, workspace=str(tmp_path))

    assert repr(job) == f"<Job {job.id}>"


def test_notebooks_show_tables_in_which_every_text_is_escaped(ended: Ended) -> None:
    for thing in (ended.job, ended.result, ended.result.job, ended.result.tasks):
        shown = thing._repr_html_()
        assert ended.job.id in shown or "<table>" in shown
        assert NASTY not in shown
    assert "&lt;script&gt;" in ended.result._repr_html_() + ended.result.tasks._repr_html_()


def test_long_tables_say_how_much_they_leave_out(tmp_path: Path) -> None:
    job = batchio.sync.run("true", ntasks=25, workspace=str(tmp_path))
    shown = job.wait(timeout=60).tasks._repr_html_()

    assert shown.count("<tr>") == 1 + 20
    assert "and 5 more" in shown


def test_results_and_errors_travel_between_processes(ended: Ended) -> None:
    result, error = pickle.loads(pickle.dumps((ended.result, ended.error)))

    assert result.tasks == ended.result.tasks
    assert result == ended.result
    assert hash(result.job) == hash(ended.result.job)
    assert (str(error), error.hint, error.failed) == (
        str(ended.error), ended.error.hint, ended.error.failed,
    )  # fmt: skip
    assert error.job == ended.job


def test_a_wait_that_is_over_says_so(tmp_path: Path) -> None:
    job = batchio.sync.run("sleep 60", workspace=str(tmp_path))
    with pytest.raises(TimeoutError, match=f"job {job.id} goes on"):
        job.wait(timeout=0)
    job.cancel()
    assert job.wait(timeout=60).outcome == "cancelled"

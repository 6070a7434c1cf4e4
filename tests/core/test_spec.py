"""The job as data: built from options, and the same after a journey through JSON."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core.arrays import TaskIds, parse_ids
from batchio.core.spec import JobSpec, SentFile
from batchio.errors import BatchioError, UsageError
from batchio.options.command import FileFact, plan_text, plan_words
from batchio.options.layers import typed_layer
from batchio.options.resolve import resolve
from batchio.options.table import OPTIONS
from batchio.options.to_spec import ResolvedJob, build

if TYPE_CHECKING:
    from batchio.options.schema import Option


def look(path: str) -> FileFact:
    return FileFact(path, exists=path == "work.py", size=7)


def built(typed: dict[str, Any] | None = None, text: str = "", **more: Any) -> JobSpec:
    """The spec of what was typed; `more` are arguments of ResolvedJob and of build."""
    effective = resolve([typed_layer(typed or {})], {})
    command = plan_text(text, look) if text else plan_words(["work.py", "x"], look)
    resolved = {item.name: more.pop(item.name) for item in fields(ResolvedJob) if item.name in more}
    files = [SentFile(file.path, file.size, file.mode) for file in command.files]
    whole = ResolvedJob(command=command, effective=effective, **{"provider": "local", **resolved})
    return build(whole, folder="/home/me", files=files, **more)


FULL: dict[str, Any] = {
    "name": "night",
    "array": "0-10:2,20%3",
    "max-workers": "-1",
    "cpu": "2-4",
    "memory": "16GB-32GB",
    "gpu": True,
    "env": ["A=1", "K=plain"],
    "secret-env": ["K=hunter2"],
    "tag": ["team=x"],
    "job-timeout": "1 hour",
    "task-timeout": "90s",
    "max-retries": "2",
    "retry-on": "1,130-140",
    "download": "out",
    "hosts": ["a,b"],
    "scheduler-task-array": "0",
    "task-on-scheduler": True,
    "wait-for-ready-cluster": True,
}


SECRETS = {"FILE_KEY": "hunter3", "K": "hunter2"}


def test_nothing_said_is_one_task_on_this_computer() -> None:
    spec = built()
    assert (
        spec.provider,
        spec.argv,
        spec.name,
    ) == ("local", ("{python}", "work.py", "x"), "work.py")
    assert TaskIds.count(1) == spec.tasks
    assert (SentFile("work.py", 7, 0o644),) == spec.files
    assert (
        spec.max_workers,
        spec.memory,
        spec.collect,
        spec.max_retries,
        spec.grace,
        spec.max_infra_retries,
    ) == (None, None, None, 0, 10.0, 5)


def test_every_option_arrives_in_its_field() -> None:
    spec = built(FULL, secrets=SECRETS, hosts=("a", "b"), bundle="abc", host_setup="apt\n")
    assert spec.name == "night"
    assert (parse_ids("0-10:2,20"), 3) == (spec.tasks, spec.at_once)
    assert TaskIds.of([0]) == spec.scheduler_tasks
    assert (
        spec.cpu,
        spec.cpu_max,
        spec.memory,
        spec.memory_max,
    ) == (2.0, 4.0, 16 * 10**9, 32 * 10**9)
    assert (
        spec.max_workers,
        spec.gpu,
        spec.wait_for_ready,
        spec.task_on_scheduler,
    ) == (-1, 1, True, True)
    assert (spec.job_timeout, spec.task_timeout, spec.max_retries) == (3600.0, 90.0, 2)
    assert spec.retry_on == ((1, 1), (130, 140))
    assert spec.collect == "/home/me/out"
    assert (spec.hosts, spec.tags) == (("a", "b"), {"team": "x"})
    assert (spec.bundle, spec.host_setup) == ("abc", "apt\n")


def test_a_secret_is_a_name_and_nothing_more() -> None:
    spec = built(FULL, secrets=SECRETS)
    assert spec.secret_names == ("FILE_KEY", "K")
    assert spec.env == {"A": "1"}
    assert "hunter2" not in json.dumps(spec.to_json())


@pytest.mark.parametrize("typed", [{}, FULL])
def test_a_spec_survives_json(typed: dict[str, Any]) -> None:
    spec = built(typed)
    assert spec == JobSpec.from_json(json.loads(json.dumps(spec.to_json())))


def test_a_spec_of_a_million_tasks_is_small() -> None:
    spec = built(count=1_000_000, inputs="values")
    assert len(spec.tasks) == 1_000_000
    assert len(json.dumps(spec.to_json())) < 5_000


@pytest.mark.parametrize("change", [{"version": 2}, {"new-field": 1}, {"version": None}])
def test_a_spec_of_another_version_is_refused(change: dict[str, Any]) -> None:
    data = {**built().to_json(), **change}
    with pytest.raises(BatchioError, match="this job was written in format"):
        JobSpec.from_json(data)


def test_every_field_is_written() -> None:
    names = {item.name for item in fields(JobSpec)}
    assert names | {"version"} == built().to_json().keys()


def test_a_map_without_inputs_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        built({"map-over-file": "inputs.txt"}, count=0, inputs="values")
    assert str(refused.value) == "map-over-file: no values given"


def test_a_map_has_a_task_for_each_input() -> None:
    spec = built({"map-over-file": "x", "map-over-input-var": "F"}, count=3, inputs="values")
    assert (TaskIds.count(3), "values", "F") == (spec.tasks, spec.inputs, spec.input_var)


def test_the_head_cannot_run_a_task_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="the job has no task 0"):
        built({"array": "1-3", "scheduler-task-array": "0-1"})


def test_a_variables_file_and_hosts_file_are_taken_in() -> None:
    spec = built({"env": ["A=1"]}, env_file={"A": "file", "B": "2"}, hosts=("h1",))
    assert (spec.env, spec.hosts) == ({"A": "1", "B": "2"}, ("h1",))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("echo hi | wc", "echo"),
        ("#!/bin/sh\necho\n", "script"),
        ("/opt/x y", "x"),
        ("python work.py", "work.py"),
        ("work.py", "work.py"),
    ],
)
def test_a_job_without_a_name_is_named_after_what_it_runs(text: str, name: str) -> None:
    assert name == built(text=text).name


@pytest.mark.parametrize(
    ("typed", "collect", "sync"),
    [
        ({"sync": "io/"}, None, "/home/me/io"),
        ({"download": "/abs/out", "sync": "io"}, "/abs/out", "/home/me/io"),
        ({"download": "../out/"}, "/home/out", None),
        ({}, None, None),
    ],
)
def test_outputs_come_to_absolute_folders(
    typed: dict[str, str], collect: str | None, sync: str | None
) -> None:
    assert (built(typed).collect, built(typed).sync) == (collect, sync)


def test_options_say_for_people_where_each_came_from() -> None:
    spec = built({"memory": "8GiB"})
    assert spec.options["memory"] == ("8 GiB", "command line")
    assert spec.options["grace"] == ("10s", "default")


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.spec], ids=lambda o: o.name)
def test_an_option_that_is_a_field_of_the_spec_arrives_there(option: Option) -> None:
    assert getattr(built(), option.spec) == (option.default if option.kind != "pairs" else {})

"""Checks of the commands that look at jobs: status, list, wait, logs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.conformance.checks import row

if TYPE_CHECKING:
    from tests.conformance.person import Person


def done(person: Person) -> str:
    """Return the id of a job of three tasks that is done."""
    words = ("--name", "looked-at", "--ntasks", "3", "--shell")
    job = person.type("run", *words, "echo Hello from $BATCHIO_TASK_ID; echo e >&2").out.strip()
    person.type("wait", job)
    return job


@row("D2", "D3", "S3", "S4")
def status(person: Person) -> None:
    job = done(person)
    view = person.read("status", "--format", "json")
    assert (view["id"], view["counts"]["succeeded"]) == (job, 3)
    assert view["submitted"] <= view["started"] <= view["finished"]
    table = person.type("status", job, "--sort", "-id").out
    assert re.search(r"\n +2  succeeded.*\n +1  succeeded", table)
    assert "nope" in person.type("status", job, "--sort", "nope", code=2).err


@row("D4", "L2", "L3")
def lists(person: Person) -> None:
    jobs = [done(person), done(person)]
    table = person.type("list").out
    for column in ("ID", "State", "Tasks Done", "Submitted", "Command"):
        assert column in table
    assert {job["id"] for job in person.jobs()} == set(jobs)
    assert jobs[0] not in person.type("list", "--limit", "1").out


@row("D5", "G:1", "G:3", "G:4", "G:5", "G:6", "G:7", "G:8")
def logs(person: Person) -> None:
    job = done(person)
    lines = person.type("logs", job).out.splitlines()
    assert len(lines) == 6
    shape = r"\(Task 0\)        \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} Hello from 0"
    assert any(re.fullmatch(shape, line) for line in lines)
    node = person.read("status", job, "--format", "json")["tasks"][0]["node"]
    for words, count in (
        (["--filter", "from 2"], 1),
        (["--since", "10m"], 6),
        (["--follow"], 6),
        (["--workers", "all"], 6),
        (["--workers", node, "--task", "0"], None),
    ):
        found = person.type("logs", job, *words).out.splitlines()
        assert count is None or len(found) == count
    person.type("logs", job, "--scheduler")
    rows = [
        json.loads(line) for line in person.type("logs", job, "--format", "jsonl").out.splitlines()
    ]
    assert {each["task"] for each in rows} == {0, 1, 2}


@row("G:9")
def profile(person: Person) -> None:
    job = done(person)
    assert "warning: --profile" in person.type("logs", job, "--profile", "mine").err


@row("T1")
def wait(person: Person) -> None:
    job = person.type("run", "--", "sh", "-c", "exit 3").out.strip()
    person.type("wait", job, code=1)
    slow = person.type("run", "--", "sleep", "60").out.strip()
    person.type("wait", slow, "--timeout", "0.2s", code=5)
    person.type("cancel", slow)
    person.type("wait", slow, code=4)

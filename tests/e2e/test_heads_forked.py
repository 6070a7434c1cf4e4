"""Heads that a command line forks: for a new job, to retry one, and to go on with one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from batchio.stores.folder import FolderWorkspace

if TYPE_CHECKING:
    from pathlib import Path


class Person:
    """Somebody who types commands, each of which is a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.workspace = FolderWorkspace(folder / "ws")
        self._environ = {**os.environ, "BATCHIO_WORKSPACE": str(folder / "ws")}

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "batchio", *words]
        return subprocess.run(
            command, env=self._environ, capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


def test_a_job_is_retried_again_and_again(person: Person) -> None:
    assert person.type("run", "--wait", "--", "false").returncode == 1
    for attempt in (2, 3):
        again = person.type("retry", "--yes", "--wait")

        assert again.returncode == 1, again.stderr
        assert f'"attempt": {attempt}' in person.type("status", "--format", "json").stdout
    [job] = person.workspace.jobs()
    assert person.workspace.job(job).head_log().read_text() == ""


def test_a_job_goes_on_after_its_head_was_killed(person: Person, tmp_path: Path) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    os.mkfifo(begun)
    words = f"echo x > {begun}; until [ -e {go} ]; do sleep 0.05; done"
    person.type("run", "--shell", words)
    begun.read_text()
    [job] = person.workspace.jobs()
    leader = person.workspace.job(job).leader()
    assert leader is not None
    os.kill(leader.pid, signal.SIGKILL)
    while person.workspace.job(job).leader() is not None:
        os.sched_yield()

    assert person.type("recover", job).returncode == 0
    go.touch()
    ended = person.type("wait", job)
    assert ended.returncode == 0, ended.stderr
    assert person.workspace.job(job).head_log().read_text() == ""

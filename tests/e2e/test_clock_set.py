"""Somebody sets the computer's clock while a job runs: no limit is early or late."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import batchio
from tests.e2e.watching import history, kill_head

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

HOUR = 3600
SET = """
import os, time
_real = time.time
def _set():
    try:
        with open(os.environ["CLOCK_AHEAD"]) as file:
            return float(file.read() or 0)
    except OSError:
        return 0.0
time.time = lambda: _real() + _set()
"""
"""Loaded by every Python of the test but the agents, which read no such file."""


class Computer:
    """A computer whose clock can be set."""

    def __init__(self, folder: Path) -> None:
        self.ahead = folder / "ahead"
        self.go = folder / "go"
        (folder / "sitecustomize.py").write_text(SET)
        self.environ = {
            **os.environ,
            "PYTHONPATH": str(folder),
            "CLOCK_AHEAD": str(self.ahead),
            "BATCHIO_WORKSPACE": str(folder / "ws"),
        }

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "batchio", *words],
            env=self.environ, cwd=self.ahead.parent, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    async def begun(self, name: str) -> batchio.Job:
        """The job, once a task of it runs."""
        job = await batchio.open_job(name, workspace=self.environ["BATCHIO_WORKSPACE"])
        async with job.events() as facts:
            async for fact in facts:
                if fact["event"] == "tasks_started":
                    return job
        raise AssertionError("no task began")


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path)


@pytest.mark.parametrize("seconds", [2 * HOUR, -2 * HOUR])
async def test_no_job_is_stopped_early_and_every_duration_is_true(
    computer: Computer, seconds: int
) -> None:
    computer.type(
        "run", "--job-timeout", "1h", "--task-timeout", "1h", "--name", "long",
        "--", "sh", "-c", f"until [ -e {computer.go} ]; do sleep 0.05; done",
    )  # fmt: skip
    await computer.begun("long")
    computer.ahead.write_text(str(seconds))
    running = computer.type("status", "long", "--format", "json")
    computer.go.touch()
    done = computer.type("wait", "long")

    assert done.returncode == 0, done.stderr
    job = await batchio.open_job("long", workspace=computer.environ["BATCHIO_WORKSPACE"])
    view = await job.status()
    assert 0 <= view.duration < HOUR
    [row] = view.tasks()
    assert row.duration is not None
    assert 0 <= row.duration < HOUR
    assert '"state": "running"' in running.stdout


async def test_a_clock_that_is_set_back_prolongs_no_limit_and_no_delay(computer: Computer) -> None:
    computer.type(
        "run", "--job-timeout", "4s", "--max-retries", "50", "--retry-delay", "1s",
        "--name", "short", "--", "sh", "-c", "exit 1",
    )  # fmt: skip
    await computer.begun("short")
    computer.ahead.write_text(str(-HOUR))
    done = computer.type("wait", "short")

    assert done.returncode == 5, done.stderr
    job = await batchio.open_job("short", workspace=computer.environ["BATCHIO_WORKSPACE"])
    assert (await job.status()).tasks()[0].attempt >= 2


async def test_a_head_that_takes_over_counts_on(computer: Computer) -> None:
    computer.type(
        "run", "--job-timeout", "1h", "--name", "long",
        "--", "sh", "-c", f"until [ -e {computer.go} ]; do sleep 0.05; done",
    )  # fmt: skip
    job = await computer.begun("long")
    computer.ahead.write_text(str(2 * HOUR))
    await kill_head(job)
    computer.type("recover", "long")
    computer.go.touch()
    done = computer.type("wait", "long")

    assert done.returncode == 0, done.stderr
    assert (await job.status()).duration < HOUR
    heads = await history(job, "head_started")
    assert len(heads) == 2
    assert heads[0]["booted"] == pytest.approx(heads[1]["booted"], abs=1)

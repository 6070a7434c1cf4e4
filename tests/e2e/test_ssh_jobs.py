"""A job on three real hosts gives what it gives on this computer."""

from pathlib import Path

import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.testbed.client import Lab

pytestmark = pytest.mark.asyncio


async def printed(job: batchio.Job) -> list[str]:
    return sorted([f"{line.task} {line.text}" async for line in job.logs()])


async def test_ten_tasks_run_on_three_hosts(
    hosts: MakeHosts, workspace: Path, lab: Lab, tmp_path: Path
) -> None:
    machines = hosts(3)
    script = tmp_path / "hello.sh"
    script.write_text('#!/bin/sh\n# COILED ntasks 10\necho "Hello from $COILED_BATCH_TASK_ID"\n')

    job = await batchio.run(str(script), provider="ssh", hosts=names(machines))
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    assert await printed(job) == sorted(f"{i} Hello from {i}" for i in range(10))
    for vm in machines:
        assert not (lab.disk(vm) / "var/tmp/batchio-0").exists()

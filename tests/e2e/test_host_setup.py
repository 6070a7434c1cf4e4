"""What a host setup script is given, by the real agent of this computer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from batchio.core.arrays import TaskIds
from batchio.core.spec import JobSpec
from batchio.core.task import Outcome
from batchio.providers.local import LocalProvider
from batchio.runtime.head import lead
from batchio.testing import MemoryWorkspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.asyncio
@pytest.mark.usefixtures("workspace")
async def test_a_host_setup_script_sees_the_environment_and_the_secrets_of_the_tasks(
    tmp_path: Path,
) -> None:
    told = tmp_path / "told"
    spec = JobSpec(
        name="j",
        provider="local",
        argv=("/bin/sh", "-c", f"cat {told}"),
        tasks=TaskIds.count(1),
        host_setup=f'echo "$COLOUR $KEY $BATCHIO_JOB_NAME" > {told}',
        env={"COLOUR": "blue"},
    )
    workspace = MemoryWorkspace(tmp_path / "workspace")
    store = workspace.job(workspace.submit(spec, 0.0))
    async with asyncio.timeout(60):
        outcome = await lead(store, LocalProvider, secrets={"KEY": "s3cret"})

    assert outcome is Outcome.SUCCEEDED
    assert told.read_text() == "blue s3cret j\n"

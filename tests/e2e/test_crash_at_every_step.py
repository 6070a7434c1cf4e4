"""The head dies before or after each write to its journal; the job ends as if it had not."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from batchio import submit
from batchio.core.task import Outcome
from batchio.providers.local import LocalProvider
from batchio.runtime.head import lead
from batchio.runtime.replay import Fold
from batchio.stores.folder import FolderWorkspace
from tests.mortal import Crash, MortalStore

pytestmark = pytest.mark.asyncio

TASKS = 5


async def run_with_crash(root: Path, diary: Path, fatal: int, *, written: bool) -> bool:
    """Run a job whose head crashes once, then recover it; whether the crash came at all."""
    script = root / "task.sh"
    script.write_text(f'#!/bin/sh\necho "$BATCHIO_TASK_ID" >> {diary}\necho out $BATCHIO_TASK_ID\n')
    options = {"ntasks": TASKS, "slots": 2, "workspace": str(root / "workspace")}
    job = submit.prepare([str(script)], options, folder=root).create()
    mortal = MortalStore(FolderWorkspace(root / "workspace").job(job))
    mortal.fatal, mortal.written = lambda nth, _: nth == fatal, written
    crashed = False
    try:
        await lead(mortal.store, LocalProvider)
    except* Crash:
        crashed = True
    mortal.fatal = None

    assert await lead(mortal.store, LocalProvider) is Outcome.SUCCEEDED

    with closing(mortal.store.reader()) as reader:
        fold = Fold(reader)
        fold.catch_up()
    assert list(fold.machine.tasks.outcome) == [Outcome.SUCCEEDED] * TASKS
    assert list(fold.machine.tasks.attempt) == [1] * TASKS
    assert sorted(diary.read_text().split()) == [str(task) for task in range(TASKS)]
    return crashed


@pytest.mark.parametrize("written", [False, True], ids=["before the write", "after the write"])
async def test_every_task_runs_once_whenever_the_head_dies(
    tmp_path: Path, workspace: Path, *, written: bool
) -> None:
    fatal, crashed = 1, True
    while crashed:
        root = tmp_path / str(fatal)
        root.mkdir()
        async with asyncio.timeout(30):
            crashed = await run_with_crash(root, root / "diary", fatal, written=written)
        fatal += 1

    assert fatal > 6, "the job has many steps, and each was a place to die"

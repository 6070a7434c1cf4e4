"""The head dies before or after each write to its journal; the job ends as if it had not."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from batchio import submit
from batchio.core.task import Outcome
from batchio.providers.local import LocalProvider
from batchio.runtime.head import lead
from batchio.runtime.replay import Fold
from batchio.stores.folder import Workspace
from batchio.stores.sqlite import SqliteJournal

pytestmark = pytest.mark.asyncio

TASKS = 5


class Crash(Exception):
    """The head is dead."""


class MortalJournal:
    """A real journal whose head dies at its n-th write: just before it, or just after."""

    def __init__(self, real: SqliteJournal, fatal: int, *, written: bool) -> None:
        self._real = real
        self._left = fatal
        self._written = written
        self.epoch = real.epoch
        self.snapshot = real.snapshot
        self.close = real.close

    async def append(self, events: Sequence[str]) -> None:
        self._left -= 1
        if self._left:
            await self._real.append(events)
            return
        if self._written:
            await self._real.append(events)
        raise Crash


class MortalWorkspace(Workspace):
    """Gives out mortal journals until told otherwise."""

    fatal = 0
    written = False

    def take(self, job: str) -> SqliteJournal:
        real = super().take(job)
        if not self.fatal:
            return real
        return MortalJournal(real, self.fatal, written=self.written)  # type: ignore[return-value]


async def run_with_crash(root: Path, diary: Path, fatal: int, *, written: bool) -> bool:
    """Run a job whose head crashes once, then recover it; whether the crash came at all."""
    script = root / "task.sh"
    script.write_text(f'#!/bin/sh\necho "$BATCHIO_TASK_ID" >> {diary}\necho out $BATCHIO_TASK_ID\n')
    options = {"ntasks": TASKS, "slots": 2, "workspace": str(root / "workspace")}
    job = submit.prepare([str(script)], options, folder=root).create()
    workspace = MortalWorkspace(root / "workspace")
    workspace.fatal, workspace.written = fatal, written
    crashed = False
    try:
        await lead(workspace, job, LocalProvider)
    except* Crash:
        crashed = True
    workspace.fatal = 0

    assert await lead(workspace, job, LocalProvider) is Outcome.SUCCEEDED

    with workspace.reader(job) as reader:
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

"""A head is started again only with what the job needs, and on the computer it runs on."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

import batchio
from batchio import sync
from batchio.core import events as ev
from batchio.errors import UsageError
from batchio.heads.needs import need_its_computer
from batchio.runtime.replay import Fold
from batchio.stores import open_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.core.machine import Machine

SAY = 'printf %s "$TOK" >> {}/$BATCHIO_TASK_ID.$BATCHIO_ATTEMPT; exit 3'


def machine_of(workspace: Path, job: str) -> Machine:
    with closing(open_workspace(workspace).job(job).reader()) as reader:
        fold = Fold(reader)
        fold.catch_up()
    return fold.machine


async def killed_while_it_ran(workspace: Path, tmp_path: Path) -> batchio.Job:
    """A job of four tasks, of which one runs for ever, and whose head was killed."""
    words = f"touch {tmp_path}/ran.$BATCHIO_TASK_ID; sleep 1000"
    job = await batchio.run(words, ntasks=4, slots=1, shell=True, secret_env={"TOK": "s"})
    async for event in job.events():
        if event["event"] == "tasks_started":
            break
    holder = open_workspace(workspace).job(job.id).leader()
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    while open_workspace(workspace).job(job.id).leader():
        os.sched_yield()
    return job


def test_a_retry_needs_the_secrets_again_and_takes_them(workspace: Path, tmp_path: Path) -> None:
    job = sync.run(SAY.format(tmp_path), shell=True, ntasks=2, secret_env={"TOK": "hunter2"})
    assert job.wait(timeout=60).outcome == "failed"

    with pytest.raises(UsageError, match=r"needs the values of its secrets to continue: TOK"):
        job.retry()
    assert not open_workspace(workspace).job(job.id).asked()  # no later head will do it
    assert job.retry(secrets={"TOK": "hunter2"}) == [0, 1]

    assert job.wait(timeout=60).outcome == "failed"
    said = {path.name: path.read_text() for path in tmp_path.glob("*.*") if path.is_file()}
    assert said == dict.fromkeys(("0.1", "1.1", "0.2", "1.2"), "hunter2")


@pytest.mark.asyncio
async def test_cancelling_needs_secrets_only_where_tasks_would_go_on(
    workspace: Path, tmp_path: Path
) -> None:
    job = await killed_while_it_ran(workspace, tmp_path)

    with pytest.raises(UsageError, match=r"needs the values of its secrets to continue: TOK"):
        await job.cancel(3)
    with pytest.raises(UsageError, match=r"needs the values of its secrets to continue: TOK"):
        await job.recover()
    await job.cancel()

    assert (await job.wait(timeout=60)).outcome == "cancelled"
    assert [path.name for path in tmp_path.glob("ran.*")] == ["ran.0"]


@pytest.mark.asyncio
async def test_a_local_job_of_another_computer_goes_on_here_only_when_that_is_asked_for(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await killed_while_it_ran(workspace, tmp_path)
    machine = machine_of(workspace, job.id)
    [node] = machine.nodes
    need_its_computer(machine)  # it is this one

    node.facts["hostname"] = "far-away"  # renamed: its agent's folder is here all the same
    need_its_computer(machine)
    node.facts["socket"] = "/var/tmp/batchio-0/nowhere/s"
    with pytest.raises(
        UsageError, match=rf"submitted, far-away; this computer is {socket.gethostname()}"
    ):
        need_its_computer(machine)
    node.facts["hostname"] = socket.gethostname()
    node.facts["boot_id"], node.facts["machine_id"] = "b", "m"
    with pytest.raises(UsageError, match=r"runs on the computer where it was submitted"):
        need_its_computer(machine)

    monkeypatch.setattr(socket, "gethostname", lambda: "other")
    monkeypatch.setattr("os.path.exists", lambda path: False)
    with pytest.raises(UsageError, match=r"this computer is other") as caught:
        await job.recover({"TOK": "s"})
    assert "elsewhere=True" in (caught.value.hint or "")
    with pytest.raises(UsageError, match=r"this computer is other"):
        await job.cancel()
    monkeypatch.undo()
    assert await job.recover({"TOK": "s"}, elsewhere=True)
    await job.cancel()
    assert (await job.wait(timeout=60)).outcome == "cancelled"


def test_a_job_whose_first_head_never_came_is_said_to_run_nowhere(workspace: Path) -> None:
    spec = machine_of(workspace, sync.run("true").id).running_job.spec
    long_ago = time.time() - 60
    with open_workspace(workspace).draft(long_ago) as draft:
        draft.commit([ev.encode(ev.JobSubmitted(long_ago, draft.id, spec.to_json()))])

    assert draft.id in sync.unattended()
    assert sync.open_job(draft.id).status().attended is False

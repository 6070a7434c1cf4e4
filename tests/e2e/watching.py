"""Looking on at a job from a test: what is waited for is an event, never a time."""

import os
import select
import signal
from collections.abc import Callable
from typing import Any

import batchio
from tests.testbed.client import Lab, Vm

Fact = dict[str, Any]
HOME = "var/tmp/batchio-0"


COUNT_UNTIL_GO = "i=0; until [ -e /go ]; do echo $((i+=1)); sleep 0.05; done; echo end $i"
"""Prints numbers for as long as its node has no file `/go`; then how many there were."""


async def go(vm: Vm) -> None:
    """Let COUNT_UNTIL_GO end."""
    async with batchio.connect(vm.name) as node:
        await node.run("touch /go")


async def seen(job: batchio.Job, *kinds: str, where: Callable[[Fact], bool] | None = None) -> Fact:
    """The first fact of one of these kinds (`node_greeted`, ...), past or to come."""
    async with job.events() as facts:
        async for fact in facts:
            if fact["event"] in kinds and (where is None or where(fact)):
                return fact
    raise AssertionError(f"job {job.id} ended without {' or '.join(kinds)}")


async def history(job: batchio.Job, *kinds: str) -> list[Fact]:
    """All facts so far of these kinds, or of all."""
    facts = []
    async with job.events() as stream:
        async for fact in stream:
            if not kinds or fact["event"] in kinds:
                facts.append(fact)
    return facts


async def notes(job: batchio.Job) -> str:
    """What people were told, one line a note or a concern."""
    told = [fact["text"] for fact in await history(job, "noted")]
    return "\n".join([*told, *(concern.text for concern in (await job.status()).concerns)])


async def printed(job: batchio.Job) -> list[str]:
    """`ID TEXT` of every line, sorted."""
    return sorted([f"{line.task} {line.text}" async for line in job.logs()])


async def kill_head(job: batchio.Job) -> None:
    """End its newest head as a crash would, and wait until it is gone."""
    machine = await job._machine()
    started = await seen(
        job, "head_started", where=lambda fact: fact["epoch"] == machine.running_job.epoch
    )
    gone = os.pidfd_open(started["pid"])
    os.kill(started["pid"], signal.SIGKILL)
    select.select([gone], [], [])
    os.close(gone)


def nothing_left(lab: Lab, *machines: Vm) -> bool:
    """Whether no host has a file of batchio, or a process of a task."""
    return not any((lab.disk(vm) / HOME).exists() for vm in machines)

"""A job over SSH whose head is the calling program: under asyncio and trio, and cancelled."""

import asyncio
import os

import pytest
import trio

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import history, nothing_left, printed
from tests.testbed.client import Lab, Vm

pytestmark = [pytest.mark.usefixtures("workspace")]


@pytest.mark.asyncio
async def test_an_inline_head_is_the_calling_program(hosts: MakeHosts, lab: Lab) -> None:
    machines = hosts(2)
    job = await batchio.run(
        ["sh", "-c", "echo $BATCHIO_TASK_ID"], ntasks=4, head="inline", hosts=names(machines)
    )

    assert (await job.status()).state == "done"
    assert await printed(job) == [f"{task} {task}" for task in range(4)]
    assert {fact["pid"] for fact in await history(job, "head_started")} == {os.getpid()}
    assert nothing_left(lab, *machines)


def test_an_inline_head_under_trio(hosts: MakeHosts, lab: Lab) -> None:
    machines = hosts(2)

    async def main() -> tuple[str, list[str]]:
        job = await batchio.run(
            ["sh", "-c", "echo $BATCHIO_TASK_ID"], ntasks=4, head="inline", hosts=names(machines)
        )
        async with job.logs() as lines:
            return (await job.wait()).outcome, sorted([line.text async for line in lines])

    assert trio.run(main) == ("succeeded", ["0", "1", "2", "3"])
    assert nothing_left(lab, *machines)


async def begun(vm: Vm) -> None:
    """Until a task runs there."""
    async with batchio.connect(vm.name) as node:
        await node.run(["sh", "-c", "until [ -e /begun ]; do sleep 0.02; done"], timeout=30)


async def tasks_on(vm: Vm) -> str:
    async with batchio.connect(vm.name) as node:
        return (await node.run(["sh", "-c", "pgrep -fa 'sleep 100[3]' || true"])).stdout


WORK = ["sh", "-c", "touch /begun; sleep 1003"]


@pytest.mark.asyncio
async def test_a_cancelled_caller_leaves_nothing(hosts: MakeHosts, lab: Lab) -> None:
    machines = hosts(2)
    running = asyncio.create_task(
        batchio.run(WORK, ntasks=2, slots=1, head="inline", hosts=names(machines))
    )
    for vm in machines:
        await begun(vm)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    job = await batchio.open_job()
    assert (await job.wait(timeout=5)).outcome == "cancelled"
    for vm in machines:
        assert await tasks_on(vm) == ""
    assert nothing_left(lab, *machines)


def test_a_cancelled_caller_leaves_nothing_under_trio(hosts: MakeHosts, lab: Lab) -> None:
    machines = hosts(2)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            for vm in machines:
                await begun(vm)
            nursery.cancel_scope.cancel()

    async def run() -> None:
        await batchio.run(WORK, ntasks=2, slots=1, head="inline", hosts=names(machines))

    trio.run(main)
    for vm in machines:
        assert trio.run(tasks_on, vm) == ""
    assert nothing_left(lab, *machines)

"""Hosts with GPUs, as the NVIDIA driver shows them: which are fit, and how many tasks they take."""

import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import nothing_left, printed
from tests.testbed.client import Lab, Vm

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]

MEET = "touch /met.$BATCHIO_TASK_ID; until [ -e /met.0 ] && [ -e /met.1 ]; do sleep 0.02; done"


async def plug_in(vm: Vm, gpus: int) -> None:
    """Have the host's /proc look as with so many; the driver has a folder there for each."""
    folders = " ".join(f"/proc/driver/nvidia/gpus/0000:{at:02}:00.0" for at in range(gpus))
    async with batchio.connect(vm.name) as node:
        done = await node.run(
            ["sh", "-c", f"mount -t tmpfs gpus /proc/driver && mkdir -p {folders}"]
        )
    assert done.ok, done.stderr


async def test_tasks_that_ask_for_a_gpu_go_where_there_are_some(hosts: MakeHosts, lab: Lab) -> None:
    two, one, none = machines = hosts(3)
    await plug_in(two, 2)
    await plug_in(one, 1)
    job = await batchio.run(
        ["sleep", "0.1"],
        ntasks=9,
        gpu=True,
        hosts=names(machines),
        wait_for_ready_cluster=True,
        min_workers=2,
    )
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    assert {row.node for row in result.tasks} == {two.name, one.name}
    nodes = {node.name: node for node in (await job.status()).nodes}
    assert (nodes[two.name].slots, nodes[one.name].slots) == (2, 1)
    assert nodes[none.name].why == (
        f"{none.name}: a task needs 1 GPU, but there are 0; ask for less, or do not use this host"
    )
    assert nothing_left(lab, *machines)


async def test_tasks_beside_each_other_see_a_gpu_each(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts()
    await plug_in(vm, 2)
    together = f"{MEET}; echo gpu $CUDA_VISIBLE_DEVICES"
    job = await batchio.run(["sh", "-c", together], ntasks=2, gpu=True, hosts=[vm.name])
    await job.wait(timeout=60, check=True)
    own = await batchio.run(
        ["sh", "-c", "echo gpu $CUDA_VISIBLE_DEVICES"],
        gpu=True, env={"CUDA_VISIBLE_DEVICES": "7"}, hosts=[vm.name],
    )  # fmt: skip
    await own.wait(timeout=60, check=True)

    assert sorted(line.split()[-1] for line in await printed(job)) == ["0", "1"]
    assert await printed(own) == ["0 gpu 7"]
    assert nothing_left(lab, vm)

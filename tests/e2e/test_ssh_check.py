"""`batchio check --hosts`: each is reached as a job would reach it, and nothing is left there."""

import os

import pytest

import batchio
from tests.e2e.conftest import MakeHosts
from tests.e2e.watching import nothing_left
from tests.testbed.client import Lab

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]


async def test_each_host_is_described_or_said_to_be_wrong(hosts: MakeHosts, lab: Lab) -> None:
    [good] = hosts()
    [bare] = hosts(image="debian-bare")

    _, first, twin, second, third = await batchio.check(
        hosts=[good.name, good.ip, bare.name, "no-such-host"]
    )

    assert {first.name, twin.name} == {good.name, good.ip}
    [described, again] = sorted((first, twin), key=lambda one: "same computer" in one.said)
    assert again.said == f"this is the same computer as {described.name}; it is used once"
    assert described.ok
    assert f"{len(os.sched_getaffinity(0))} CPUs" in described.said
    assert (second.name, second.ok) == (bare.name, False)
    assert "no python3" in second.said
    assert "apt-get install" in second.hint
    assert (third.name, third.ok) == ("no-such-host", False)
    assert nothing_left(lab, good, bare)


async def test_a_job_works_where_its_host_says(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts(tmpfs={"/scratch": "16m", "/var/tmp": "64k,nr_inodes=1"})

    job = await batchio.run(
        ["sh", "-c", "pwd; ls -d /scratch/batchio-*"], hosts=[f"{vm.name}?work=/scratch"]
    )

    assert (await job.wait(timeout=60)).outcome == "succeeded"
    where, folder = [line.text async for line in job.logs()]
    assert where.startswith("/scratch/batchio-0/")
    assert folder == "/scratch/batchio-0"
    assert nothing_left(lab, vm)
    [_, found] = await batchio.check(hosts=[f"{vm.name}?work=/nowhere"])
    assert not found.ok
    assert "HOST?work=PATH" in found.hint


async def test_a_host_that_is_too_small_for_a_task_is_wrong(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts()

    [_, found] = await batchio.check(hosts=[vm.name], memory="900 TiB")

    assert not found.ok
    assert "a task needs" in found.said
    assert nothing_left(lab, vm)

"""Tasks in containers on a host: the same as without, for whoever looks."""

from pathlib import Path

import pytest

import batchio
from tests.e2e.conftest import MakeHosts
from tests.e2e.watching import nothing_left, printed, seen
from tests.testbed import images
from tests.testbed.client import Lab, Vm

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace"), pytest.mark.timeout(180)]

IMAGE = "localhost/busybox:latest"


async def engine(hosts: MakeHosts) -> Vm:
    """A host with podman and an image."""
    [vm] = hosts(
        image="debian-podman",
        cgroups=True,
        tmpfs={"/var/lib/containers": "1g"},
        binds={str(images.busybox_image()): "/mnt/busybox.tar"},
    )
    async with batchio.connect(vm.name) as node:
        done = await node.run("podman load --quiet --input /mnt/busybox.tar", timeout=60)
    assert done.ok, done.stderr
    return vm


async def containers(vm: Vm) -> str:
    async with batchio.connect(vm.name) as node:
        return (await node.run("podman ps --all --quiet")).stdout


async def test_tasks_run_in_a_container_and_leave_what_they_made(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    vm = await engine(hosts)
    (tmp_path / "data").write_text("uploaded")
    work = (
        "[ ! -e /etc/debian_version ] && echo $GREETING $BATCHIO_TASK_ID ${#TOKEN}; "
        "cat data > copy; exit $BATCHIO_TASK_ID"
    )
    job = await batchio.run(
        ["sh", "-c", work], ntasks=2, container=IMAGE, env={"GREETING": "hello"},
        secret_env={"TOKEN": "abc"}, upload=str(tmp_path / "data"), download=str(tmp_path / "back"),
        provider="ssh", hosts=[vm.name],
    )  # fmt: skip
    result = await job.wait(timeout=90)

    assert await printed(job) == ["0 hello 0 3", "1 hello 1 3"]
    assert [row.exit_code for row in result.tasks] == [0, 1]
    assert (tmp_path / "back" / "1" / "copy").read_text() == "uploaded"
    assert await containers(vm) == ""
    assert nothing_left(lab, vm)


async def test_a_cancelled_container_is_gone(hosts: MakeHosts, lab: Lab) -> None:
    vm = await engine(hosts)
    job = await batchio.run(
        ["sh", "-c", "trap '' TERM; echo up; sleep 1000"],
        container=IMAGE, grace=0.5, provider="ssh", hosts=[vm.name],
    )  # fmt: skip
    await seen(job, "tasks_started")
    async with job.logs(follow=True) as lines:
        await anext(aiter(lines))
    await job.cancel()
    result = await job.wait(timeout=60)

    assert result.outcome == "cancelled"
    assert await containers(vm) == ""
    assert nothing_left(lab, vm)


async def test_a_host_without_an_engine_is_left_out_and_named(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts()
    job = await batchio.run(["true"], container=IMAGE, provider="ssh", hosts=[vm.name])
    result = await job.wait(timeout=60)

    assert (result.outcome, result.exit_code) == ("lost", 3)
    why = result.job.why
    assert f"{vm.name}: docker or podman is needed for --container" in why
    assert nothing_left(lab, vm)

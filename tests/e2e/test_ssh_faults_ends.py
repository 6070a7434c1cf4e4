"""How a job over SSH ends early, what it leaves behind, and who may know its secrets."""

import subprocess
from pathlib import Path

import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import COUNT_UNTIL_GO, HOME, go, notes, nothing_left, printed, seen
from tests.testbed.client import Lab, Vm

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]

SECRET = "correct-horse-battery"


def knows(pid: int) -> bool:
    """Whether anybody could see the secret of a process here."""
    return any(SECRET in Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "environ"))


async def processes(vm: Vm) -> str:
    """Command lines of everything that runs there."""
    async with batchio.connect(vm.name) as node:
        return (await node.run(["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"])).stdout


async def test_a_job_cancelled_during_bootstrap_leaves_nothing(hosts: MakeHosts, lab: Lab) -> None:
    machines = hosts(3)
    for vm in machines:
        vm.delay(60)  # so that there is a during
    job = await batchio.run(["sleep", "1000"], ntasks=9, provider="ssh", hosts=names(machines))
    await seen(job, "node_created", where=lambda fact: fact["node_number"] == 2)
    await job.cancel()
    result = await job.wait(timeout=60)

    assert (result.outcome, result.exit_code) == ("cancelled", 4)
    assert nothing_left(lab, *machines)
    for vm in machines:
        assert "agent" not in await processes(vm)


async def test_a_job_cancelled_during_a_host_setup_ends_it(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts()
    job = await batchio.run(
        ["true"], provider="ssh", hosts=[vm.name],
        host_setup_script_content="touch /begun; sleep 1001",
    )  # fmt: skip
    async with batchio.connect(vm.name) as node:
        await node.run(["sh", "-c", "until [ -e /begun ]; do sleep 0.02; done"], timeout=30)
    while not any("running the host setup script" in line for line in await job.explain()):
        pass  # it is shown a moment later
    await job.cancel()
    result = await job.wait(timeout=60)

    assert result.outcome == "cancelled"
    assert nothing_left(lab, vm)
    assert "sleep 1001" not in await processes(vm)


async def test_a_cancelled_job_waits_a_little_for_a_silent_node(hosts: MakeHosts, lab: Lab) -> None:
    """One comes back and is tidied up; one does not, and that is said."""
    back, gone = machines = hosts(2)
    jobs = [
        await batchio.run(
            ["sh", "-c", COUNT_UNTIL_GO], provider="ssh", hosts=[vm.name], node_timeout=limit
        )
        for vm, limit in zip(machines, (60, 5), strict=True)
    ]
    for job, vm in zip(jobs, machines, strict=True):
        await seen(job, "tasks_started")
        vm.link(up=False)
    for job in jobs:
        await seen(job, "node_silent")
        await job.cancel()
    back.link(up=True)
    results = [await job.wait(timeout=60) for job in jobs]

    assert [result.outcome for result in results] == ["cancelled", "cancelled"]
    assert nothing_left(lab, back)
    assert "/go ]" not in await processes(back)
    assert f"{gone.name}: {jobs[1].id}.0 may still be there" in await notes(jobs[1])


async def test_what_a_lost_node_left_is_removed_when_it_comes_back(
    hosts: MakeHosts, lab: Lab
) -> None:
    [vm] = hosts()
    job = await batchio.run(
        ["sh", "-c", f"[ $BATCHIO_ATTEMPT = 2 ] || {{ {COUNT_UNTIL_GO}; }}"],
        provider="ssh", hosts=[vm.name], node_timeout=1,
    )  # fmt: skip
    await seen(job, "tasks_started")
    vm.link(up=False)
    await seen(job, "node_deleted")
    vm.link(up=True)
    result = await job.wait(timeout=60)

    [row] = result.tasks
    assert (row.outcome, row.attempt) == ("succeeded", 2)
    assert nothing_left(lab, vm)
    assert "/go ]" not in await processes(vm)


async def test_keep_on_host_keeps_the_files_and_nothing_running(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts()
    job = await batchio.run(
        ["sh", "-c", "echo > out; exit 3"], provider="ssh", hosts=[vm.name], keep_on_host=True
    )
    result = await job.wait(timeout=60)

    assert result.outcome == "failed"
    assert (lab.disk(vm) / HOME / f"{job.id}.0").is_dir()
    assert "agent" not in await processes(vm)


async def test_a_failed_job_leaves_nothing(hosts: MakeHosts, lab: Lab) -> None:
    machines = hosts(2)
    leave = "mkdir -p a/b; echo > a/b/c; chmod 0 a/b; setsid sleep 1002 & exit 1"
    job = await batchio.run(
        ["sh", "-c", leave], ntasks=4, grace=0.2, provider="ssh", hosts=names(machines)
    )
    result = await job.wait(timeout=60)

    assert (result.outcome, result.exit_code) == ("failed", 1)
    assert nothing_left(lab, *machines)
    for vm in machines:
        assert "sleep 1002" not in await processes(vm)


async def test_a_secret_reaches_the_task_and_nothing_else(
    hosts: MakeHosts, lab: Lab, workspace: Path
) -> None:
    [vm] = hosts()
    job = await batchio.run(
        ["sh", "-c", f"echo length ${{#TOKEN}}; {COUNT_UNTIL_GO}"],
        provider="ssh", hosts=[vm.name], secret_env={"TOKEN": SECRET},
    )  # fmt: skip
    await seen(job, "tasks_started")
    started = await seen(job, "head_started")

    def on_disks() -> str:
        places = [str(lab.disk(vm)), str(workspace)]
        return subprocess.run(
            ["grep", "-rlaF", SECRET, *places], capture_output=True, text=True, check=False
        ).stdout

    async with batchio.connect(vm.name) as node:
        holders = await node.run(
            ["sh", "-c", 'cd /proc; grep -laF "correct-""horse" [0-9]*/environ | cut -d/ -f1 | '
            "while read p; do tr '\\0' ' ' < $p/cmdline; echo; done"]
        )  # fmt: skip
    assert SECRET not in await processes(vm)
    assert holders.stdout
    programs = {line.split()[0] for line in holders.stdout.splitlines() if line}
    assert programs <= {"sh", "sleep"}
    assert not knows(started["pid"])
    assert on_disks() == ""

    await go(vm)
    result = await job.wait(timeout=60)
    assert result.outcome == "succeeded"
    assert f"0 length {len(SECRET)}" in await printed(job)
    assert on_disks() == ""

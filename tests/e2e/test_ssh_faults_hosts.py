"""Hosts that cannot be used, or not yet: each is named, the job goes on with the rest."""

import asyncio
import time
from pathlib import Path

import asyncssh
import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import (
    COUNT_UNTIL_GO,
    Fact,
    go,
    history,
    kill_head,
    notes,
    nothing_left,
    seen,
)
from tests.testbed.client import Lab, Vm

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]

NOWHERE = "10.77.200.200"


@pytest.fixture
def strangers(hosts: MakeHosts, lab: Lab) -> dict[str, Vm]:
    """Hosts that refuse us or that we refuse, by what is wrong with them."""
    somebody = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    [bare] = hosts(image="debian-bare")
    [closed] = hosts(files={"/root/.ssh/authorized_keys": somebody})
    [full] = hosts(tmpfs={"/var/tmp": "64k,nr_inodes=1"})
    [changed, honest] = hosts(2)
    known = lab.known_hosts_file
    known.write_text(known.read_text().replace(changed.host_key, honest.host_key))
    return {
        "no python3 (3.8 or newer) found": bare,
        "user root was refused": closed,
        "No space left on device": full,
        "its host key has changed": changed,
    }


async def test_every_bad_host_is_named_and_the_job_goes_on_with_the_rest(
    strangers: dict[str, Vm], hosts: MakeHosts, lab: Lab
) -> None:
    [good] = hosts()
    swapped = lab.known_hosts_file  # a new host has it written anew
    wrong = strangers["its host key has changed"]
    swapped.write_text(swapped.read_text().replace(wrong.host_key, good.host_key))
    job = await batchio.run(
        ["sh", "-c", COUNT_UNTIL_GO], ntasks=6, slots=1, node_timeout=5,
        provider="ssh", hosts=[*names([*strangers.values()]), NOWHERE, good.name],
    )  # fmt: skip
    lost: dict[int, Fact] = {}
    await seen(
        job,
        "node_lost",
        where=lambda fact: len(lost.setdefault(fact["node_number"], fact) and lost) == 5,
    )
    await go(good)
    result = await job.wait(timeout=100)

    assert result.outcome == "succeeded"
    for at, (why, vm) in enumerate(strangers.items()):
        assert lost[at]["why"].startswith(vm.name)
        assert why in lost[at]["why"]
        assert lost[at]["final"]
    assert NOWHERE in lost[4]["why"]
    assert not lost[4]["final"]
    assert nothing_left(lab, good, *strangers.values())


async def test_a_job_with_no_usable_host_is_lost_and_says_why(
    strangers: dict[str, Vm], lab: Lab
) -> None:
    async def alone(why: str, vm: Vm) -> None:
        job = await batchio.run(["true"], provider="ssh", hosts=[vm.name])
        result = await job.wait(timeout=60)
        assert (result.outcome, result.exit_code) == ("lost", 3)
        assert why in result.job.why
        assert why in "\n".join(await job.explain())

    async with asyncio.TaskGroup() as group:
        for why, vm in strangers.items():
            group.create_task(alone(why, vm))
    assert nothing_left(lab, *strangers.values())


@pytest.mark.timeout(180)
async def test_a_job_whose_hosts_never_answer_is_lost_and_says_so(
    hosts: MakeHosts, lab: Lab
) -> None:
    [off] = hosts()
    off.kill()
    job = await batchio.run(["true"], ntasks=2, provider="ssh", hosts=[off.name, "no-such-host"])
    result = await job.wait(timeout=150)

    assert (result.outcome, result.exit_code) == ("lost", 3)
    told = "\n".join(await job.explain())
    assert off.name in told
    assert "no-such-host" in told


async def test_min_workers_insists(strangers: dict[str, Vm], hosts: MakeHosts, lab: Lab) -> None:
    bad = strangers["user root was refused"]
    [good] = hosts()
    job = await batchio.run(
        ["true"], ntasks=4, slots=1, min_workers=2, provider="ssh", hosts=names([good, bad])
    )
    result = await job.wait(timeout=60)

    assert (result.outcome, result.exit_code) == ("lost", 3)
    assert "fewer than 2 nodes were available" in result.job.why
    assert await history(job, "tasks_assigned") == []
    assert nothing_left(lab, good)


async def test_a_host_that_is_switched_on_late_is_used(hosts: MakeHosts, lab: Lab) -> None:
    [good] = hosts()
    job = await batchio.run(
        ["sh", "-c", COUNT_UNTIL_GO], ntasks=2, slots=1, provider="ssh", hosts=[NOWHERE, good.name]
    )
    lost = await seen(job, "node_lost")

    [late] = hosts(ip=NOWHERE)
    await seen(job, "tasks_started", where=lambda fact: fact["node_number"] > 1)
    await asyncio.gather(go(late), go(good))
    result = await job.wait(timeout=60)

    assert NOWHERE in lost["why"]
    assert [(row.outcome, row.attempt) for row in result.tasks] == [("succeeded", 1)] * 2
    assert {row.node for row in result.tasks} == {NOWHERE, good.name}
    assert nothing_left(lab, late, good)


async def test_one_computer_under_two_names_is_used_once(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts()
    job = await batchio.run(
        ["sh", "-c", COUNT_UNTIL_GO], ntasks=3, slots=1, provider="ssh", hosts=[vm.name, vm.ip]
    )
    refused = await seen(job, "node_lost")
    await go(vm)
    result = await job.wait(timeout=60)

    one, other = (vm.name, vm.ip) if refused["node_number"] == 1 else (vm.ip, vm.name)
    assert refused["why"] == f"{other}: this is the same computer as {one}; it is used once"
    assert result.outcome == "succeeded"
    assert len(await history(job, "node_greeted")) == 1
    assert nothing_left(lab, vm)


async def test_a_clock_that_is_off_by_an_hour_is_corrected(hosts: MakeHosts, lab: Lab) -> None:
    [wrong] = hosts(clock_offset_s=3600)
    [late] = hosts(clock_offset_s=-3600)
    [right] = hosts()
    began = time.time()
    job = await batchio.run(
        ["sh", "-c", "echo one; sleep 0.3; echo two"],
        ntasks=3, slots=1, provider="ssh", hosts=names([wrong, late, right]),
        wait_for_ready_cluster=True,
    )  # fmt: skip
    result = await job.wait(timeout=60)
    ended = time.time()

    assert {row.node for row in result.tasks} == set(names([wrong, late, right]))
    for row in result.tasks:
        assert began - 1 < (row.started or 0) < (row.stopped or 0) < ended + 1
        assert 0.3 <= (row.duration or 0) < 1800  # by clocks that are an hour off
    lines = [line async for line in job.logs()]
    assert [line.text for line in lines] == ["one"] * 3 + ["two"] * 3
    assert all(began - 1 < line.time < ended + 1 for line in lines)
    told = await notes(job)
    assert f"{wrong.name}: its clock is 3600 s ahead; batchio corrects the times" in told
    assert f"{late.name}: its clock is 3600 s behind; batchio corrects the times" in told
    assert f"{right.name}: its clock" not in told


async def test_output_larger_than_the_disk_of_its_node_arrives_whole(
    hosts: MakeHosts, lab: Lab
) -> None:
    [vm] = hosts(tmpfs={"/var/tmp": "3m"})
    job = await batchio.run(
        ["sh", "-c", "seq 400000"], ntasks=2, slots=2, provider="ssh", hosts=[vm.name]
    )
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    for task in (0, 1):
        lines = [line.text async for line in job.logs(task=task)]
        assert lines == [str(i + 1) for i in range(400_000)]


async def test_a_task_that_cannot_begin_on_a_full_disk_runs_elsewhere(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    """The first task there fills the disk; what is uploaded has no room beside that."""
    [small] = hosts(tmpfs={"/var/tmp": "2m"})
    [large] = hosts()
    data = tmp_path / "data"
    data.write_bytes(bytes(200_000))
    fill = "[ $(hostname) = $0 ] && rm data && dd if=/dev/zero of=/var/tmp/full bs=1k; sleep 0.3"
    job = await batchio.run(
        ["sh", "-c", fill, small.name],
        ntasks=12, slots=1, provider="ssh", hosts=names([small, large]), retry_delay=0.1,
        upload=[str(data)], wait_for_ready_cluster=True,
    )  # fmt: skip
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    assert list(result.job._machine.tasks.failures) == [0] * 12
    assert sum(result.job._machine.tasks.losses) >= 3
    assert f"{small.name}: working directories: No space left on device" in await notes(job)
    lost = await seen(job, "node_lost")
    assert "different tasks could not run there" in lost["why"]
    assert nothing_left(lab, small, large)


async def test_a_host_setup_script_runs_once_a_node(hosts: MakeHosts, lab: Lab) -> None:
    machines = hosts(2)
    job = await batchio.run(
        ["sh", "-c", COUNT_UNTIL_GO], ntasks=2, slots=1, provider="ssh", hosts=names(machines),
        host_setup_script_content="echo ready >> /setup", wait_for_ready_cluster=True,
    )  # fmt: skip
    await seen(job, "tasks_started")
    await kill_head(job)
    assert await job.recover()
    await asyncio.gather(*map(go, machines))
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    assert [vm.read("/setup") for vm in machines] == ["ready\n"] * 2


async def test_a_failed_host_setup_is_the_failure_of_that_node_and_shows_its_output(
    hosts: MakeHosts, lab: Lab
) -> None:
    [bad, good] = hosts(2)
    text = f"echo about to fail; [ $(hostname) != {bad.name} ] || exit 7"
    job = await batchio.run(
        ["sh", "-c", COUNT_UNTIL_GO], ntasks=2, slots=1, provider="ssh", hosts=names([bad, good]),
        host_setup_script_content=text,
    )  # fmt: skip
    lost = await seen(job, "node_lost")
    await go(good)
    result = await job.wait(timeout=60)

    assert lost["why"] == (
        f"{bad.name}: the host setup script ended with exit code 7: about to fail"
    )
    assert result.outcome == "succeeded"
    assert nothing_left(lab, bad, good)

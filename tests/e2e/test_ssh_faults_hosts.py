"""Hosts that cannot be used, or not yet: each is named, the job goes on with the rest."""

import asyncio
import time

import asyncssh
import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import COUNT_UNTIL_GO, Fact, go, history, notes, nothing_left, seen
from tests.testbed.client import Lab, Vm

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]

NOWHERE = "10.77.200.200"


@pytest.fixture
def strangers(hosts: MakeHosts, lab: Lab) -> dict[str, Vm]:
    """Hosts that refuse us or that we refuse, by what is wrong with them."""
    somebody = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    [bare] = hosts(image="debian-bare")
    [closed] = hosts(files={"/root/.ssh/authorized_keys": somebody})
    [full] = hosts(tmpfs={"/var/tmp": "64k"})
    [changed, honest] = hosts(2)
    known = lab.known_hosts_file
    known.write_text(known.read_text().replace(changed.host_key, honest.host_key))
    return {
        "no python3 (>= 3.8) found": bare,
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
        job, "node_lost", where=lambda fact: len(lost.setdefault(fact["node"], fact) and lost) == 5
    )
    await go(good)
    result = await job.wait(timeout=100)

    assert result.outcome == "succeeded"
    for at, (why, vm) in enumerate(strangers.items()):
        assert (vm.name in lost[at]["why"], why in lost[at]["why"], lost[at]["final"]) == (
            True,
            True,
            True,
        ), lost[at]
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
        assert why in result.machine.running_job.why
        assert why in "\n".join(await job.explain())

    async with asyncio.TaskGroup() as group:
        for why, vm in strangers.items():
            group.create_task(alone(why, vm))
    assert nothing_left(lab, *strangers.values())


async def test_min_workers_insists(strangers: dict[str, Vm], hosts: MakeHosts, lab: Lab) -> None:
    bad = strangers["user root was refused"]
    [good] = hosts()
    job = await batchio.run(
        ["true"], ntasks=4, slots=1, min_workers=2, provider="ssh", hosts=names([good, bad])
    )
    result = await job.wait(timeout=60)

    assert (result.outcome, result.exit_code) == ("lost", 3)
    assert "fewer than 2 nodes could be had" in result.machine.running_job.why
    assert await history(job, "tasks_assigned") == []
    assert nothing_left(lab, good)


async def test_a_host_that_boots_late_is_used(hosts: MakeHosts, lab: Lab) -> None:
    [late, good] = hosts(2)
    late.kill()
    job = await batchio.run(
        ["sh", "-c", COUNT_UNTIL_GO], ntasks=2, slots=1, provider="ssh", hosts=names([late, good])
    )
    await seen(job, "tasks_started")
    await seen(job, "node_lost")

    late.boot()
    await seen(job, "node_greeted", where=lambda fact: fact["facts"]["hostname"] == late.name)
    await seen(job, "tasks_started", where=lambda fact: fact["node"] > 1)
    await asyncio.gather(go(late), go(good))
    result = await job.wait(timeout=60)

    assert [(row.outcome, row.attempt) for row in result.tasks] == [("succeeded", 1)] * 2
    assert {row.node for row in result.tasks} == {late.name, good.name}
    assert nothing_left(lab, late, good)


async def test_one_computer_under_two_names_is_used_once(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts()
    job = await batchio.run(
        ["sh", "-c", COUNT_UNTIL_GO], ntasks=3, slots=1, provider="ssh", hosts=[vm.name, vm.ip]
    )
    refused = await seen(job, "node_lost")
    await go(vm)
    result = await job.wait(timeout=60)

    one, other = (vm.name, vm.ip) if refused["node"] == 1 else (vm.ip, vm.name)
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
        assert 0.3 <= (row.duration or 0) < 3
    lines = [line async for line in job.logs()]
    assert [line.text for line in lines] == ["one"] * 3 + ["two"] * 3
    assert all(began - 1 < line.time < ended + 1 for line in lines)
    told = await notes(job)
    assert f"{wrong.name}: its clock is 3600 s ahead; times are corrected" in told
    assert f"{late.name}: its clock is 3600 s behind; times are corrected" in told
    assert f"{right.name}: its clock" not in told


async def test_output_larger_than_the_disk_of_its_node_arrives_whole(
    hosts: MakeHosts, lab: Lab
) -> None:
    [vm] = hosts(tmpfs={"/var/tmp": "3m"})
    job = await batchio.run(
        ["sh", "-c", "seq 1000000"], ntasks=2, slots=2, provider="ssh", hosts=[vm.name]
    )
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    for task in (0, 1):
        lines = [line.text async for line in job.logs(task=task)]
        assert lines == [str(i + 1) for i in range(1_000_000)]


async def test_a_task_that_finds_the_disk_full_goes_elsewhere(hosts: MakeHosts, lab: Lab) -> None:
    """What a program itself writes is its own affair; that it cannot be started is ours."""
    [small] = hosts(tmpfs={"/var/tmp": "2m"})
    [large] = hosts()
    fill = "dd if=/dev/zero of=/var/tmp/full bs=1k"
    job = await batchio.run(
        ["sh", "-c", "echo $BATCHIO_NODE_ID; sleep 0.2"],
        ntasks=8, slots=1, host_setup_script_content=f"[ $(df -m /var/tmp | awk 'END {{print $2}}') = 2 ] && {fill} 2>/dev/null || true",
        provider="ssh", hosts=names([small, large]), retry_delay=0.1,
    )  # fmt: skip
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    assert list(result.machine.tasks.failures) == [0] * 8
    assert nothing_left(lab, large)

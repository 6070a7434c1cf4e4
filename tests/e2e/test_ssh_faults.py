"""Nodes and connections that fail under a running job. docs/design/faults.md is the table."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

import batchio
from batchio.errors import Unreachable
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import (
    COUNT_UNTIL_GO,
    Fact,
    go,
    history,
    kill_head,
    notes,
    nothing_left,
    printed,
    seen,
)
from tests.testbed.client import Lab

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]


def counted(lines: list[str]) -> bool:
    """Whether the output of COUNT_UNTIL_GO is all there, once, in order."""
    *numbers, last = lines
    return numbers == [str(i + 1) for i in range(len(numbers))] and last == f"end {len(numbers)}"


async def test_a_node_that_dies_silently_is_noticed_and_its_task_runs_elsewhere(
    hosts: MakeHosts, lab: Lab
) -> None:
    machines = hosts(2)
    once = 'echo $BATCHIO_ATTEMPT; [ "$BATCHIO_TASK_ID$BATCHIO_ATTEMPT" = 01 ] && exec sleep 1000'
    job = await batchio.run(
        ["sh", "-c", f"{once}; exit 0"],
        ntasks=2, slots=1, provider="ssh", hosts=names(machines), node_timeout=2,
    )  # fmt: skip
    begun = await seen(job, "tasks_started", where=lambda fact: fact["tasks"][0]["task"] == 0)
    dead, alive = machines[begun["node_number"]], machines[1 - begun["node_number"]]

    dead.kill()
    await seen(job, "node_silent")
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    assert await printed(job) == ["0 1", "0 2", "1 1"]
    tasks = result.job._machine.tasks
    assert (list(tasks.failures), list(tasks.losses)) == ([0, 0], [1, 0])
    assert f"{dead.name}: {job.id}.{begun['node_number']} may still be there" in await notes(job)
    assert nothing_left(lab, alive)


@pytest.mark.timeout(180)
async def test_an_agent_that_hangs_is_noticed_and_ended_and_its_task_runs_elsewhere(
    hosts: MakeHosts, lab: Lab
) -> None:
    machines = hosts(2)
    hang = r"""kill -STOP $(sed 's/.*"pid":\([0-9]*\).*/\1/' $BATCHIO_AGENT/agent.json)"""
    once = '[ "$BATCHIO_TASK_ID$BATCHIO_ATTEMPT" = 01 ] || exit 0'
    work = f"{once}; {COUNT_UNTIL_GO}; {hang}; exec sleep 1000"
    job = await batchio.run(
        ["sh", "-c", work],
        ntasks=2, slots=1, provider="ssh", hosts=names(machines), node_timeout=2,
    )  # fmt: skip
    begun = await seen(job, "tasks_started", where=lambda fact: fact["tasks"][0]["task"] == 0)
    await go(machines[begun["node_number"]])
    silent = await seen(job, "node_silent")
    lost = await seen(job, "node_lost")
    result = await job.wait(timeout=60)

    assert silent["node_number"] == lost["node_number"] == begun["node_number"]
    assert lost["why"] == "silent for 2 s: its agent has not answered for 30 s"
    assert result.outcome == "succeeded"
    tasks = result.job._machine.tasks
    assert (list(tasks.failures), list(tasks.losses)) == ([0, 0], [1, 0])
    assert "may still be there" not in await notes(job)
    assert nothing_left(lab, *machines)


@pytest.mark.timeout(180)
async def test_a_task_runs_on_while_its_network_is_cut_for_half_a_minute(
    hosts: MakeHosts, lab: Lab
) -> None:
    [vm] = hosts()
    job = await batchio.run(["sh", "-c", COUNT_UNTIL_GO], provider="ssh", hosts=[vm.name])
    await seen(job, "tasks_started")

    vm.link(up=False)
    await asyncio.sleep(30)  # what is tested is a time
    vm.link(up=True)
    await seen(job, "node_heard")
    await go(vm)
    result = await job.wait(timeout=60)

    [row] = result.tasks
    assert (row.outcome, row.attempt) == ("succeeded", 1)
    assert counted([line.text async for line in job.logs()])
    assert len([1 async for _ in job.logs()]) > 30 / 0.1
    assert nothing_left(lab, vm)


async def test_a_killed_head_is_recovered_and_nothing_runs_twice(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    machines = hosts(3)
    work = "echo $BATCHIO_TASK_ID >> /runs; seq 2000; sleep 0.$BATCHIO_TASK_ID; echo end"
    job = await batchio.run(
        ["sh", "-c", work], array="10-33", slots=2, provider="ssh", hosts=names(machines)
    )
    for count in (4, 10):
        await seen(job, "tasks_finished", where=_more_than(count))
        await kill_head(job)
        assert await job.recover()
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    ran = "".join(vm.read("/runs") for vm in machines).split()
    assert sorted(ran) == [str(i) for i in range(10, 34)]
    assert len(await printed(job)) == 24 * 2001
    assert [fact["epoch"] for fact in await history(job, "head_started")] == [1, 2, 3]
    assert nothing_left(lab, *machines)


def _more_than(count: int) -> Callable[[Fact], bool]:
    done: set[int] = set()

    def enough(fact: Fact) -> bool:
        done.update(row["task"] for row in fact["tasks"])
        return len(done) > count

    return enough


async def test_a_restarted_sshd_costs_nothing_but_a_moment(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts()
    job = await batchio.run(["sh", "-c", COUNT_UNTIL_GO], provider="ssh", hosts=[vm.name])
    await seen(job, "tasks_started")

    async with batchio.connect(vm.name) as node:
        with pytest.raises(Unreachable):
            await node.run(["sh", "-c", "kill -9 $(pidof sshd sshd-session)"])
    await seen(job, "node_heard")
    await go(vm)
    result = await job.wait(timeout=60)

    [row] = result.tasks
    assert (row.outcome, row.attempt) == ("succeeded", 1)
    assert counted([line.text async for line in job.logs()])


async def test_after_a_reboot_what_had_ended_stays_and_the_rest_runs_again(
    hosts: MakeHosts, lab: Lab
) -> None:
    [vm] = hosts()
    work = f"echo $BATCHIO_TASK_ID >> /runs; [ $BATCHIO_TASK_ID = 0 ] || {{ {COUNT_UNTIL_GO}; }}"
    job = await batchio.run(["sh", "-c", work], ntasks=2, slots=1, provider="ssh", hosts=[vm.name])
    await seen(job, "tasks_started", where=lambda fact: fact["tasks"][-1]["task"] == 1)

    vm.reboot()
    await seen(job, "node_restarted")
    await go(vm)
    result = await job.wait(timeout=60)

    assert [(row.outcome, row.attempt) for row in result.tasks] == [
        ("succeeded", 1),
        ("succeeded", 2),
    ]
    assert vm.read("/runs").split() == ["0", "1", "1"]
    assert nothing_left(lab, vm)


async def test_a_task_that_kills_its_agent_is_stopped_by_the_crash_counter(
    hosts: MakeHosts, lab: Lab
) -> None:
    machines = hosts(2)
    murder = (
        "[ $BATCHIO_TASK_ID = 2 ] || exit 0; "
        r"""kill -9 $(sed 's/.*"pid":\([0-9]*\).*/\1/' $BATCHIO_AGENT/agent.json); sleep 1000"""
    )
    job = await batchio.run(
        ["sh", "-c", murder],
        ntasks=20, slots=2, max_infra_retries=3, retry_delay=0.05,
        provider="ssh", hosts=names(machines),
    )  # fmt: skip
    result = await job.wait(timeout=60)

    assert result.outcome == "lost"
    ends = {row.id: row.outcome for row in result.tasks}
    assert ends == {i: "lost" if i == 2 else "succeeded" for i in range(20)}
    assert result.job._machine.tasks.attempt[2] == 4
    assert nothing_left(lab, *machines)


async def test_a_slow_and_lossy_network_only_takes_longer(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts()
    vm.delay(50)
    vm.lose(10)
    job = await batchio.run(
        ["sh", "-c", "seq 1000; echo end"], ntasks=20, slots=4, provider="ssh", hosts=[vm.name]
    )
    result = await job.wait(timeout=100)

    assert result.outcome == "succeeded"
    assert len(await printed(job)) == 20 * 1001
    assert [row.attempt for row in result.tasks] == [1] * 20
    assert nothing_left(lab, vm)


async def test_one_session_a_connection_is_enough(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts(sshd=("MaxSessions 1",))
    job = await batchio.run(
        ["sh", "-c", "echo $BATCHIO_TASK_ID > out"],
        ntasks=8, slots=2, provider="ssh", hosts=[vm.name],
    )  # fmt: skip
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    assert nothing_left(lab, vm)

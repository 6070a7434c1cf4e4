"""Tasks on several hosts that work together: who is there, who leads, when they begin."""

import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import history, nothing_left, printed
from tests.house.source import ROOT
from tests.testbed.client import Lab

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]

WHO = (
    "echo $BATCHIO_PROCESS_TYPE $BATCHIO_LOCAL_ADDRESS $BATCHIO_SCHEDULER_ADDRESS "
    "$BATCHIO_READY_WORKERS $COILED_BATCH_PROCESS_TYPE $COILED_BATCH_READY_WORKERS"
)


async def test_tasks_know_where_they_and_all_others_are(hosts: MakeHosts, lab: Lab) -> None:
    machines = hosts(3)
    job = await batchio.run(
        ["sh", "-c", f"{WHO}; sleep 0.3"], ntasks=3, slots=1, wait_for_ready_cluster=True,
        task_on_scheduler=True, provider="ssh", hosts=names(machines),
    )  # fmt: skip
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    rows = {int(line.split()[0]): line.split()[1:] for line in await printed(job)}
    addresses = {vm.ip for vm in machines}
    lead = rows[0][2]
    assert {row[1] for row in rows.values()} == addresses
    for task, (kind, here, leader, ready, *old) in rows.items():
        assert kind == ("scheduler" if task == 0 else "worker")
        assert (here == lead, leader) == (task == 0, lead)
        assert set(ready.split(",")) == addresses
        assert old == [kind, ready]


async def test_no_task_begins_before_every_node_is_ready(hosts: MakeHosts, lab: Lab) -> None:
    fast, slow = machines = hosts(2)
    slow.delay(60)
    job = await batchio.run(
        ["true"], ntasks=2, slots=1, wait_for_ready_cluster=True,
        provider="ssh", hosts=names(machines),
    )  # fmt: skip
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    greeted = [fact["at"] for fact in await history(job, "node_greeted")]
    begun = [fact["at"] for fact in await history(job, "tasks_assigned")]
    assert len(greeted) == 2
    assert max(greeted) <= min(begun)
    assert nothing_left(lab, fast, slow)


async def test_chosen_tasks_run_on_the_scheduler(hosts: MakeHosts, lab: Lab) -> None:
    machines = hosts(3)
    job = await batchio.run(
        ["sh", "-c", f"{WHO}; sleep 0.1"], ntasks=9, slots=1, scheduler_task_array="2,5-6",
        wait_for_ready_cluster=True, provider="ssh", hosts=names(machines),
    )  # fmt: skip
    await job.wait(timeout=60, check=True)

    rows = {int(line.split()[0]): line.split()[1:] for line in await printed(job)}
    assert all(rows[task][0] == "scheduler" for task in (2, 5, 6))
    assert len({row[1] for row in rows.values()}) == 3


async def test_the_ranks_of_one_program_find_each_other_over_three_hosts(
    hosts: MakeHosts, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = hosts(3)
    example = ROOT / "examples" / "6-rendezvous"
    monkeypatch.chdir(example)
    job = await batchio.run(
        "allreduce.py", slots=1, wait_for_ready_cluster=True, task_on_scheduler=True,
        provider="ssh", hosts=names(machines),
    )  # fmt: skip
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    assert await printed(job) == [
        f"{rank} rank {rank} of 3 gave {(rank + 1) ** 2}, the sum is 14" for rank in range(3)
    ]
    assert {row.node for row in result.tasks} == set(names(machines))
    assert nothing_left(lab, *machines)


async def test_no_task_runs_on_the_first_node_when_that_is_asked_for(
    hosts: MakeHosts, lab: Lab
) -> None:
    machines = hosts(3)
    job = await batchio.run(
        ["sh", "-c", "echo $COILED_CLUSTER_HOSTNAME $BATCHIO_SCHEDULER_ADDRESS "
         "$BATCHIO_LOCAL_ADDRESS $BATCHIO_PROCESS_TYPE; sleep 0.1"],
        ntasks=8, slots=1, task_on_scheduler=False, wait_for_ready_cluster=True,
        provider="ssh", hosts=names(machines),
    )  # fmt: skip
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    assert len({row.node for row in result.tasks}) == 2
    for line in await printed(job):
        _, cluster, leader, here, kind = line.split()
        assert cluster == leader != here
        assert kind == "worker"
    assert nothing_left(lab, *machines)


async def test_a_cluster_with_a_dead_host_begins_nothing_and_names_it(
    hosts: MakeHosts, lab: Lab
) -> None:
    (good,) = machines = hosts(1)
    job = await batchio.run(
        ["true"], ntasks=4, slots=1, wait_for_ready_cluster=True,
        provider="ssh", hosts=[good.name, "nowhere.invalid"],
    )  # fmt: skip
    result = await job.wait(timeout=90)

    assert (result.outcome, result.exit_code) == ("lost", 3)
    assert "nowhere.invalid" in result.job.why
    assert "--min-workers 1" in result.job.why
    assert [concern.name for concern in result.concerns] == ["nowhere.invalid"]
    assert all(row.started is None for row in result.tasks)
    assert nothing_left(lab, *machines)

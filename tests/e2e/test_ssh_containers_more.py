"""Containers on hosts: what options change, how they end, and what a broken network costs."""

from pathlib import Path

import pytest

import batchio
from tests.e2e.conftest import MakeHosts
from tests.e2e.test_ssh_containers import IMAGE, containers, engine
from tests.e2e.watching import (
    HOME,
    kill_head,
    nothing_left,
    printed,
    seen,
)
from tests.testbed.client import Lab, Vm

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace"), pytest.mark.timeout(180)]

WITH_ENTRYPOINT = "localhost/entry:1"


async def entrypoint(vm: Vm) -> None:
    """Have an image there whose entrypoint says `entry` and the words."""
    async with batchio.connect(vm.name) as node:
        made = await node.run(
            ["sh", "-c", f"podman commit -q --change 'ENTRYPOINT [\"/bin/echo\",\"entry\"]' "
             f"--change 'ENV OF_THE_IMAGE=yes' $(podman create {IMAGE}) {WITH_ENTRYPOINT} && "
             "podman rm --all"]
        )  # fmt: skip
    assert made.ok, made.stderr


async def test_an_entrypoint_runs_unless_it_is_ignored(hosts: MakeHosts, lab: Lab) -> None:
    vm = await engine(hosts)
    await entrypoint(vm)
    words = ["sh", "-c", "echo $OF_THE_IMAGE"]
    kept = await batchio.run(words, container=WITH_ENTRYPOINT, hosts=[vm.name])
    ignored = await batchio.run(
        words, container=WITH_ENTRYPOINT, ignore_container_entrypoint=True, hosts=[vm.name]
    )
    for job in (kept, ignored):
        await job.wait(timeout=60, check=True)

    assert await printed(kept) == ["0 entry sh -c echo $OF_THE_IMAGE"]
    assert await printed(ignored) == ["0 yes"]
    assert await containers(vm) == ""
    assert nothing_left(lab, vm)


async def test_a_script_that_names_an_image_may_run_on_the_host(
    hosts: MakeHosts, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = await engine(hosts)
    monkeypatch.chdir(tmp_path)
    where = "test -e /etc/debian_version && echo host || echo container"
    Path("where.sh").write_text(f"#!/bin/sh\n# BATCHIO container {IMAGE}\n{where}\n")
    inside = await batchio.run("where.sh", hosts=[vm.name])
    outside = await batchio.run("where.sh", hosts=[vm.name], run_on_host=True)
    for job in (inside, outside):
        await job.wait(timeout=60, check=True)

    assert await printed(inside) == ["0 container"]
    assert await printed(outside) == ["0 host"]


async def test_a_container_works_where_a_task_does_and_ends_as_its_program_does(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    vm = await engine(hosts)
    work = 'pwd; id -u; mkdir -p a/b; echo made > "a/b/odd name"; sh -c "kill -9 \\$\\$"; exit $?'
    job = await batchio.run(
        ["sh", "-c", work], container=IMAGE, hosts=[vm.name], download=str(tmp_path),
        pipe_to_files=True,
    )  # fmt: skip
    result = await job.wait(timeout=60)

    place = f"/{HOME}/{job.id}.0/work/0.1"
    assert [row.exit_code for row in result.tasks] == [137]
    assert (tmp_path / "0" / "task-0.out").read_text() == f"{place}\n0\n"
    assert (tmp_path / "0" / "a" / "b" / "odd name").read_text() == "made\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no-such-program"], 127, "No such file or directory"),
        (["/etc/passwd"], 126, "Permission denied"),
    ],
)
async def test_a_program_that_the_image_lacks_is_named(
    hosts: MakeHosts, lab: Lab, words: list[str], code: int, said: str
) -> None:
    vm = await engine(hosts)
    job = await batchio.run(words, container=IMAGE, hosts=[vm.name])
    [row] = (await job.wait(timeout=60)).tasks

    assert row.exit_code == code
    assert said in row.last_words
    assert await containers(vm) == ""


async def test_an_image_that_cannot_be_had_leaves_the_host_out(hosts: MakeHosts, lab: Lab) -> None:
    vm = await engine(hosts)
    job = await batchio.run(["true"], container="NO IMAGE", hosts=[vm.name])
    result = await job.wait(timeout=60)

    assert (result.outcome, result.exit_code) == ("lost", 3)
    why = result.job.why
    assert f"{vm.name}: the image NO IMAGE is not available: Error: invalid reference format" in why
    assert nothing_left(lab, vm)


async def test_a_container_runs_on_while_the_network_is_cut_and_its_head_dies(
    hosts: MakeHosts, lab: Lab
) -> None:
    vm = await engine(hosts)
    job = await batchio.run(
        ["sh", "-c", "i=0; until [ -e go ]; do echo $((i+=1)); sleep 0.05; done; echo end $i"],
        container=IMAGE, hosts=[vm.name],
    )  # fmt: skip
    await seen(job, "tasks_started")
    vm.link(up=False)
    await seen(job, "node_silent")
    await kill_head(job)
    vm.link(up=True)
    assert await job.recover()
    await seen(job, "node_heard")
    async with batchio.connect(vm.name) as node:
        assert (await node.run(f"touch /{HOME}/{job.id}.0/work/0.1/go")).ok
    result = await job.wait(timeout=60)

    [row] = result.tasks
    *numbers, last = [line.text async for line in job.logs()]
    assert (row.outcome, row.attempt) == ("succeeded", 1)
    assert numbers == [str(i + 1) for i in range(len(numbers))]
    assert last == f"end {len(numbers)}"
    assert await containers(vm) == ""
    assert nothing_left(lab, vm)


async def test_a_job_with_many_containers_is_cancelled_to_the_last(
    hosts: MakeHosts, lab: Lab
) -> None:
    vm = await engine(hosts)
    job = await batchio.run(
        ["sh", "-c", "trap '' TERM; echo up; sleep 1000 & wait; sleep 1000"],
        ntasks=6, slots=3, container=IMAGE, grace=0.2, hosts=[vm.name],
    )  # fmt: skip
    await seen(job, "tasks_started")
    async with job.logs(follow=True) as lines:
        up = aiter(lines)
        for _ in range(3):
            await anext(up)
    await job.cancel()
    result = await job.wait(timeout=60)

    assert result.outcome == "cancelled"
    assert await containers(vm) == ""
    assert nothing_left(lab, vm)


async def test_a_program_in_a_container_hears_term_and_can_end_itself(
    hosts: MakeHosts, lab: Lab
) -> None:
    vm = await engine(hosts)
    late = await batchio.run(
        ["sleep", "100"], container=IMAGE, hosts=[vm.name], task_timeout=0.5, grace=60
    )
    killed = await batchio.run(["sh", "-c", "kill -9 $$"], container=IMAGE, hosts=[vm.name])
    [slow], [dead] = [(await job.wait(timeout=50)).tasks for job in (late, killed)]

    assert slow.exit_code == 128 + 15
    assert dead.exit_code == 128 + 9
    assert nothing_left(lab, vm)


async def test_an_image_of_another_user_can_write_where_the_task_does(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    vm = await engine(hosts)
    async with batchio.connect(vm.name) as node:
        commit = "podman commit -q --change 'USER 99' $(podman create {0}) localhost/user:1"
        made = await node.run(["sh", "-c", f"{commit.format(IMAGE)} && podman rm --all"])
        assert made.ok, made.stderr
    job = await batchio.run(
        ["sh", "-c", "id -u > who"],
        container="localhost/user:1", hosts=[vm.name], download=str(tmp_path),
    )  # fmt: skip
    await job.wait(timeout=60, check=True)

    assert (tmp_path / "0" / "who").read_text() == "0\n"
    assert nothing_left(lab, vm)


async def test_an_image_that_no_registry_has_is_told_in_one_line(hosts: MakeHosts) -> None:
    vm = await engine(hosts)
    job = await batchio.run(["true"], container="localhost/none:1", hosts=[vm.name])
    why = (await job.wait(timeout=60)).job.why

    assert why.startswith(
        f"no node was available ({vm.name}: the image localhost/none:1 is not available: "
    )
    assert "\n" not in why
    assert len(why) < 400

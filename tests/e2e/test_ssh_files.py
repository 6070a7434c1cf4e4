"""Files to hosts and back: each attempt has its own copy, what it leaves arrives whole."""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import batchio
from batchio.errors import Unreachable
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import history, kill_head, notes, nothing_left, seen
from tests.testbed.client import Lab, Vm

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder to upload: a program, a deep file of odd bytes, an odd name, an empty file."""
    folder = tmp_path / "project"
    (folder / "a b" / "deep").mkdir(parents=True)
    (folder / "a b" / "deep" / "data.bin").write_bytes(os.urandom(300_000))
    (folder / "ünïcode 'name'").write_text("odd")
    (folder / "empty").touch()
    (folder / "tool").write_text("#!/bin/sh\nmkdir -p out; cat 'a b/deep/data.bin' > out/copy\n")
    (folder / "tool").chmod(0o755)
    return folder


async def digests(job: batchio.Job) -> dict[int, str]:
    """The checksum that each task printed of what it left."""
    return {line.task: line.text.split()[0] async for line in job.logs()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_every_attempt_has_the_uploaded_folder_and_what_it_leaves_comes_back(
    hosts: MakeHosts, lab: Lab, project: Path, tmp_path: Path
) -> None:
    machines = hosts(2)
    work = (
        "cd project && [ ! -e out ] && ./tool && echo $BATCHIO_TASK_ID >> out/copy && "
        "rm empty && sha256sum out/copy && [ $BATCHIO_ATTEMPT = 2 ]"
    )
    job = await batchio.run(
        ["sh", "-c", work], ntasks=6, slots=2, max_retries=1, retry_delay=0,
        provider="ssh", hosts=names(machines), upload=str(project), download=str(tmp_path / "back"),
    )  # fmt: skip
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    printed = await digests(job)
    assert len(printed) == 6
    for task, expected in printed.items():
        left = tmp_path / "back" / str(task)
        assert digest(left / "project" / "out" / "copy") == expected
        files = [str(p.relative_to(left)) for p in left.rglob("*") if p.is_file()]
        assert files == ["project/out/copy"]
    assert "is now" not in await notes(job)
    assert nothing_left(lab, *machines)


async def test_outputs_arrive_whole_when_the_head_dies_while_it_collects(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    machines = hosts(2)
    back = tmp_path / "back"
    work = (
        "echo $BATCHIO_TASK_ID >> /runs; head -c 20000000 /dev/urandom > large; "
        "echo small > small; sha256sum large"
    )
    job = await batchio.run(
        ["sh", "-c", work], ntasks=6, slots=1,
        provider="ssh", hosts=names(machines), download=str(back),
    )  # fmt: skip
    for count in (1, 3):
        await seen(job, "tasks_finished", where=_more_than(count))
        await kill_head(job)
        assert await job.recover()
    result = await job.wait(timeout=90)

    assert result.outcome == "succeeded"
    for task, expected in (await digests(job)).items():
        assert digest(back / str(task) / "large") == expected
        assert (back / str(task) / "small").read_text() == "small\n"
    assert sorted(path.name for path in back.iterdir()) == [str(i) for i in range(6)]
    ran = "".join(vm.read("/runs") for vm in machines).split()
    assert sorted(ran) == [str(i) for i in range(6)]
    assert "is now" not in await notes(job)
    assert nothing_left(lab, *machines)


def _more_than(count: int) -> Callable[[dict[str, object]], bool]:
    batches: list[object] = []

    def enough(fact: dict[str, object]) -> bool:
        batches.append(fact)
        return len(batches) > count

    return enough


async def test_after_a_broken_connection_only_the_rest_of_an_output_is_sent(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    [vm] = hosts()
    vm.delay(20)  # or it would all have come before anybody could break it
    size = 100_000_000
    job = await batchio.run(
        ["sh", "-c", f"head -c {size} /dev/urandom > large; sha256sum large"],
        provider="ssh", hosts=[vm.name], download=str(tmp_path / "back"),
    )  # fmt: skip
    here = tmp_path / "back" / f".batchio-{job.id}" / "0.1" / "large"
    async with batchio.connect(vm.name) as node:
        await seen(job, "tasks_finished")
        await asyncio.to_thread(grown, here, size // 2)
        with pytest.raises(Unreachable):
            await node.run(["sh", "-c", "kill -9 $(pidof sshd sshd-session)"])
    result = await job.wait(timeout=90)

    assert result.outcome == "succeeded"
    assert await history(job, "node_heard")
    assert [row.attempt for row in result.tasks] == [1]
    assert digest(tmp_path / "back" / "0" / "large") == (await digests(job))[0]
    assert size < await sent_by(vm) < 1.4 * size
    assert "from the beginning" not in await notes(job)
    assert nothing_left(lab, vm)


def grown(path: Path, size: int) -> None:
    """Return when the file has so many bytes."""
    while not path.exists() or path.stat().st_size < size:
        time.sleep(0.01)


async def sent_by(vm: Vm) -> int:
    """Bytes that have left the host by its cable."""
    async with batchio.connect(vm.name) as node:
        counters = (await node.run(["grep", "eth0", "/proc/net/dev"])).stdout.split()
    return int(counters[9])


async def test_a_newer_local_file_is_kept_and_that_is_said(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    [vm] = hosts()
    back = tmp_path / "back"
    place = back / "0" / "result"
    place.parent.mkdir(parents=True)
    place.write_text("mine, old")
    os.utime(place, (1, 1))
    job = await batchio.run(
        ["sh", "-c", "until [ -e /go ]; do sleep 0.05; done; echo theirs | tee result > other"],
        provider="ssh", hosts=[vm.name], download=str(back),
    )  # fmt: skip
    await seen(job, "tasks_started")
    place.with_name("other").write_text("mine, newer")
    async with batchio.connect(vm.name) as node:
        await node.run("touch /go")
    begun = time.time()
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    found = {path.name: path.read_text() for path in place.parent.iterdir()}
    assert found == {"result": "theirs\n", "other": "theirs\n", "other~": "mine, newer"}
    assert f"{place.with_name('other')} was newer than the job" in await notes(job)
    assert begun - 60 < place.stat().st_mtime < time.time() + 60


async def test_output_is_kept_as_files_too_when_asked(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    [vm] = hosts()
    job = await batchio.run(
        ["sh", "-c", "echo out $BATCHIO_TASK_ID; echo err >&2"], ntasks=2, provider="ssh",
        hosts=[vm.name], download=str(tmp_path), pipe_to_files=True,
    )  # fmt: skip
    await job.wait(timeout=60, check=True)

    assert (tmp_path / "1" / "task-1.out").read_text() == "out 1\n"
    assert (tmp_path / "0" / "task-0.err").read_text() == "err\n"

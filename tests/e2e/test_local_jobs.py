"""Whole jobs on this computer: a detached head, a real agent, a real journal."""

import asyncio
import hashlib
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import batchio
from batchio.errors import HeadGone, JobFailed
from batchio.node_shell import command_for
from batchio.stores.folder import FolderWorkspace
from tests.house import leftovers

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]


def script(folder: Path, text: str, name: str = "task.sh") -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    return str(path)


async def finished(command: str | list[str], **options: Any) -> batchio.Result:
    job = await batchio.run(command, **options)
    return await job.wait(timeout=60)


async def printed(job: batchio.Job | str, **which: Any) -> list[str]:
    found = job if isinstance(job, batchio.Job) else await batchio.open_job(job)
    return [line.text async for line in found.logs(**which)]


async def until(job: batchio.Job, event: str, count: int = 1) -> None:
    """Return when so many tasks were named by events of this kind."""
    async for fact in job.events():
        if fact["event"] == event:
            count -= len(fact.get("tasks", [0]))
        if count <= 0:
            return


async def test_words_arrive_byte_for_byte(tmp_path: Path) -> None:
    words = ["", "two words", "$HOME", "a\nb", "'", '"', "*", "\\$x", "é"]
    show = "import sys; print(sys.argv[1:])"

    result = await finished(["python3", "-c", show, *words])

    assert await printed(result.job.id) == [str(words)]


async def test_inputs_reach_their_tasks(tmp_path: Path) -> None:
    result = await finished(
        ["echo", "$BATCHIO_TASK_INPUT", "$NAME"],
        map_over_values=["a b", "c,d"],
        map_over_input_var="NAME",
    )

    assert sorted(await printed(result.job.id)) == ["a b a b", "c,d c,d"]


async def test_variables_of_a_task_reach_it() -> None:
    records = [{"FOO": 1, "BAR": "x"}, {"FOO": 2, "BAR": "y"}]

    result = await finished(["sh", "-c", "echo $FOO$BAR"], map_over_task_var_dicts=records)

    assert sorted(await printed(result.job.id)) == ["1x", "2y"]


async def test_a_failing_task_is_retried_and_its_attempts_are_told_apart(tmp_path: Path) -> None:
    path = script(tmp_path, 'echo "attempt $BATCHIO_ATTEMPT"; [ "$BATCHIO_ATTEMPT" = 3 ]')

    result = await finished(path, max_retries=2, retry_delay=0.01)

    assert result.outcome == "succeeded"
    assert await printed(result.job.id) == [f"attempt {n}" for n in (1, 2, 3)]
    assert await printed(result.job.id, attempt=2) == ["attempt 2"]


async def test_an_exit_code_that_is_not_listed_is_not_retried(tmp_path: Path) -> None:
    result = await finished(script(tmp_path, "exit 3"), max_retries=5, retry_on="1-2")

    [row] = result.tasks
    assert (result.outcome, row.exit_code, row.attempt) == ("failed", 3, 1)


async def test_waiting_with_check_raises_when_a_task_failed() -> None:
    job = await batchio.run(["false"])

    with pytest.raises(JobFailed):
        await job.wait(timeout=60, check=True)


async def test_a_cancelled_job_leaves_nothing_running(
    tmp_path: Path, left_behind: Callable[[], list[leftovers.Leftover]]
) -> None:
    path = script(
        tmp_path,
        "trap '' TERM\n"
        "setsid sh -c \"trap '' TERM; echo $$ > $1; sleep 1000\" &\n"
        "echo up\nsleep 1000",
    )
    job = await batchio.run([path, str(tmp_path / "pid")], grace=0.2, ntasks=3, slots=2)
    await until(job, "tasks_started", 2)

    await job.cancel(why="enough")
    result = await job.wait(timeout=60)

    assert (result.outcome, result.exit_code) == ("cancelled", 4)
    assert [row.outcome for row in result.tasks] == ["cancelled"] * 3
    assert left_behind() == []


async def test_one_task_can_be_cancelled_and_the_others_go_on(tmp_path: Path) -> None:
    path = script(tmp_path, 'echo up; [ "$BATCHIO_TASK_ID" = 1 ] && exec sleep 1000; exit 0')
    job = await batchio.run(path, ntasks=3, slots=3)
    await until(job, "tasks_finished", 2)

    await job.cancel(1)
    result = await job.wait(timeout=60)

    outcomes = [row.outcome for row in result.tasks]
    assert outcomes == ["succeeded", "cancelled", "succeeded"]


async def test_a_task_that_takes_too_long_is_ended() -> None:
    result = await finished(["sleep", "1000"], task_timeout=0.2, grace=0.2)

    [row] = result.tasks
    assert (result.outcome, row.outcome) == ("failed", "timed_out")


async def test_a_job_that_takes_too_long_is_ended() -> None:
    result = await finished(["sleep", "1000"], job_timeout=0.3, ntasks=3, slots=2, grace=0.2)

    assert (result.outcome, result.exit_code) == ("timed_out", 5)


async def test_failed_tasks_of_a_done_job_run_again(tmp_path: Path) -> None:
    switch = tmp_path / "on"
    path = script(tmp_path, f'[ "$BATCHIO_TASK_ID" != 2 ] || [ -e {switch} ]')
    job = await batchio.run(path, ntasks=4)
    assert (await job.wait(timeout=60)).outcome == "failed"
    switch.touch()

    again = await job.retry()
    result = await job.wait(timeout=60)

    assert again == [2]
    assert result.outcome == "succeeded"
    assert [row.attempt for row in result.tasks] == [1, 1, 2, 1]


async def test_uploads_arrive_and_outputs_come_back_per_task(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "in.txt").write_text("in")
    path = script(tmp_path, "cat data/in.txt > out-$BATCHIO_TASK_ID.txt; mkdir sub; echo x > sub/y")
    results = tmp_path / "results"

    result = await finished(path, ntasks=2, upload=str(tmp_path / "data"), download=str(results))

    found = {str(p.relative_to(results)): p.read_text() for p in results.rglob("*") if p.is_file()}
    assert result.outcome == "succeeded"
    assert found == {
        "0/out-0.txt": "in", "0/sub/y": "x\n", "1/out-1.txt": "in", "1/sub/y": "x\n",
    }  # fmt: skip


async def test_a_killed_head_is_missed_and_the_job_recovered(
    tmp_path: Path, workspace: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    path = script(tmp_path, f'echo "$BATCHIO_TASK_ID" >> {tmp_path}/ran; cat {gate}')
    job = await batchio.run(path, ntasks=4, slots=2)
    await until(job, "tasks_started", 2)
    holder = FolderWorkspace(workspace).job(job.id).leader()
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)

    with pytest.raises(HeadGone):
        await job.wait(timeout=60)
    assert await batchio.unattended() == [job.id]
    assert await job.recover()
    assert await batchio.unattended() == []
    done = asyncio.create_task(job.wait(timeout=60))
    while not done.done():  # every task waits for somebody to open its gate and close it
        await asyncio.to_thread(_open_once, gate, done)
    result = await done

    assert result.outcome == "succeeded"
    assert sorted((tmp_path / "ran").read_text().split()) == ["0", "1", "2", "3"]
    assert [row.attempt for row in result.tasks] == [1] * 4


def _open_once(gate: Path, done: "asyncio.Task[Any]") -> None:
    with suppress(OSError):  # nobody reads just now
        os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))


async def test_a_job_can_run_inside_the_callers_loop(workspace: Path) -> None:
    job = await batchio.run(["true"], head="inline", ntasks=3)

    assert FolderWorkspace(workspace).job(job.id).leader() is None
    assert (await job.wait(timeout=5)).outcome == "succeeded"


async def test_a_secret_reaches_the_task_and_no_disk(workspace: Path) -> None:
    secret = "hunter2-" + os.urandom(8).hex()
    digest = "import hashlib,os; print(hashlib.sha256(os.environ['TOKEN'].encode()).hexdigest())"

    result = await finished(["python3", "-c", digest], secret_env={"TOKEN": secret})

    assert await printed(result.job.id) == [hashlib.sha256(secret.encode()).hexdigest()]
    for path in workspace.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


async def test_much_output_comes_back_whole(tmp_path: Path) -> None:
    size = 30_000_000
    noise = (
        "import hashlib,os,sys\nh=hashlib.sha256()\n"
        f"for _ in range({size // 100_000}):\n"
        "    b=os.urandom(50_000).hex().encode(); h.update(b); sys.stdout.buffer.write(b)\n"
        "print(h.hexdigest(),file=sys.stderr)\n"
    )

    result = await finished(["python3", "-c", noise])

    out = hashlib.sha256()
    for chunk in await printed(result.job.id, stream="stdout"):
        out.update(chunk.encode())
    assert [out.hexdigest()] == await printed(result.job.id, stream="stderr")


async def test_a_visitor_finds_the_tasks_folder_and_environment(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    path = script(tmp_path, f"echo here > mark; echo up; cat {gate}")
    job = await batchio.run(path, env={"COLOUR": "blue"}, ntasks=2, slots=2)
    await until(job, "tasks_started", 2)
    look = "cat mark; echo $COLOUR $BATCHIO_TASK_ID"

    argv = command_for(await job._machine(), 1, ["sh", "-c", look])
    seen = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True)
    await job.cancel()
    await job.wait(timeout=60)

    assert seen.stdout == "here\nblue 1\n"

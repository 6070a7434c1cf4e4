"""Every public verb, under asyncio, under trio, and blocking; none that reads needs the engine."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest
import trio

import batchio
from batchio import api, sync
from batchio.runtime import bridge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

SCRIPT = (
    "echo out $BATCHIO_TASK_ID; echo err >&2; echo x > made.txt; exit $((BATCHIO_TASK_ID == 1))"
)
OPTIONS: dict[str, Any] = {"ntasks": 3, "slots": 2, "shell": True}


def in_asyncio(work: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await work()

    return asyncio.run(main())


def in_trio(work: Callable[[], Awaitable[Any]]) -> Any:
    return trio.run(work)


hosts = pytest.mark.parametrize("host", [in_asyncio, in_trio])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A workspace with one job that is over: task 1 failed."""
    place = str(tmp_path_factory.mktemp("workspace"))
    job = sync.run(SCRIPT, workspace=place, name="mixed", **OPTIONS)
    assert job.wait(timeout=60).exit_code == 1
    return place


async def all_of(items: Any) -> list[Any]:
    return [item async for item in items]


async def looked(job: api.Job) -> Any:
    async with job.live() as live:
        rows = live.rows(live.select(batchio.Where(standing=frozenset(["failed"]))))
        attempts = await live.attempts(1)
        now = live.view.counts
        await live.seek(1)
        then = live.view.counts.pending
        await live.seek(None)
        changes = [change.job async for change in live.changes()]
        assert (live.view.counts, live.done, live.gone) == (now, True, False)
        return [row.id for row in rows], [a.exit_code for a in attempts], then, changes, live.why(1)


async def paged(job: api.Job) -> tuple[int, list[str], int | None]:
    """How many lines there are, one page, and where a text is."""
    async with job.log_pages(task="1-2") as pages:
        return len(pages), [line.text for line in await pages.page(0, 9)], await pages.find("ERR")


READ: dict[str, Callable[[api.Job, Path], Awaitable[Any]]] = {
    "wait": lambda job, _: job.wait(),
    "status": lambda job, _: job.status(),
    "events": lambda job, _: all_of(job.events()),
    "logs": lambda job, _: all_of(job.logs(task=1, follow=True)),
    "raw_logs": lambda job, _: all_of(job.raw_logs(task="0,2")),
    "log_pages": lambda job, _: paged(job),
    "head_log": lambda job, _: job.head_log(),
    "outputs": lambda job, _: job.outputs(),
    "download": lambda job, target: job.download(target),
    "bring_back": lambda job, folder: job.bring_back(folder.parent),
    "explain": lambda job, _: job.explain(1),
    "inputs": lambda job, _: job.inputs([2, 0]),
    "changed_files": lambda job, folder: job.changed_files(folder),
    "attempts": lambda job, _: job.attempts(1),
    "stdout": lambda job, _: job.stdout(2),
    "stderr": lambda job, _: job.stderr(1),
    "live": lambda job, _: looked(job),
    "reproduce": lambda job, _: job.reproduce(1),
    "report": lambda job, _: job.report(),
    "save_report": lambda job, target: job.save_report(target),
}
"""Verbs of a job that change nothing, but the folder that `download` is given."""

CHANGE = {"cancel", "retry", "recover", "note", "command_at"}
"""Verbs that are tried in tests of their own below."""


def test_every_verb_of_a_job_is_tried_here() -> None:
    verbs = {n for n, _ in inspect.getmembers(api.Job, inspect.isfunction) if n[0] != "_"}
    assert verbs == {*READ, *CHANGE}


@hosts
@pytest.mark.parametrize("verb", READ)
def test_a_verb_that_reads_runs_in_the_loop_of_its_caller(
    place: str, host: Any, verb: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(*_: object) -> Any:
        raise AssertionError("the engine's thread was asked")

    monkeypatch.setattr(bridge, "_from_trio", never)

    async def work() -> Any:
        job = await batchio.open_job("mixed", workspace=place)
        return await READ[verb](job, tmp_path / "mine")

    found = host(work)
    if verb == "live":
        assert found[:4] == ([1], [1], 3, [True])
        assert found[4][0].startswith("Task 1 failed with exit code 1")
    elif verb == "logs":
        assert [(line.text, line.stream) for line in found] == [
            ("out 1", "stdout"), ("err", "stderr"),
        ]  # fmt: skip
    elif verb == "raw_logs":
        assert sorted(piece.data for piece in found) == [b"err\n"] * 2 + [b"out 0\n", b"out 2\n"]
    elif verb == "events":
        assert (found[0]["event"], found[-1]["event"]) == ("job_submitted", "job_closed")
    elif verb == "download":
        assert found.tasks == 3
    elif verb == "log_pages":
        assert (found[0], sorted(found[1])) == (
            4,
            ["err", "err", "out 1", "out 2"],
        )
        assert found[1][found[2]] == "err"
    elif verb == "inputs":
        assert found == [None, None]
    elif verb == "attempts":
        assert [attempt.exit_code for attempt in found] == [1]
    elif verb in ("stdout", "stderr"):
        assert found == {"stdout": "out 2\n", "stderr": "err\n"}[verb]
    elif verb == "reproduce":
        assert "export BATCHIO_TASK_ID=1" in found
    elif verb == "report":
        assert found.startswith("<!DOCTYPE html>")
    elif verb == "save_report":
        assert (tmp_path / "mine").read_text().startswith("<!DOCTYPE html>")
    elif verb == "status":
        assert (found.state, found.counts.failed) == ("done", 1)


@pytest.mark.parametrize("verb", READ)
def test_a_verb_that_reads_needs_no_loop_at_all(
    place: str, verb: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bridge, "blocking", None)
    monkeypatch.setattr(sync, "blocking", None)
    job = sync.open_job("mixed", workspace=place)
    if verb == "live":
        with job.live() as live:
            rows = live.rows(live.select(batchio.Where(standing=frozenset(["failed"]))))
            assert [row.id for row in rows] == [1]
            assert [a.exit_code for a in live.attempts(1)] == [1]
            live.seek(1)
            assert live.view.counts.pending == 3
            live.seek(None)
            assert [change.job for change in live.changes()] == [True]
            assert (live.done, live.gone, live.look(), live.sending()) == (True, False, None, None)
            assert live.view.counts.failed == 1
            assert live.position > 1
            assert live.failures()[0].ids == "1"
            assert live.why(1)[0].startswith("Task 1 failed")
    elif verb == "log_pages":
        with job.log_pages(task=1) as pages:
            assert (len(pages), pages.read(), pages.find("nothing")) == (2, 1.0, None)
            assert [line.task for line in pages.page(pages.at(0.0), 9)] == [1, 1]
    elif verb in ("events", "logs", "raw_logs"):
        assert list(getattr(job, verb)())
    elif verb == "bring_back":
        assert job.bring_back(tmp_path) == []
        assert (tmp_path / "made.txt").read_text() == "x\n"
    elif verb == "save_report":
        job.save_report(tmp_path / "mine")
        with pytest.raises(batchio.UsageError, match="is there already") as raised:
            job.save_report(tmp_path / "mine")
        assert raised.value.hint == "force=True writes over it"
    elif verb == "download":
        assert job.download(tmp_path / "mine").tasks == 3
    elif verb == "inputs":
        assert job.inputs([2, 0]) == [None, None]
    elif verb in ("attempts", "stdout", "stderr", "reproduce"):
        assert getattr(job, verb)(1)
    else:
        getattr(job, verb)()


@hosts
def test_verbs_of_the_workspace_run_in_the_loop_of_their_caller(
    place: str, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "_from_trio", None)

    async def work() -> None:
        assert [job.name for job in await batchio.list_jobs(workspace=place)] == ["mixed"]
        async with batchio.watch_jobs(place) as seen:
            assert [job.name for job in await anext(seen)] == ["mixed"]
        assert await batchio.unattended(workspace=place) == []
        assert (await batchio.status(workspace=place)).name == "mixed"
        assert (await batchio.wait(workspace=place)).outcome == "failed"
        assert (await batchio.plan("true", workspace=place)).tasks == 1

    host(work)


@hosts
@pytest.mark.parametrize("head", ["local", "inline"])
def test_a_job_is_run_cancelled_and_retried(host: Any, head: Any, tmp_path: Path) -> None:
    go = tmp_path / "go"

    async def work() -> None:
        script = f"test $BATCHIO_TASK_ID = 0 || test -e {go}"
        job = await batchio.run(
            script, workspace=str(tmp_path / "w"), shell=True, ntasks=2, head=head
        )
        assert (await job.wait(timeout=60)).outcome == "failed"
        go.touch()
        assert await job.retry() == [1]
        assert (await job.wait(timeout=60)).outcome == "succeeded"
        assert await job.recover() is False
        await job.cancel()

    host(work)


@hosts
def test_a_running_job_is_followed_cancelled_and_reached(host: Any, tmp_path: Path) -> None:
    async def work() -> None:
        job = await batchio.run(
            ["sh", "-c", "echo begun; exec sleep 60"], workspace=str(tmp_path / "w")
        )
        async with job.logs(follow=True) as lines:
            async for line in lines:
                assert line.text == "begun"
                break
        async with job.live() as live:  # a line may be there before the news that its task runs
            changes = live.changes()
            while live.rows([0])[0].state != "running":
                await anext(changes)
        await job.note("looks well")
        assert (await job.status()).notes[-1][1] == "looks well"
        argv = await job.command_at(0, ["true"])
        assert argv
        with pytest.raises(TimeoutError):
            await job.wait(timeout=0.05)
        async with job.live() as live:
            await job.cancel(why="enough")
            tasks: set[int] = set()
            async for change in live.changes():
                tasks |= set(change.tasks)
            assert (tasks, live.view.outcome, live.view.why) == ({0}, "cancelled", "enough")
        for words in ("", "x" * 1001, "too late"):
            with pytest.raises(batchio.UsageError):
                await job.note(words)

    host(work)


@hosts
def test_waiting_is_cancelled_at_once_and_lets_go_of_the_journal(
    host: Any, place: str, tmp_path: Path
) -> None:
    async def in_loop(job: api.Job) -> None:
        if host is in_trio:
            with trio.move_on_after(0.1) as scope:
                await job.wait()
            assert scope.cancelled_caught
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(job.wait(), 0.1)

    async def work() -> None:
        job = await batchio.run(["sleep", "60"], workspace=str(tmp_path / "w"))
        await in_loop(job)
        await job.cancel()
        await job.wait(timeout=60)

    host(work)

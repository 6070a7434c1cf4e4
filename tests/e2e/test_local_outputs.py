"""What tasks leave on this computer, and where: whole jobs, real agents."""

import asyncio
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Any

import pytest

import batchio
from batchio.errors import UsageError
from batchio.stores.folder import FolderWorkspace

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder that no task may write to."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "authorized_keys").write_text("mine")
    os.utime(folder / "authorized_keys", (1, 1))
    return folder


def untouched(victim: Path) -> bool:
    names = [path.name for path in victim.iterdir()]
    return names == ["authorized_keys"] and (victim / "authorized_keys").read_text() == "mine"


async def finished(line: str, **options: Any) -> batchio.Job:
    job = await batchio.run(["sh", "-c", line], retry_delay=0.01, **options)
    await job.wait(timeout=60)
    return job


LINK_THEN_FOLDER = (
    "if [ $BATCHIO_ATTEMPT = 1 ]; then ln -s {} d; exit 1; fi; "
    "mkdir d; echo pwned > d/authorized_keys; echo pwned > d/new"
)


@pytest.mark.parametrize("download", [True, False], ids=["download", "workspace"])
async def test_no_attempt_writes_through_a_link_of_an_earlier_one(
    tmp_path: Path, victim: Path, download: bool
) -> None:
    where = {"download": str(tmp_path / "res")} if download else {}
    job = await finished(LINK_THEN_FOLDER.format(victim), max_retries=1, **where)

    assert untouched(victim)
    left = await job.outputs() / "0" / "d"
    assert not left.is_symlink()
    assert (left / "authorized_keys").read_text() == "pwned\n"


async def test_no_retry_writes_through_a_link_of_the_time_before(
    tmp_path: Path, victim: Path
) -> None:
    mark = tmp_path / "again"
    line = f"if [ -e {mark} ]; then mkdir d; echo 1 > d/new; else ln -s {victim} d; false; fi"
    job = await finished(line, download=str(tmp_path / "res"))
    assert (tmp_path / "res/0/d").is_symlink()
    mark.touch()

    await job.retry()
    await job.wait(timeout=60)

    assert untouched(victim)
    assert (tmp_path / "res/0/d/new").read_text() == "1\n"


async def test_no_job_writes_through_a_link_of_an_earlier_one(tmp_path: Path, victim: Path) -> None:
    res = tmp_path / "res"
    await finished(f"ln -s {victim} d; ln -s {victim}/authorized_keys f", download=str(res))
    assert (res / "0/d").is_symlink()

    with pytest.warns(batchio.BatchioWarning, match="contains files of job"):
        await finished("mkdir d; echo 2 | tee d/new > f", download=str(res))

    assert untouched(victim)
    assert (res / "0/d/new").read_text() == (res / "0/f").read_text() == "2\n"


async def test_a_copy_of_outputs_follows_no_link(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "got" / "0").mkdir(parents=True)
    (tmp_path / "got" / "0" / "d").symlink_to(victim)
    (tmp_path / "got" / "1").symlink_to(victim)
    job = await finished("mkdir d; echo 1 > d/new; ln -s d/new link", ntasks=2)

    done = await job.download(tmp_path / "got")

    assert untouched(victim)
    assert done.tasks == 2
    assert (tmp_path / "got/0/d/new").read_text() == "1\n"
    assert os.readlink(tmp_path / "got/1/link") == "d/new"
    assert [said.rpartition("; ")[2] for said in sorted(done.kept)] == [
        f"it is now {tmp_path}/got/0/d~",
        f"it is now {tmp_path}/got/1~",
    ]


async def test_a_copy_is_made_again_without_a_word_and_keeps_what_somebody_wrote(
    tmp_path: Path,
) -> None:
    got = tmp_path / "got"
    job = await finished("echo 1 > a; echo 1 > b; mkdir empty")
    assert (await job.download(got)).kept == ()
    assert (await job.download(str(got))).kept == ()
    (got / "0" / "b").write_text("mine")

    [said] = (await job.download(got)).kept

    assert said.startswith(f"{got}/0/b was newer than the job")
    assert (got / "0" / "b~").read_text() == "mine"
    assert sorted(path.name for path in got.iterdir()) == ["0"]


async def test_a_copy_into_the_outputs_themselves_is_nothing_or_refused(tmp_path: Path) -> None:
    job = await finished("echo 1 > a")
    there = await job.outputs()

    assert await job.download(there) == (1, (), ())
    with pytest.raises(UsageError, match="is inside"):
        await job.download(there / "0" / "copy")


def below(folder: Path) -> dict[str, str]:
    """Path and content of every file below a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in found}


async def test_a_folder_with_outputs_of_an_earlier_job_is_said_and_emptied_of_them_only(
    tmp_path: Path,
) -> None:
    res = tmp_path / "res"
    old = await finished("mkdir -p d/e; echo old | tee a d/e/b > c", ntasks=2, download=str(res))
    (res / "0" / "a").write_text("mine now")
    (res / "0" / "mine").write_text("mine")
    (res / "1" / "d" / "e" / "b").unlink()

    words = ["sh", "-c", "echo new > a"]
    [said] = (await batchio.plan(words, download=str(res))).warnings
    assert said == (
        f"{res} contains files of job {old.id}, and this job keeps those it does not overwrite; "
        "to remove them first: download_clean=True"
    )
    assert below(res)["1/c"] == "old\n"

    assert (await batchio.plan(words, download=str(res), download_clean=True)).warnings == ()
    assert below(res)["1/c"] == "old\n"
    await finished("echo new > n", download=str(res), download_clean=True)

    assert below(res) == {"0/a": "mine now", "0/mine": "mine", "0/n": "new\n"}
    assert sorted(path.name for path in res.iterdir()) == ["0"]


async def test_a_copy_of_outputs_is_said_to_join_others_and_may_replace_them(
    tmp_path: Path,
) -> None:
    got = tmp_path / "got"
    one = await finished("echo 1 > one", ntasks=2)
    other = await finished("echo 2 > two")
    assert (await one.download(got)).others == ()
    assert (await one.download(got)).others == ()
    assert (await other.download(got)).others == (one.id,)
    assert set(below(got)) == {"0/one", "1/one", "0/two"}

    assert (await other.download(got, clean=True)).others == ()

    assert below(got) == {"0/two": "2\n"}


async def test_outputs_that_lie_nowhere_else_are_never_removed(tmp_path: Path) -> None:
    job = await finished("echo 1 > one", download=str(tmp_path / "res"))
    await job.download(tmp_path / "res", clean=True)
    assert below(tmp_path / "res") == {"0/one": "1\n"}


async def test_the_folder_of_a_job_that_runs_is_not_emptied(tmp_path: Path) -> None:
    res, go = tmp_path / "res", tmp_path / "go"
    line = f"echo > out; [ $BATCHIO_TASK_ID = 0 ] || until [ -e {go} ]; do sleep 0.05; done"
    job = await batchio.run(["sh", "-c", line], ntasks=2, download=str(res))
    async for fact in job.events():
        if fact["event"] == "tasks_collected":
            break
    with pytest.raises(UsageError, match=f"job {job.id} is still running"):
        await batchio.run(["true"], download=str(res), download_clean=True)
    go.touch()
    await job.wait(timeout=60, check=True)
    assert sorted(below(res)) == ["0/out", "1/out"]


async def test_no_link_is_followed_when_a_folder_is_emptied(tmp_path: Path, victim: Path) -> None:
    res = tmp_path / "res"
    job = await finished("mkdir d; echo mine > d/authorized_keys; ln -s d link", download=str(res))
    kept = victim / "authorized_keys"
    kept.write_text("mine\n")
    shutil.copystat(res / "0/d/authorized_keys", kept)
    shutil.rmtree(res / "0/d")
    (res / "0/d").symlink_to(victim)

    await job.download(tmp_path / "other")
    await finished("true", download=str(res), download_clean=True)

    assert kept.exists()
    assert os.listdir(res / "0") == ["d"]


async def test_no_bit_travels_that_gives_rights_to_others(tmp_path: Path) -> None:
    await finished("cp /bin/true s; chmod 6777 s; cp s t; chmod 1755 t", download=str(tmp_path))

    assert stat.S_IMODE((tmp_path / "0/s").stat().st_mode) == 0o777
    assert stat.S_IMODE((tmp_path / "0/t").stat().st_mode) == 0o755


async def test_a_file_in_the_way_costs_no_second_run(tmp_path: Path) -> None:
    (tmp_path / "res").mkdir()
    count = tmp_path / "count"
    job = await batchio.run(
        [
            "sh",
            "-c",
            f"rmdir {tmp_path}/res && echo x > {tmp_path}/res; echo run >> {count}; echo 1 > a",
        ],
        download=str(tmp_path / "res"),
    )
    async for fact in job.events():
        if fact["event"] == "noted" and "cannot be saved" in fact["text"]:
            break
    (tmp_path / "res").unlink()
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    assert count.read_text() == "run\n"
    assert (tmp_path / "res/0/a").read_text() == "1\n"


async def test_a_folder_in_the_way_of_a_file_is_kept_beside_it(tmp_path: Path) -> None:
    (tmp_path / "res/0/out/mine").mkdir(parents=True)

    await finished("echo hi > out", download=str(tmp_path / "res"))

    assert (tmp_path / "res/0/out").read_text() == "hi\n"
    assert (tmp_path / "res/0/out~/mine").is_dir()


async def test_more_than_max_output_is_a_failure_with_its_words(tmp_path: Path) -> None:
    job = await batchio.run(
        ["sh", "-c", "[ $BATCHIO_TASK_ID = 0 ] && head -c 3000000 /dev/zero > big; echo > small"],
        ntasks=2, max_output="1MB", max_infra_retries=5, download=str(tmp_path / "res"),
    )  # fmt: skip
    result = await job.wait(timeout=60)

    rows = list(result.tasks)
    assert [row.outcome for row in rows] == ["failed", "succeeded"]
    assert [row.attempt for row in rows] == [1, 1]
    assert any(
        'refused: they are larger than max_output="1 MB"' in line for line in await job.explain(0)
    )
    assert [path.name for path in (tmp_path / "res").iterdir()] == ["1"]


@pytest.mark.filterwarnings("ignore:.* contains files of job")
async def test_two_jobs_at_once_share_a_folder(tmp_path: Path) -> None:
    line = "for n in 1 2 3 4 5; do echo $BATCHIO_JOB_ID > f$n; done"
    jobs = [await batchio.run(["sh", "-c", line], ntasks=8, download=str(tmp_path)) for _ in "ab"]
    results = await asyncio.gather(*(job.wait(timeout=60) for job in jobs))

    assert [result.outcome for result in results] == ["succeeded", "succeeded"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.isdecimal()) == list(
        "01234567"
    )
    assert {path.name for path in tmp_path.glob("0/f?")} == {f"f{n}" for n in range(1, 6)}
    assert not list(tmp_path.glob(".batchio-*"))


async def running(tmp_path: Path, workspace: Path) -> batchio.Job:
    """A job of two tasks: one has ended, the other waits for a file."""
    line = (
        f"echo > out; [ $BATCHIO_TASK_ID = 0 ] || until [ -e {tmp_path}/go ]; do sleep 0.05; done"
    )
    job = await batchio.run(["sh", "-c", line], ntasks=2, workspace=str(workspace))
    async for fact in job.events():
        if fact["event"] == "tasks_collected":
            break
    return job


def until_gone(pid: int) -> None:
    """Return when a head has ended."""
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text():
        time.sleep(0.05)


async def test_a_job_that_is_moved_goes_on_where_it_is_now(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    job = await running(tmp_path, old)
    head = _head_of(old, job.id)

    old.rename(new)
    (tmp_path / "go").touch()
    await asyncio.to_thread(until_gone, head)

    assert not old.exists()
    moved = await batchio.open_job(job.id, workspace=str(new))
    await moved.recover()
    result = await moved.wait(timeout=60)
    assert result.outcome == "succeeded"
    assert sorted(p.name for p in (await moved.outputs()).iterdir()) == ["0", "1"]
    assert result.tasks[0].attempt == 1


async def test_a_job_that_is_deleted_leaves_no_ghost(tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    job = await running(tmp_path, workspace)
    head = _head_of(workspace, job.id)

    shutil.rmtree(workspace / "jobs" / job.id)
    (tmp_path / "go").touch()
    await asyncio.to_thread(until_gone, head)

    assert await batchio.list_jobs(workspace=str(workspace)) == []
    assert not (workspace / "jobs" / job.id).exists()
    shutil.rmtree(f"/var/tmp/batchio-{os.getuid()}/{job.id}.0", ignore_errors=True)


def _head_of(workspace: Path, job: str) -> int:
    leader = FolderWorkspace(workspace).job(job).leader()
    assert leader
    return leader.pid

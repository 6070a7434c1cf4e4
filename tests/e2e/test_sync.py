"""--sync: what is in a folder goes to the tasks, and what they make of it comes back to it."""

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import kill_head, notes, nothing_left, seen
from tests.testbed.client import Lab

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]

WORK = (
    "tr a-z A-Z < in.txt > new && mv new in.txt && mkdir -p made/empty && echo $BATCHIO_TASK_ID > "
    "made/$BATCHIO_TASK_ID && echo all > made/same && echo $BATCHIO_TASK_ID > made/mine"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the user's with two inputs, last changed long ago."""
    project = tmp_path / "project"
    (project / "sub").mkdir(parents=True)
    for name in ("in.txt", "sub/other.txt"):
        (project / name).write_text(name)
        os.utime(project / name, (1, 1))
    return project


def below(folder: Path) -> dict[str, str]:
    """Path and content of every file and link below a folder."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in found
    }


async def finished(line: str, folder: Path, **options: Any) -> batchio.Job:
    job = await batchio.run(["sh", "-c", line], sync=str(folder), **options)
    await job.wait(timeout=60, check=True)
    return job


async def as_promised(folder: Path, **options: Any) -> batchio.Job:
    """Run a job of two tasks, and compare what came back."""
    job = await finished(WORK, folder, ntasks=2, **options)
    assert below(folder) == {
        "in.txt": "IN.TXT", "sub/other.txt": "sub/other.txt", "made/0": "0\n", "made/1": "1\n",
        "made/same": "all\n", "0/made/mine": "0\n", "1/made/mine": "1\n",
    }  # fmt: skip
    assert (folder / "made" / "empty").is_dir()
    said = f"made/mine was written by several tasks; their versions are in {folder}/ID"
    assert said in await notes(job)
    return job


async def test_what_tasks_make_comes_back_to_its_place_here(folder: Path) -> None:
    await as_promised(folder)


async def test_what_tasks_make_comes_back_to_its_place_from_hosts(
    hosts: MakeHosts, lab: Lab, folder: Path
) -> None:
    machines = hosts(2)
    await as_promised(folder, hosts=names(machines), slots=1)
    assert nothing_left(lab, *machines)


async def test_what_came_back_is_not_sent_again_unless_it_is_an_input(folder: Path) -> None:
    await as_promised(folder)
    (folder / "made" / "0").write_text("changed by me")
    plan = await batchio.plan(["true"], sync=str(folder))
    assert set(plan.files) == {"in.txt", "sub/other.txt", "made/0"}

    await finished("cat in.txt made/0 > both; echo 2 > made/same", folder)
    assert below(folder)["both"] == "IN.TXTchanged by me"
    assert below(folder)["made/same"] == "2\n"


async def test_what_came_back_can_be_removed_and_inputs_stay(folder: Path) -> None:
    await as_promised(folder)
    (folder / "made" / "1").write_text("mine now")
    await finished("true", folder, download_clean=True)
    assert below(folder) == {
        "in.txt": "IN.TXT", "sub/other.txt": "sub/other.txt", "made/1": "mine now",
    }  # fmt: skip


async def test_nothing_of_the_users_is_replaced_but_inputs_as_they_were_sent(
    folder: Path, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    (folder / ".gitignore").write_text("secret\nlink\n")
    (folder / "secret").write_text("not sent")
    os.utime(folder / "secret", (1, 1))
    victim = tmp_path / "victim"
    victim.mkdir()
    (folder / "link").symlink_to(victim)
    job = await batchio.run(
        ["sh", "-c", f"until [ -e {go} ]; do sleep 0.05; done; mkdir -p link; "
         "for f in in.txt sub/other.txt secret link/x; do echo task > $f; done"],
        sync=str(folder),
    )  # fmt: skip
    await seen(job, "tasks_started")
    (folder / "in.txt").write_text("edited meanwhile")
    go.touch()
    await job.wait(timeout=60, check=True)

    assert os.listdir(victim) == []
    assert below(folder) == {
        ".gitignore": "secret\nlink\n", "in.txt": "edited meanwhile", "secret": "not sent",
        "link": str(victim), "sub/other.txt": "task\n",
        "0/in.txt": "task\n", "0/secret": "task\n", "0/link/x": "task\n",
    }  # fmt: skip
    assert f"in.txt is yours; what tasks wrote there is in {folder}/ID" in await notes(job)


async def test_no_task_leaves_what_a_later_job_or_a_program_here_would_obey(
    folder: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "key"
    victim.write_text("private")
    await finished(
        f"mkdir -p .git/hooks sub/.GIT; touch .git/hooks/post-checkout sub/.GIT/x .batchio-x; "
        f"rm in.txt; ln -s {victim} in.txt; ln -s {victim} away; cp /bin/true s; chmod 6777 s",
        folder,
    )
    assert {path.name for path in folder.iterdir()} == {"in.txt", "sub", "0", "s"}
    assert (folder / "in.txt").read_text() == "in.txt"
    assert os.readlink(folder / "0" / "in.txt") == str(victim)
    assert sorted(path.name for path in (folder / "sub").iterdir()) == ["other.txt"]
    assert stat.S_IMODE((folder / "s").stat().st_mode) == 0o777
    sent = (await batchio.plan(["true"], sync=str(folder))).files
    assert set(sent) == {"in.txt", "sub/other.txt"}


async def test_files_and_folders_of_one_name_are_kept_apart(folder: Path) -> None:
    await finished(
        "if [ $BATCHIO_TASK_ID = 0 ]; then echo file > x; else mkdir x; echo inner > x/y; fi; "
        "mkdir -p 0; echo $BATCHIO_TASK_ID > 0/x",
        folder, ntasks=2,
    )  # fmt: skip
    found = below(folder)
    assert found["0/x"] == "file\n"
    assert found["1/x/y"] == "inner\n"
    assert "x" not in found
    assert (found["0/0/x"], found["1/0/x"]) == ("0\n", "1\n")


async def test_tasks_that_run_again_bring_what_they_make_then(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    job = await batchio.run(
        ["sh", "-c", f"[ -e {mark} ]; no=$?; echo $no > in.txt; echo $no > out; exit $no"],
        sync=str(folder),
    )  # fmt: skip
    await job.wait(timeout=60)
    assert (below(folder)["in.txt"], below(folder)["out"]) == ("1\n", "1\n")
    mark.touch()
    await job.retry()
    await job.wait(timeout=60, check=True)
    found = below(folder)
    assert (found["in.txt"], found["out"]) == ("0\n", "0\n")
    assert not [path for path in found if path.startswith("0/")]


async def test_a_head_that_dies_before_outputs_are_back_leaves_that_to_the_next(
    folder: Path,
) -> None:
    job = await batchio.run(
        ["sh", "-c", "echo $BATCHIO_TASK_ID > $BATCHIO_TASK_ID.out; sleep 0.$BATCHIO_TASK_ID"],
        ntasks=4, sync=str(folder),
    )  # fmt: skip
    await seen(job, "tasks_collected")
    await kill_head(job)
    await job.recover()
    await job.wait(timeout=60, check=True)
    assert {f"{task}.out" for task in range(4)} < below(folder).keys()
    assert not list(folder.glob(".batchio-*"))


async def test_a_folder_that_cannot_be_written_is_a_failure_with_its_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from batchio.runtime import merging

    monkeypatch.setattr(merging, "AGAIN_S", (0, 0.01))
    job = await batchio.run(
        ["sh", "-c", f"echo 1 > out; mv {folder} {folder}.gone"], sync=str(folder), head="inline"
    )
    result = await asyncio.wait_for(job.wait(), 60)
    assert (result.outcome, result.exit_code) == ("failed", 1)
    said = f"output files could not be copied to {folder} (No such file or directory"
    first, *_ = notes = [text for _, text in (await job.status()).notes]
    assert first.startswith(f"output files cannot be copied to {folder}: No such file")
    assert first.endswith("; batchio tries again")
    assert said in "".join(notes)
    assert said in "\n".join(await job.explain())
    assert (await job.outputs() / "0" / "out").read_text() == "1\n"

"""A workspace in a bucket that several computers share. Run by test_bucket.py, sealed only.

Another computer is another HOME, and so another cache, another current folder and process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchio.errors import NoAccess
from batchio.stores import open_workspace
from tests.contracts import sealed
from tests.contracts.filestore_kinds import s3
from tests.contracts.front import Front, Mood, well
from tests.docs.blocks import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

sealed.enter()  # before anything loads obstore or moto


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with s3(tmp_path_factory.mktemp("store")):
        made = Front(os.environ["AWS_ENDPOINT_URL"])
        with made as url:
            os.environ["AWS_ENDPOINT_URL"] = url
            yield made


@pytest.fixture
def url(front: Front, tmp_path: Path) -> Iterator[str]:
    yield f"s3://bucket/{tmp_path.name}"
    front.mood = well


CLOCK = """
import time
from batchio.runtime import steady
now = time.time
time.time = lambda: now() + {off}
time.time_ns = lambda: int(time.time() * 1e9)
steady.boot_id = lambda: "a boot of a computer whose clock is off by {off}"
"""
"""What makes Python's clock that of a computer whose clock is off."""


class Computer:
    """One with nothing on it but batchio."""

    def __init__(self, folder: Path, url: str, clock: float = 0.0) -> None:
        folder.mkdir()
        self._folder = folder
        if clock:
            (folder / "sitecustomize.py").write_text(CLOCK.format(off=clock))
        kept = {name: text for name, text in os.environ.items() if not name.startswith("XDG_")}
        own = {"HOME": str(folder), "PYTHONPATH": str(folder), "BATCHIO_WORKSPACE": url}
        self._environ = kept | own

    def type(self, *words: str, code: int = 0) -> str:
        """Run a command of batchio that ends with this code; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "batchio", *words],
            cwd=self._folder,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout or done.stderr


@pytest.fixture
def here(tmp_path: Path, url: str) -> Computer:
    return Computer(tmp_path / "here", url)


@pytest.fixture
def there(tmp_path: Path, url: str) -> Computer:
    return Computer(tmp_path / "there", url)


def test_a_job_is_seen_and_removed_from_another_computer(here: Computer, there: Computer) -> None:
    job = here.type(
        "run", "--ntasks", "2", "--shell", "printf 'task %d\\n' $BATCHIO_TASK_ID"
    ).strip()

    lines = there.type("logs", job, "--follow", "--raw").splitlines()
    there.type("wait", job)
    assert sorted(lines) == sorted(there.type("logs", "--raw").splitlines()) == ["task 0", "task 1"]
    assert there.type("logs", "--task", "1", "--raw") == "task 1\n"
    assert "has logged nothing" in there.type("logs", "--scheduler")
    assert json.loads(there.type("status", "--format", "json"))["counts"]["succeeded"] == 2
    assert job in there.type("list")
    assert "2 of 2 tasks are done" in there.type("explain")
    assert json.loads(there.type("status", job[:8], "--format", "json"))["id"] == job
    there.type("rm", job)
    assert "no jobs yet" in here.type("list")


def test_a_job_is_cancelled_and_run_again_from_another_computer(
    here: Computer, there: Computer
) -> None:
    job = here.type("run", "--shell", "test -e go || exec sleep 600").strip()
    there.type("cancel", job)
    assert json.loads(here.type("wait", job, "--format", "json", code=4))["outcome"] == "cancelled"

    there.type("retry", job)
    here.type("cancel", job)
    there.type("wait", job, code=4)


def test_the_page_about_it_is_true_word_by_word(
    here: Computer, there: Computer, tmp_path: Path
) -> None:
    page = Path("docs/how-to/share-a-workspace.md").read_text()
    lines = [line for block in parse(page) for line in block.text.splitlines()]
    [install, export, place, run, listing, follow, cancel] = lines
    assert install.startswith("pip install '.[store]' ")
    assert {word.split("=")[0] for word in export.split()[1:]} <= os.environ.keys()
    assert place == "export BATCHIO_WORKSPACE=s3://bucket/folder"
    program = "import time\nprint('works', flush=True)\ntime.sleep(600)\n"
    (tmp_path / "here/process.py").write_text(program)

    job = here.type(*run.split()[1:]).strip()

    assert job in there.type(*listing.split()[1:])
    while "works" not in there.type("logs", job):
        pass
    with ThreadPoolExecutor() as pool:
        followed = pool.submit(there.type, *follow.replace("JOB", job).split()[1:])
        there.type(*cancel.replace("JOB", job).split()[1:])
        assert "works" in followed.result()
    here.type("wait", job, code=4)


def begun(here: Computer, fifo: Path) -> str:
    """A job of one task that goes on and on, and has begun."""
    os.mkfifo(fifo)
    job = here.type("run", "--shell", f"echo x > {fifo}; exec sleep 600").strip()
    fifo.read_text()
    return job


def test_a_job_whose_head_was_killed_goes_on(here: Computer, url: str, tmp_path: Path) -> None:
    job = begun(here, tmp_path / "fifo")
    leader = open_workspace(url).job(job).leader()
    assert leader is not None
    os.kill(leader.pid, signal.SIGKILL)
    while open_workspace(url).job(job).leader() is not None:
        pass
    assert "batchio recover" in here.type("status", job)

    here.type("recover", job)
    here.type("cancel", job)
    here.type("wait", job, code=4)


def test_computers_whose_clocks_are_off_agree_on_who_leads_and_on_the_time(
    url: str, tmp_path: Path
) -> None:
    fast = Computer(tmp_path / "fast", url, clock=3600.0)
    slow = Computer(tmp_path / "slow", url, clock=-600.0)
    job = begun(fast, tmp_path / "fifo")
    assert "its head is running" in slow.type("recover", job)
    leader = open_workspace(url).job(job).leader()
    assert leader is not None
    os.kill(leader.pid, signal.SIGKILL)
    while open_workspace(url).job(job).leader() is not None:
        pass

    slow.type("recover", job)
    fast.type("cancel", job)
    slow.type("wait", job, code=4)
    seen = json.loads(fast.type("status", job, "--format", "json"))
    assert seen["outcome"] == "cancelled"
    assert seen["submitted"] <= seen["started"] <= seen["finished"] < seen["submitted"] + 300


def test_a_head_that_leads_a_job_in_a_bucket_is_a_program_of_its_own(
    here: Computer, url: str, tmp_path: Path
) -> None:
    job = begun(here, tmp_path / "fifo")
    leader = open_workspace(url).job(job).leader()
    assert leader is not None
    with open(f"/proc/{leader.pid}/cmdline", "rb") as file:
        words = file.read().split(b"\0")
    here.type("cancel", job)
    here.type("wait", job, code=4)

    assert [b"-m", b"batchio.heads", url.encode(), job.encode(), b""] == words[-5:]


# --- what cannot be used -----------------------------------------------------


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("s3://", "s3:// names no bucket"),
        ("s3://nobody/has/this", "there is no such bucket"),
        ("s3://bucket/a/../b", 'a folder in a bucket has no ".." or "." in it'),
        ("s3://bucket/a//b", "a folder in it has no name"),
        ("s3:/bucket", "a workspace cannot be at s3:"),
        ("http://bucket/a", "a workspace cannot be at http:"),
        ("memory:///", "a workspace cannot be at memory:"),
    ],
)
@pytest.mark.parametrize("words", [["run", "true"], ["list"]], ids=["run", "list"])
def test_a_place_that_is_no_workspace_is_said_in_one_line(
    here: Computer, words: list[str], place: str, said: str
) -> None:
    told = here.type(*words[:1], "--workspace", place, *words[1:], code=2)

    assert said in told.splitlines()[0]
    assert len(told.splitlines()) <= 2


RIGHTS: dict[str, Callable[[str, str], bool]] = {
    "write": lambda verb, path: verb == "PUT",
    "read": lambda verb, path: verb == "GET" and path != "/bucket",
    "list": lambda verb, path: verb == "GET" and path == "/bucket",
    "delete": lambda verb, path: verb in ("POST", "DELETE"),
}


@pytest.mark.parametrize("missing", [["write"], ["read"], ["list"], ["delete"], ["read", "list"]])
def test_each_right_that_is_missing_is_named_before_a_job_is_made(
    front: Front, url: str, missing: list[str]
) -> None:
    def mood(verb: str, path: str) -> Mood:
        return "403" if any(RIGHTS[right](verb, path) for right in missing) else "well"

    front.mood = mood
    with pytest.raises(NoAccess, match=f"may not {', nor '.join(missing)} there") as err:
        open_workspace(url).draft(0.0)
    front.mood = well

    assert err.value.where == url
    assert open_workspace(url).jobs() == []


def test_credentials_that_may_do_nothing_are_said_to_be_refused(front: Front, url: str) -> None:
    front.mood = lambda verb, path: "403"
    with pytest.raises(NoAccess, match="403 Forbidden") as err:
        open_workspace(url).draft(0.0)

    assert "AWS_ACCESS_KEY_ID" in (err.value.hint or "")


def test_a_bucket_of_another_region_is_said_with_that_region(front: Front, here: Computer) -> None:
    front.mood = lambda verb, path: "301"

    for words in (["run", "true"], ["list"]):
        told = here.type(*words, code=2)
        assert "the bucket is in another region, eu-west-1" in told
        assert "AWS_REGION=eu-west-1" in told

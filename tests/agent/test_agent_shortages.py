"""Whatever runs out, or cannot be: that attempt waits or ends; agent and neighbours go on."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.agent.client import FOLDER, Client, agent, gone, text, up

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
PYTHON = "/usr/bin/python3"
"""One that every account may run."""


@contextmanager
def limited(home: Path, which: int, most: int, **more: Any) -> Iterator[Client]:
    """A greeted connection to an agent that was started under a hard limit."""
    up(home, preexec_fn=lambda: resource.setrlimit(which, (most, most)), **more)
    with Client(home) as head:
        head.hello()
        yield head


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("\ud800", r"'\ud800' cannot be written in UTF-8"),
        ({"A": "x\udfff\ud8ff"}, "cannot be written in UTF-8"),
        ({"A=B": "x"}, "the name of a variable holds a ="),
        ({"A": "x\0"}, "holds a NUL byte"),
        ({"": "x"}, "the name of a variable"),
        ("x" * 3_000_000, "too long for this node"),
    ],
)
def test_what_no_program_can_be_given_ends_its_attempt_alone(
    head: Client, given: object, words: str
) -> None:
    head.setup("/bin/sh", "-c", "echo $BATCHIO_TASK_ID")
    head.start(0, input=given)
    head.start(1)
    assert (head.done(0).exit, head.done(0).reason) == (126, "unstartable")
    assert words in head.done(0).tail
    assert head.done(1).exit == 0


def test_a_name_that_no_file_can_have_ends_its_attempt_alone(head: Client) -> None:
    head.setup("/bin/true", pipe_to_files=True)
    head.send(["start", [[0, 1, "a\0b", None], [1, 1, "\udc80\ud800", None], [2, 1, "2", None]]])
    assert (head.done(0).exit, head.done(0).reason) == (126, "unstartable")
    assert (head.done(1).exit, head.done(1).reason) == (126, "unstartable")
    assert head.done(2).exit == 0


def test_with_few_descriptors_as_many_run_as_there_is_room_for(home: Path, tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = f"touch {tmp_path}/$BATCHIO_TASK_ID; while [ ! -e {go} ]; do sleep 0.02; done; echo x"
    with limited(home, resource.RLIMIT_NOFILE, 48) as head:
        head.setup("/bin/sh", "-c", script, slots=40)
        head.start(*range(40))
        assert "no task can be started for now (Too many open files)" in head.wait("trouble")[1]
        running = head.sync()["running"]
        assert 3 < running < 40
        go.touch()
        assert {head.done(task).exit for task in range(40)} == {0}
        assert not [message for message in head.messages if message[0] == "trouble"], "said once"
        log = head.log(max(done.log_to for done in head.dones.values()))
        assert [text(log, task) for task in range(40)] == [b"x\n"] * 40


def test_every_connection_finds_an_agent_that_has_no_descriptor_for_it(home: Path) -> None:
    with limited(home, resource.RLIMIT_NOFILE, 24) as head:
        others = [Client(home) for _ in range(14)]
        head.sync()
        for other in others:
            other.sock.close()
        head.setup("/bin/true")
        head.start(0)
        assert head.done(0).exit == 0
        with Client(home, epoch=2) as again:
            again.hello()


def test_tasks_have_the_callers_limit_of_descriptors_and_the_agent_all_it_may(
    home: Path,
) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = min(hard, 100)
    pid = up(home, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (low, hard)))[
        "pid"
    ]
    with Client(home) as head:
        head.hello()
        head.setup("/bin/sh", "-c", "ulimit -Sn; ulimit -Hn")
        head.start(0)
        expected = f"{low}\n{hard}\n".encode()
        assert text(head.log(head.done(0).log_to), 0) == expected
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (hard, hard)


def test_two_jobs_on_a_node_never_have_the_same_gpu(home: Path) -> None:
    """Nor is one left unused; and what one gives back the other takes."""
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b,GPU-c"}
    other = home.parent / "k.n"
    go = home.parent / "go"
    script = f"echo $CUDA_VISIBLE_DEVICES; while [ ! -e {go} ]; do sleep 0.02; done"
    up(home, env=env)
    up(other, env=env)
    with Client(home) as head, Client(other, job="k") as second:
        for one, slots in ((head, 2), (second, 3)):
            one.hello()
            one.setup("/bin/sh", "-c", script, slots=slots, gpus=1)
        head.start(0, 1)
        assert len(head.wait("started")[1]) == 2
        second.start(0, 1)
        assert second.wait("started")[1][0][:2] == [0, 1]
        assert "all GPUs are taken" in second.wait("trouble")[1]
        go.touch()
        log = head.log(max(head.done(task).log_to for task in (0, 1)))
        assert {text(log, 0), text(log, 1)} == {b"GPU-a\n", b"GPU-b\n"}
        log = second.log(max(second.done(task).log_to for task in (0, 1)))
        assert text(log, 0) == b"GPU-c\n"
        assert text(log, 1).startswith(b"GPU-")
        second.send(["bye", False])
        second.wait("bye")
    assert not list(home.parent.glob("gpu.*")), "a lock goes with its use"


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A home for an ordinary account."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: only root may start an agent of another account")
    if not os.path.exists(PYTHON):
        pytest.skip(f"NOT TESTED: there is no {PYTHON}")
    parent = Path(tempfile.mkdtemp(prefix="batchio-", dir="/var/tmp"))
    os.chown(parent, NOBODY, NOBODY)
    FOLDER.chmod(0o755)
    yield parent / "j.n"
    agent("down", parent / "j.n")
    shutil.rmtree(parent, ignore_errors=True)


def test_with_few_processes_as_many_run_as_there_is_room_for(elsewhere: Path) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NPROC, (8, 8))
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    up(elsewhere, preexec_fn=few, python=PYTHON)
    go = elsewhere.parent / "go"
    with Client(elsewhere) as head:
        head.hello()
        head.setup("/bin/sh", "-c", f"while [ ! -e {go} ]; do :; done", slots=20)
        head.start(*range(20))
        assert "no task can be started for now (Resource temp" in head.wait("trouble")[1]
        assert 3 < head.sync()["running"] < 8
        go.touch()
        assert {head.done(task).exit for task in range(20)} == {0}


def test_a_script_that_prepares_the_node_waits_for_a_process(elsewhere: Path) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NPROC, (3, 3))
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    up(elsewhere, preexec_fn=few, python=PYTHON)
    go = elsewhere.parent / "go"
    with Client(elsewhere) as head:
        head.hello()
        head.setup("/bin/sh", "-c", f"while [ ! -e {go} ]; do :; done", slots=20)
        head.start(*range(3))
        head.wait("trouble")
        head.send(["prepare", "echo prepared", 60])
        head.sync()
        go.touch()
        assert head.wait("prepared") == ["prepared", 0, "prepared"]


def test_a_frame_too_large_for_the_memory_costs_its_connection_only(home: Path) -> None:
    with limited(home, resource.RLIMIT_AS, 64 << 20) as head:
        head.send(["start", [[task, 1, "x" * 60, None] for task in range(90_000)]])
        assert head.closed()
        with Client(home) as again:
            again.hello()
            again.sync()
            again.setup("/bin/true")
            again.start(0)
            assert again.done(0).exit == 0


def test_where_files_may_not_grow_the_log_goes_on_in_others(home: Path) -> None:
    size = 3 << 20
    with limited(home, resource.RLIMIT_FSIZE, 200_000) as head:
        head.setup("/bin/sh", "-c", f"yes 0123456789 | head -c {size}")
        head.start(0)
        done = head.done(0)
        assert done.exit == 0
        assert text(head.log(done.log_to), 0) == (b"0123456789\n" * (size // 11 + 1))[:size]
        assert max(path.stat().st_size for path in (home / "spool").iterdir()) <= 200_000


def test_what_makes_an_agent_break_down_is_told_by_the_next_one(home: Path) -> None:
    """Here, the folder of its socket is a file when it begins to listen."""
    home.mkdir(0o700)
    (home / "crash").write_text("Traceback …\nValueError: it was this")
    up(home)
    with Client(home) as head:
        head.hello()
        assert head.wait("trouble")[1].endswith("ValueError: it was this")
    assert not (home / "crash").exists()


def test_a_umask_that_takes_our_own_rights_harms_neither_agent_nor_home(elsewhere: Path) -> None:
    def odd() -> None:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.umask(0o777)

    up(elsewhere, preexec_fn=odd, python=PYTHON)
    with Client(elsewhere) as head:
        head.hello()
        head.setup("/bin/sh", "-c", "umask; echo x > made", pipe_to_files=True)
        head.start(0)
        done = head.done(0)
        assert (done.exit, done.files) == (0, 3)
        assert text(head.log(done.log_to), 0) == b"0777\n"
        assert elsewhere.parent.stat().st_mode & 0o777 == 0o700


def test_a_task_of_secrets_dumps_no_core_unless_it_asks_for_one(home: Path) -> None:
    unlimited = resource.RLIM_INFINITY
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != unlimited:
        pytest.skip("NOT TESTED: core dumps are limited here")
    both = (unlimited, unlimited)
    pid = up(home, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, both))["pid"]
    with Client(home) as head:
        head.hello()
        head.setup("/bin/sh", "-c", "ulimit -Sc; ulimit -Hc; ulimit -Sc unlimited && ulimit -Sc")
        head.start(0)
        assert text(head.log(head.done(0).log_to), 0) == b"unlimited\n" * 3
        head.setup(
            "/bin/sh",
            "-c",
            "ulimit -Sc; ulimit -Hc; ulimit -Sc unlimited && ulimit -Sc",
            secrets={"TOKEN": "hunter2"},
        )
        head.start(1)
        log = head.log(head.done(1).log_to, head.done(1).log_from)
        assert text(log, 1) == b"0\nunlimited\nunlimited\n"
        assert resource.prlimit(pid, resource.RLIMIT_CORE)[0] == 0


def test_outputs_that_a_task_has_locked_come_and_those_of_others_are_named(
    elsewhere: Path,
) -> None:
    def other() -> None:
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    up(elsewhere, preexec_fn=other, python=PYTHON)
    go = elsewhere.parent / "go"
    script = f"echo x > a; mkdir d; echo y > d/b; chmod 0 a d .; while [ ! -e {go} ]; do :; done"
    with Client(elsewhere) as head:
        head.hello()
        head.setup("/bin/sh", "-c", script)
        head.start(0)
        work = elsewhere / "work/0.1"
        while not work.exists() or work.stat().st_mode & 0o777:
            pass
        (work / "secret").write_text("x")
        (work / "secret").chmod(0o600)
        (work / "locked").mkdir(0o700)
        go.touch()
        done = head.done(0)
        assert (done.exit, done.reason, done.files) == (0, "", 2)
        assert done.tail.startswith("its outputs are incomplete: ")
        for name in ("secret", "locked"):
            assert f"{name}: Permission denied" in done.tail
        words = head.wait("trouble")[1]
        assert words.startswith("outputs of task 0 that cannot be read: ")
        head.send(["fetch", 0, 1])
        assert head.wait("fetched")[3] == 2


@pytest.mark.parametrize("json", [None, "", "{}"], ids=["no file", "an empty one", "no names"])
def test_an_agent_that_could_not_write_down_who_it_is_is_found_all_the_same(
    home: Path, json: str | None
) -> None:
    first = up(home)
    (home / "agent.json").unlink()
    if json is not None:
        (home / "agent.json").write_text(json)

    second = up(home)
    (home / "agent.json").unlink()
    agent("down", home)

    assert second["instance"] != first["instance"]
    assert gone([first["pid"], second["pid"]])
    assert not home.exists()

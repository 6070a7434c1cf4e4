"""Repetition, reconnection, take-over, death: nothing lost, nothing run twice."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.agent.client import PATH, Client, agent, alive, gone, strays, until, up, upload
from tests.house.skips import OPTIONAL

COUNT = 'echo x >> {out}/"ran-$BATCHIO_TASK_ID-$BATCHIO_ATTEMPT"'


def ran(folder: Path, task: int, attempt: int = 1) -> int:
    return len((folder / f"ran-{task}-{attempt}").read_text().split())


def test_a_repeated_start_never_runs_an_attempt_twice(head: Client, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    head.setup("/bin/sh", "-c", COUNT.format(out=tmp_path) + f"; cat {go}")
    head.start(0)
    head.wait("started")
    head.start(0)
    assert head.wait("started")[1][0][:2] == [0, 1]
    go.write_text("")
    first = head.done(0)
    head.dones.clear()
    head.start(0)
    assert head.done(0) == first
    head.start(0, attempt=2)
    os.close(os.open(go, os.O_WRONLY))
    assert head.done(0, 2).attempt == 2
    assert (ran(tmp_path, 0), ran(tmp_path, 0, 2)) == (1, 1)


def test_a_new_connection_hears_again_what_was_not_acknowledged(head: Client) -> None:
    head.setup("/bin/true")
    head.start(0)
    first = head.done(0)
    with Client(head.home) as again:
        again.hello()
        assert again.done(0) == first
        again.ack()
        again.sync()
        assert (head.home / "results").read_bytes() == b""
    with Client(head.home) as third:
        third.hello()
        third.sync()
        assert third.dones == {}


def test_results_come_while_no_head_is_there(head: Client, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    head.setup("/bin/sh", "-c", f"cat {go}; echo said; exit 3")
    head.start(0)
    head.wait("started")
    head.sock.close()
    go.write_text("")
    with Client(head.home) as again:
        again.hello()
        done = again.done(0)
        assert done.exit == 3
        assert b"said" in again.log(done.log_to)


def test_a_higher_epoch_takes_over_and_a_lower_one_is_refused(head: Client) -> None:
    with Client(head.home, epoch=5) as newer:
        assert newer.hello()["epoch"] == 5
        assert head.closed()
        assert head.wait("refused") == ["refused", "epoch 5 took over"]
        with Client(head.home, epoch=4) as older:
            older.send(["hello", {"v": 3, "job": "j", "epoch": 4}])
            assert older.wait("refused") == ["refused", "epoch 4 is over, 5 commands"]
            assert older.closed()
        newer.sync()


def test_the_epoch_outlives_the_agent(head: Client) -> None:
    pid = head.hello()["pid"]
    with Client(head.home, epoch=5) as newer:
        newer.hello()
    os.kill(pid, signal.SIGKILL)
    assert gone([pid])
    up(head.home)
    with Client(head.home, epoch=4) as older:
        older.send(["hello", {"v": 3, "job": "j", "epoch": 4}])
        assert older.closed()


@pytest.mark.parametrize(
    ("greeting", "why"),
    [
        ({"v": 4, "job": "j", "epoch": 9}, "this agent speaks protocol 3, not 4"),
        ({"v": 3, "job": "k", "epoch": 9}, "this agent works for job j"),
    ],
)
def test_a_stranger_is_refused(head: Client, greeting: dict[str, object], why: str) -> None:
    with Client(head.home) as stranger:
        stranger.send(["hello", greeting])
        assert stranger.wait("refused") == ["refused", why]
        assert stranger.closed()
    head.sync()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">IB", 0, 0),
        struct.pack(">IB", 9 << 20, 0) + b"x" * 1000,
        struct.pack(">IB", 4, 0) + b"{]}",
        struct.pack(">IB", 3, 0) + b"{}",
        struct.pack(">IB", 5, 0) + b"[[]]",
        struct.pack(">IB", 3, 7) + b"[]",
        struct.pack(">IB", 14, 0) + b'[["setup",{}]]'[:13],
        struct.pack(">IB", 12, 0) + b'[["hello"]]',
        struct.pack(">IB", 3, 0) + b"\xff\xfe",
        struct.pack(">IB", 100_001, 0) + b"[" * 100_000,
    ],
)
def test_garbage_closes_its_own_connection_only(head: Client, garbage: bytes) -> None:
    with Client(head.home) as stranger:
        stranger.sock.sendall(garbage)
        stranger.sock.shutdown(socket.SHUT_WR)
        assert stranger.closed()
    head.sync()


def test_a_message_that_makes_no_sense_closes_the_connection_not_the_agent(
    head: Client,
) -> None:
    head.send(["start", 7])
    assert head.closed()
    assert "bad message" in head.wait("refused")[1]
    with Client(head.home) as again:
        again.hello()
        again.send(["no-such-verb", 1])
        assert "no-such-verb" in again.wait("trouble")[1]
        again.sync()


def test_after_kill_9_the_next_agent_kills_strays_and_offers_results(
    head: Client, tmp_path: Path
) -> None:
    before = head.hello()
    script = f"[ $BATCHIO_TASK_ID = 0 ] && exit 4; echo $$ > {tmp_path}/p; sleep 1000"
    head.setup("/bin/sh", "-c", script)
    head.start(0, 1)
    first = head.done(0)
    until(tmp_path / "p")
    os.kill(before["pid"], signal.SIGKILL)
    assert gone([before["pid"]])
    left = strays(head.home)
    assert left
    facts = up(head.home)
    assert facts["instance"] != before["instance"]
    assert gone(left)
    with Client(head.home) as again:
        assert again.hello()["instance"] == facts["instance"]
        assert again.done(0) == first
        again.setup("/bin/true")
        again.start(0, 1)
        assert again.done(1).exit == 0
        assert again.done(0) == first


def test_a_torn_log_record_is_cut_off_by_the_next_agent(head: Client) -> None:
    pid = head.hello()["pid"]
    head.setup("/bin/echo", "whole")
    head.start(0)
    end = head.done(0).log_to
    os.kill(pid, signal.SIGKILL)
    assert gone([pid])
    with (head.home / "spool" / f"{0:020}").open("ab") as file:
        file.write(struct.pack("<IIHBBQ", 100, 0, 1, 1, 0, 0) + b"torn")
    up(head.home)
    with Client(head.home) as again:
        assert again.hello()["spool"] == end
        again.setup("/bin/echo", "next")
        again.start(1)
        assert again.done(1).log_from == end


def test_up_is_repeatable(home: Path) -> None:
    first = up(home)
    assert up(home) == first
    assert first["socket"] == f"{home}/s"
    assert json.loads((home / "agent.json").read_text())["pid"] == first["pid"]


def test_many_ups_at_once_make_one_daemon(home: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: up(home), range(6)))
    assert len({answer["instance"] for answer in answers}) == 1


def test_a_stale_socket_and_pid_file_do_no_harm(home: Path) -> None:
    home.mkdir()
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(home / "s"))
    stale.close()
    sleeper = subprocess.Popen(["sleep", "1000"])
    try:
        known = {"v": 1, "instance": "old", "pid": sleeper.pid, "start": 1}
        (home / "agent.json").write_text(json.dumps(known))
        assert up(home)["instance"] != "old"
        assert agent("down", home).returncode == 0
        assert alive(sleeper.pid)
    finally:
        sleeper.kill()
        sleeper.wait()


def test_down_kills_and_removes_and_is_repeatable(home: Path, tmp_path: Path) -> None:
    facts = up(home)
    with Client(home) as head:
        head.hello()
        head.setup("/bin/sh", "-c", f"trap '' TERM; touch {tmp_path}/on; sleep 1000")
        head.start(0)
        until(tmp_path / "on")
        left = strays(home)
        for _ in range(2):
            answer = agent("down", home)
            assert (answer.returncode, answer.stdout, answer.stderr) == (0, '"gone"\n', "")
        assert gone([facts["pid"], *left])
    assert not home.parent.exists()


def test_a_home_of_somebody_else_is_refused(home: Path) -> None:
    home.symlink_to("/tmp")
    answer = agent("up", home)
    assert answer.returncode == 1
    assert answer.stderr == f"agent: {home}: belongs to somebody else, or is a link\n"
    home.unlink()


def test_a_head_that_stays_away_ends_the_agent_but_not_what_runs(
    head: Client, tmp_path: Path
) -> None:
    pid = head.hello()["pid"]
    go = tmp_path / "go"
    os.mkfifo(go)
    head.setup("/bin/cat", str(go), slots=1, lease=0.3)
    head.start(0, 1)
    head.wait("started")
    head.sock.close()
    log = head.home / "agent.log"
    while "no word from a head" not in log.read_text():
        assert alive(pid)
    go.write_text("")
    assert gone([pid])
    [line] = (head.home / "results").read_text().splitlines()
    assert [record[0] for record in json.loads(line)[2]] == [0]


def test_a_head_that_comes_back_in_time_hears_what_was_dropped(
    head: Client, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    head.setup("/bin/cat", str(go), slots=1, lease=0.3)
    head.start(0, 1)
    head.wait("started")
    head.sock.close()
    while "no word from a head" not in (head.home / "agent.log").read_text():
        pass
    with Client(head.home) as again:
        again.hello()
        assert again.wait("returned")[1] == [[1, 1]]
        again.setup("/bin/true", lease=60)
        again.start(0, 1)
        assert again.wait("started")[1][0][:2] == [0, 1]
        go.write_text("")
        assert (again.done(0).exit, again.done(1).exit) == (0, 0)


def test_prepare_runs_once_and_its_failure_is_shown(head: Client, tmp_path: Path) -> None:
    head.setup("/bin/true", env={"OUT": str(tmp_path)})
    script = "echo x >> $OUT/ran-0-1; echo installed"
    head.send(["prepare", script, 10])
    assert head.wait("prepared") == ["prepared", 0, "installed"]
    head.send(["prepare", script, 10])
    assert head.wait("prepared") == ["prepared", 0, "installed"]
    assert ran(tmp_path, 0) == 1
    head.send(["prepare", "echo no >&2; false; echo never", 10])
    assert head.wait("prepared") == ["prepared", 1, "no"]
    head.send(["prepare", f"#!{sys.executable}\nprint('python')", 10])
    assert head.wait("prepared") == ["prepared", 0, "python"]
    head.send(["prepare", "echo begun; sleep 1000", 0.2])
    _, code, tail = head.wait("prepared")
    assert code == -9
    assert tail.splitlines() == ["begun", "batchio: this took too long"]


def test_prepare_is_remembered_by_the_next_agent(head: Client, tmp_path: Path) -> None:
    head.setup("/bin/true", env={"OUT": str(tmp_path)})
    head.send(["prepare", "echo x >> $OUT/ran-0-1", None])
    head.wait("prepared")
    pid = head.hello()["pid"]
    os.kill(pid, signal.SIGKILL)
    assert gone([pid])
    up(head.home)
    with Client(head.home) as again:
        again.hello()
        again.send(["prepare", "echo x >> $OUT/ran-0-1", None])
        assert again.wait("prepared") == ["prepared", 0, ""]
    assert ran(tmp_path, 0) == 1


def test_the_command_line_says_how_it_is_used() -> None:
    answer = agent("fly")
    assert answer.returncode == 2
    assert answer.stderr.startswith("usage: agent.py up|run|down HOME")


VERSIONS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]


def interpreter(version: str) -> str | None:
    """A Python of this version: on PATH, or one of pyenv's."""
    account = Path(pwd.getpwuid(os.getuid()).pw_dir)  # HOME may be a test's own
    candidates = [f"/usr/bin/python{version}"]
    candidates += map(str, account.glob(f".pyenv/versions/{version}.*/bin/python"))
    return next((one for one in candidates if os.path.exists(one)), None)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_agent_speaks_every_python_it_may_meet(home: Path, version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"{OPTIONAL}there is no Python {version} on this computer")
    up(home, python=python)
    with Client(home) as head:
        assert head.hello()["python"].startswith(version + ".")
        upload(home, {"given": "given"})
        head.setup("/bin/sh", "-c", "cat given; echo > made", files=True, timeout=60)
        head.start(*range(20))
        assert {head.done(task).exit for task in range(20)} == {0}
        assert b"given" in head.log(head.done(0).log_to)
        head.send(["fetch", 0, 1])
        assert head.wait("fetched")[:4] == ["fetched", 0, 1, 1]
        head.send(["bye", False])
        head.wait("bye")


def test_the_agent_imports_nothing_of_ours() -> None:
    code = f"import runpy, sys; runpy.run_path({str(PATH)!r}); print(*sys.modules)"
    words = [sys.executable, "-I", "-S", "-c", code]
    loaded = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert not [name for name in loaded.split() if name.startswith("batchio")]
    heavy = {"asyncio", "subprocess", "threading", "shutil", "tarfile"}
    assert heavy & set(loaded.split()) <= {"threading"}

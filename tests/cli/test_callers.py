"""Strange callers of the command line: closed streams, full disks, signals, eyes on `ps`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.terminal import Terminal

BATCHIO = f"{sys.executable} -m batchio.cli.main"
TOLD = ["env", "--default-signal=INT,TERM,HUP", *BATCHIO.split()]
"""The same for who is sent signals: what a shell runs in the background ignores Ctrl-C, and so
would all that these tests start there."""


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """What /bin/sh does with a line in which $B is batchio."""
    return subprocess.run(
        ["/bin/sh", "-c", line],
        env={**os.environ, "B": BATCHIO},
        capture_output=True,
        text=True,
        timeout=60,
    )


CLOSED = [" ".join(closed) for closed in (
    ["<&-"], [">&-"], ["2>&-"], ["<&-", ">&-"], ["<&-", "2>&-"], [">&-", "2>&-"],
    ["<&-", ">&-", "2>&-"],
)]  # fmt: skip


@pytest.mark.parametrize("closed", CLOSED)
def test_a_job_runs_whichever_standard_streams_are_closed(terminal: Terminal, closed: str) -> None:
    seen = shell(f"$B run --wait --name c -- touch {terminal.folder}/ran {closed}")

    assert seen.returncode == 0, seen.stderr
    assert (terminal.folder / "ran").exists()
    job = terminal.workspace.job(terminal.workspace.jobs()[0])
    assert job.head_words() == ""


@pytest.mark.parametrize("closed", CLOSED)
def test_commands_that_look_need_no_standard_stream(terminal: Terminal, closed: str) -> None:
    terminal.type("run", "--wait", "--", "true")
    codes = terminal.folder / "codes"

    verbs = "list status logs nodes explain wait"
    seen = shell(f"for verb in {verbs}; do $B $verb {closed}; echo $? >> {codes}; done")

    assert codes.read_text().split() == ["0"] * 6, seen.stderr


def test_inputs_from_a_closed_standard_input_are_an_error_of_one_line(terminal: Terminal) -> None:
    seen = shell("$B run --wait --map-over-file - -- echo '$BATCHIO_TASK_INPUT' <&-")

    assert seen.returncode == 2
    assert seen.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("run --wait -- true 2>/dev/full", 0),
        ("run --wait -- true >/dev/full", 0),
        ("run --wait --format json -- true >/dev/full", 0),
        ("run --wait -- false >/dev/full", 1),
        ("list >/dev/full", 3),
        ("status >/dev/full", 3),
        ("logs >/dev/full", 3),
        ("version >/dev/full", 3),
        ("--help >/dev/full", 3),
    ],
)
def test_output_that_cannot_be_written_is_said_in_a_line(
    terminal: Terminal, line: str, code: int
) -> None:
    terminal.type("run", "--wait", "--", "echo", "hello")

    seen = shell(f"$B {line}")

    assert seen.returncode == code, seen.stderr
    if ">/dev/full" in line.replace("2>/dev/full", ""):
        complaint = r"error: cannot write( to standard output)?: No space left on device\n"
        assert len(re.findall(complaint, seen.stderr)) == 1
    assert "itself failed" not in seen.stderr


def arguments(pid: int) -> str:
    """What `ps` shows of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()


@pytest.mark.parametrize("more", [[], ["--wait"], ["--head", "inline"]])
@pytest.mark.parametrize("form", ["--secret-env {}", "--secret-env={}"])
def test_no_process_shows_a_secret_among_its_arguments(
    terminal: Terminal, more: list[str], form: str
) -> None:
    secret = uuid.uuid4().hex  # no other suite that runs now knows it
    ready = terminal.folder / "ready"
    os.mkfifo(ready)
    gate = terminal.folder / "gate"
    os.mkfifo(gate)
    script = f"echo $BATCHIO_TASK_ID > {ready}; read x < {gate}"
    with subprocess.Popen(
        [*BATCHIO.split(), "run", *form.format(f"TOKEN={secret}").split(), *more,
         "--shell", script],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as typed:  # fmt: skip
        ready.read_text()  # a task runs
        holder = terminal.workspace.job(terminal.workspace.jobs()[0]).leader()
        assert holder is not None
        seen = {
            pid: arguments(int(pid)) for pid in os.listdir("/proc") if pid.isdigit() and _alive(pid)
        }
        gate.write_text("go\n")
        typed.wait()

    assert not [text for text in seen.values() if secret in text]
    if "inline" not in more:
        job = terminal.workspace.jobs()[0]
        assert seen[str(holder.pid)] == f"batchio head of job {job}"
    terminal.type("wait")


def _alive(pid: str) -> bool:
    try:
        Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("secret", [True, False])
def test_only_a_job_with_secrets_leaves_no_core_dump(terminal: Terminal, secret: bool) -> None:
    told = "--secret-env TOKEN=x" if secret else ""

    seen = shell(f"ulimit -S -c 4096; $B run {told} --follow --shell 'ulimit -S -c'")

    assert seen.stdout == f"(task 0) {0 if secret else 4096}\n", seen.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_who_is_told_to_end_while_leading_a_job_cancels_it_and_says_so(
    terminal: Terminal, number: int, code: int
) -> None:
    ready = terminal.folder / "ready"
    os.mkfifo(ready)
    with subprocess.Popen(
        [*TOLD, "run", "--head", "inline", "--shell", f"echo $$ > {ready}; sleep 4711"],
        stderr=subprocess.PIPE,
        text=True,
    ) as typed:
        task = int(ready.read_text())
        typed.send_signal(number)
        _, said = typed.communicate()

    job = terminal.workspace.jobs()[0]
    assert typed.returncode == code
    assert f"job {job}" in said
    assert f"cancelling job {job}, because it runs inside this command" in said
    assert "cancelled" in said.splitlines()[-1]
    assert "cancelled" in terminal.type("status", job).out
    assert not Path(f"/proc/{task}").exists()


def test_ctrl_c_as_soon_as_there_is_a_job_says_that_it_goes_on(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr("batchio.cli.run.unattended", interrupted)
    seen = terminal.type("run", "--wait", "--", "true")
    (job,) = terminal.workspace.jobs()

    assert seen.code == 130
    assert f"job {job} keeps running\n  batchio wait {job}" in seen.err
    assert terminal.type("wait", job).code == 0


def test_ctrl_c_while_the_head_is_being_started_names_the_job(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("batchio.heads.start", interrupted)
    seen = terminal.type("run", "--wait", "--", "true")
    (job,) = terminal.workspace.jobs()

    assert (seen.code, seen.err) == (130, f"\njob {job} was submitted; see: batchio status {job}\n")


def test_a_head_that_is_ended_by_sigint_says_so_without_a_traceback(terminal: Terminal) -> None:
    ready = terminal.folder / "ready"
    os.mkfifo(ready)
    script = f"echo $BATCHIO_TASK_ID > {ready}; sleep 4711"
    subprocess.run([*TOLD, "run", "-q", "--shell", script], check=True, capture_output=True)
    ready.read_text()  # a task runs
    (job,) = terminal.workspace.jobs()
    store = terminal.workspace.job(job)
    holder = store.leader()
    assert holder is not None
    os.kill(holder.pid, signal.SIGINT)
    waited = terminal.type("wait", job)

    assert (waited.code, store.head_words()) == (3, "this head was stopped by SIGINT\n")
    why = "its head was stopped by SIGINT"
    assert f"{job} is not done, but no process runs it: {why}" in waited.err
    assert terminal.type("cancel", job).code == 0
    assert terminal.type("wait", job).code == 4


def test_an_inline_job_shows_its_progress_and_output_while_it_runs(terminal: Terminal) -> None:
    gate = terminal.folder / "gate"
    os.mkfifo(gate)
    with subprocess.Popen(
        [*BATCHIO.split(), "run", "--head", "inline", "--follow", "--shell",
         f"echo first; read x < {gate}; echo second"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as typed:  # fmt: skip
        assert typed.stdout
        assert typed.stdout.readline() == "(task 0) first\n"  # the task cannot end before
        gate.write_text("go\n")
        out, _ = typed.communicate()

    assert out == "(task 0) second\n"
    assert typed.returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_terminal_is_left_in_order_by_who_is_told_to_end(
    terminal: Terminal, number: int, code: int
) -> None:
    import pty

    gate = terminal.folder / "gate"
    os.mkfifo(gate)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*TOLD, "run", "--wait", "--shell", f"read x < {gate}"],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "TERM": "xterm"},
    ) as typed:  # fmt: skip
        os.close(theirs)
        seen = b""
        while b"0/1" not in seen:
            seen += os.read(ours, 4096)
        typed.send_signal(number)
        while True:
            try:
                seen += os.read(ours, 4096)
            except OSError:
                break
    os.close(ours)
    gate.write_text("go\n")

    assert typed.returncode == code, seen
    assert b"\x1b[?25l" not in seen, "a cursor that was never hidden need not come back"
    assert seen.rindex(b"\x1b[J") > seen.rindex(b"0/1"), "the line was removed"
    assert b"keeps running" in seen
    terminal.type("wait")

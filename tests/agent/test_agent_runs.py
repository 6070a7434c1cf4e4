"""What a task sees, and what is told of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.agent.client import Client, text, upload

if TYPE_CHECKING:
    from pathlib import Path

SHOW = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
ENV = "import json, os; print(json.dumps(dict(os.environ)))"


def out(head: Client, task: int, stream: int = 1) -> bytes:
    done = head.done(task)
    return text(head.log(done.log_to, done.log_from), task, stream)


def test_an_attempt_runs_and_its_end_is_reported(head: Client) -> None:
    head.setup("/bin/sh", "-c", "echo hello; echo oops >&2")
    head.start(7)
    done = head.done(7)
    assert (done.exit, done.reason, done.files, done.bytes, done.tail) == (0, "", 0, 0, "")
    assert done.started <= done.ended
    assert done.rss > 0
    assert done.cpu > 0
    log = head.log(done.log_to)
    assert text(log, 7, 1) == b"hello\n"
    assert text(log, 7, 2) == b"oops\n"


def test_started_is_told_of_what_is_still_running(head: Client, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    head.setup("/bin/cat", str(go))
    head.start(0)
    [[task, attempt, when]] = head.wait("started")[1]
    assert (task, attempt) == (0, 1)
    go.write_text("x")
    assert head.done(0).started == pytest.approx(when, abs=1e-5)


def test_two_hundred_tasks_go_through_two_slots(head: Client) -> None:
    head.setup("/bin/sh", "-c", "echo $BATCHIO_TASK_ID")
    head.start(*range(200))
    ends = [head.done(task) for task in range(200)]
    assert {end.exit for end in ends} == {0}
    log = head.log(max(end.log_to for end in ends))
    assert [text(log, task) for task in range(200)] == [b"%d\n" % t for t in range(200)]
    moments = sorted([(e.started, 1) for e in ends] + [(e.ended, -1) for e in ends])
    running = most = 0
    for _, step in sorted(moments, key=lambda moment: (moment[0], moment[1])):
        running += step
        most = max(most, running)
    assert most <= 2


def test_argv_arrives_byte_for_byte(head: Client) -> None:
    words = ["", "two words", "'\"", "new\nline", "$HOME", "`id`", "*", "\udcffx", "é"]
    head.setup("{python}", "-c", SHOW, *words, python=sys.executable)
    head.start(0)
    assert out(head, 0) == b"\0".join(os.fsencode(word) for word in words)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("$BATCHIO_TASK_ID", "3"),
        ("${BATCHIO_TASK_ID}x", "3x"),
        ("$COILED_BATCH_TASK_ID", "3"),
        (r"\$COILED_BATCH_TASK_INPUT", "a $b"),
        ("$WORD", "a $b"),
        ("--w=${WORD}/$WORDS", "--w=a $b/$WORDS"),
        ("$BATCHIO_NO_SUCH $$ $( $", "$BATCHIO_NO_SUCH $$ $( $"),
        ("$HOME", "$HOME"),
    ],
)
def test_our_variables_are_expanded_without_a_shell(head: Client, word: str, expected: str) -> None:
    head.setup("{python}", "-c", SHOW, word, python=sys.executable, input_var="WORD")
    head.start(3, input="a $b")
    assert out(head, 3).decode() == expected


def test_a_shell_expands_only_when_asked(head: Client) -> None:
    head.setup('echo "$BATCHIO_TASK_ID" $1', "one", shell=True)
    head.start(5)
    assert out(head, 5) == b"5 one\n"


def test_the_environment_is_the_agents_plus_ours(head: Client) -> None:
    head.setup(
        "{python}", "-c", ENV, python=sys.executable, env={"MINE": "é\n"}, cpus=3,
        secrets={"KEY": "s3cret"}, task_count=9, job_id="j1", job_name="nice",
        node_id="1", address="10.0.0.5", memory=None,
    )  # fmt: skip
    joined = [[3, "10.0.0.6"], [1, "10.0.0.5"]]
    head.send(["members", {"all": True, "joined": joined, "scheduler": [1, "10.0.0.1"]}])
    head.start(4, input="x")
    env = json.loads(out(head, 4))
    expected = {
        "AGENT_OWN": "yes", "MINE": "é\n", "KEY": "s3cret",
        "BATCHIO_TASK_ID": "4", "COILED_BATCH_TASK_ID": "4", "COILED_ARRAY_TASK_ID": "4",
        "BATCHIO_TASK_COUNT": "9", "COILED_BATCH_TASK_COUNT": "9",
        "BATCHIO_TASK_INPUT": "x", "COILED_BATCH_TASK_INPUT": "x", "BATCHIO_ATTEMPT": "1",
        "BATCHIO_JOB_ID": "j1", "COILED_CLUSTER_ID": "j1", "BATCHIO_JOB_NAME": "nice",
        "COILED_CLUSTER_NAME": "nice", "BATCHIO_NODE_ID": "1",
        "BATCHIO_HOSTNAME": os.uname().nodename,
        "BATCHIO_LOCAL_ADDRESS": "10.0.0.5", "COILED_BATCH_LOCAL_ADDRESS": "10.0.0.5",
        "BATCHIO_SCHEDULER_ADDRESS": "10.0.0.1",
        "COILED_BATCH_SCHEDULER_ADDRESS": "10.0.0.1", "COILED_CLUSTER_HOSTNAME": "10.0.0.1",
        "BATCHIO_PROCESS_TYPE": "scheduler", "COILED_BATCH_PROCESS_TYPE": "scheduler",
        "BATCHIO_READY_WORKERS": "10.0.0.5,10.0.0.6",
        "COILED_BATCH_READY_WORKERS": "10.0.0.5,10.0.0.6",
        "BATCHIO_CPUS": "3", "OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "3",
        "OPENBLAS_NUM_THREADS": "3", "NUMEXPR_NUM_THREADS": "3",
        "BATCHIO_AGENT": str(head.home),
        "BATCHIO_OUTPUT_DIR": str(head.home / "work/4.1"),
        "TMPDIR": env["BATCHIO_SCRATCH_DIR"],
    }  # fmt: skip
    assert {name: env.get(name) for name in expected} == expected
    assert env["BATCHIO_SCRATCH_DIR"].startswith(str(head.home / "tmp"))
    assert int(env["BATCHIO_MEMORY"]) > 1 << 20


def test_tasks_are_told_which_nodes_are_ready_when_they_start(head: Client) -> None:
    words = "$BATCHIO_PROCESS_TYPE:$BATCHIO_SCHEDULER_ADDRESS:$BATCHIO_READY_WORKERS"
    show = ("/bin/sh", "-c", f'echo "{words}"')
    head.send(["members", {"all": True, "joined": [[2, "c"], [0, "a"]], "scheduler": [2, "c"]}])
    head.setup(*show, node_id="2")
    head.start(0)
    assert out(head, 0) == b"scheduler:c:a,c\n"
    head.send(["members", {"joined": [[1, "b"]], "left": [0, 7]}])
    head.start(1)
    assert out(head, 1) == b"scheduler:c:b,c\n"
    head.setup(*show, node_id="2")  # the settings are one thing, the others another
    head.send(["members", {"scheduler": None}])
    head.start(2)
    assert out(head, 2) == b"worker::b,c\n"
    head.send(["members", {"all": True, "joined": [[9, "z"]]}])
    head.start(3)
    assert out(head, 3) == b"worker::z\n"


def test_thread_variables_that_the_user_set_stay(head: Client) -> None:
    head.setup("/bin/sh", "-c", "echo $OMP_NUM_THREADS", cpus=4, env={"OMP_NUM_THREADS": "1"})
    head.start(0)
    assert out(head, 0) == b"1\n"


def test_the_input_goes_to_the_variable_chosen_and_to_no_other_task(head: Client) -> None:
    head.setup("/bin/sh", "-c", 'echo "$CITY|$COILED_BATCH_TASK_INPUT"', input_var="CITY")
    head.start(0, input="Oslo\nBergen")
    head.start(1)
    assert out(head, 0) == b"Oslo\nBergen|Oslo\nBergen\n"
    assert out(head, 1) == b"|\n"


def test_an_input_of_several_variables_is_the_attempts_own(head: Client) -> None:
    head.setup("/bin/sh", "-c", 'echo "$1 $city $year"', "sh", "$city/${year}")
    head.start(0, input={"city": "Oslo", "year": 1999})
    head.start(1)
    assert out(head, 0) == b"Oslo/1999 Oslo 1999\n"
    assert out(head, 1) == b"$city/${year}  \n"


def test_the_working_directory_is_the_attempts_own(head: Client) -> None:
    head.setup("/bin/sh", "-c", "pwd; ls -A; ls -A $TMPDIR; cat")
    head.start(0)
    assert out(head, 0) == f"{head.home}/work/0.1\n".encode()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        ("kill -9 $$", -9),
        ("kill -SEGV $$", -int(signal.SIGSEGV)),
    ],
)
def test_exit_codes_and_signals_are_told_apart(head: Client, script: str, expected: int) -> None:
    head.setup("/bin/sh", "-c", "echo 'the reason  ' >&2; echo >&2; " + script)
    head.start(0)
    done = head.done(0)
    assert (done.exit, done.reason) == (expected, "")
    assert done.tail == ("the reason" if expected else "")


def test_the_last_words_are_stdouts_when_stderr_is_silent_and_are_cut(head: Client) -> None:
    head.setup("/bin/sh", "-c", "printf 'a\\n%01000d' 7; exit 1")
    head.start(0)
    assert head.done(0).tail == "0" * 300


def test_secrets_are_blanked_in_the_last_words(head: Client) -> None:
    secrets = {"A": "s3cret", "B": "first\nsecond"}
    head.setup("/bin/sh", "-c", 'echo "key $A, $B" >&2; exit 1', secrets=secrets)
    head.start(0)
    assert head.done(0).tail == "***"


def test_a_secret_of_few_letters_blanks_no_words(head: Client) -> None:
    secrets = {"A": "a", "B": "abc", "C": "abcd"}
    head.setup("/bin/sh", "-c", 'echo "a bad cab, $C" >&2; exit 1', secrets=secrets)
    head.start(0)
    assert head.done(0).tail == "a bad cab, ***"


def test_what_an_agent_knows_of_its_job_is_for_its_user_alone(head: Client) -> None:
    assert (head.home / "agent.json").stat().st_mode & 0o777 == 0o600


def test_secrets_touch_no_disk_and_no_argv(head: Client) -> None:
    head.setup("/bin/sh", "-c", "echo $A >&2; exit 1", secrets={"A": "s3cret-value"})
    head.start(0)
    done = head.done(0)
    head.ack()
    head.send(["logged", done.log_to])
    head.sync()
    kept = [p for p in head.home.rglob("*") if p.is_file() and p.parent.name != "spool"]
    assert not [p for p in kept if b"s3cret-value" in p.read_bytes()]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("printf '10%%\\r50%%\\r100%%'; exit 1", "100%"),
        ("printf '10%%\\r100%%\\r\\n'; exit 1", "100%"),
        ("echo first; printf 'a\\rb\\r' >&2; exit 1", "b"),
    ],
)
def test_the_last_words_of_a_progress_bar_are_what_was_last_on_the_screen(
    head: Client, program: str, words: str
) -> None:
    head.setup("/bin/sh", "-c", program)
    head.start(0)
    assert head.done(0).tail == words


def test_a_secret_is_never_filled_into_a_command_line(head: Client) -> None:
    """Which everybody on the node can read; the variable is there all the same."""
    script = 'echo "$1 $2"; [ "$BATCHIO_TOKEN" = hunter2 ]'
    words = ("$BATCHIO_TOKEN", "${BATCHIO_TASK_ID}")
    head.setup("/bin/sh", "-c", script, "sh", *words, secrets={"BATCHIO_TOKEN": "hunter2"})
    head.start(7)
    done = head.done(7)
    assert done.exit == 0
    assert text(head.log(done.log_to), 7) == b"$BATCHIO_TOKEN 7\n"


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["no-such-program"], 127, "batchio: no-such-program: not found on this node"),
        (["./a.out"], 127, "batchio: ./a.out: not found on this node"),
        (["/etc"], 126, "batchio: /etc: is a directory"),
        (["/etc/passwd"], 126, "batchio: /etc/passwd: is not executable (chmod +x?)"),
        ([], 127, "batchio: no command was given"),
        (["/bin/echo", "a\0b"], 126, "batchio: a word or a variable holds a NUL byte"),
    ],
)
def test_what_cannot_be_started_says_why(
    head: Client, argv: list[str], code: int, words: str
) -> None:
    head.setup(*argv)
    head.start(0)
    done = head.done(0)
    assert (done.exit, done.reason, done.tail) == (code, "unstartable", words)
    assert out(head, 0, 2) == words.encode() + b"\n"


def test_too_long_an_input_is_said_to_be_too_long(head: Client) -> None:
    head.setup("/bin/true")
    head.start(0, input="x" * (1 << 20))
    done = head.done(0)
    assert (done.exit, done.reason) == (126, "unstartable")
    assert "too long" in done.tail


def test_a_missing_interpreter_is_named(head: Client) -> None:
    upload(head.home, {"x": "#!/no/such/interpreter -x\n"}, mode=0o755)
    head.setup("./x", files=True)
    head.start(0)
    done = head.done(0)
    assert (done.exit, done.reason) == (127, "unstartable")
    assert done.tail == ("batchio: ./x: needs /no/such/interpreter -x, not found on this node")


def test_a_script_without_a_first_line_is_run_by_sh(head: Client) -> None:
    upload(head.home, {"x": 'echo "ran $1"; exit 4\n'}, mode=0o755)
    head.setup("./x", "a b", files=True)
    head.start(0)
    assert (out(head, 0), head.done(0).exit) == (b"ran a b\n", 4)


def test_programs_are_found_on_the_path_the_user_gave(head: Client) -> None:
    tool = head.home / "bin/tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho mine\n")
    tool.chmod(0o755)
    head.setup("tool", env={"PATH": f"{tool.parent}:/usr/bin:/bin"})
    head.start(0)
    assert out(head, 0) == b"mine\n"


def test_ignored_signals_of_the_agent_are_not_inherited(head: Client) -> None:
    head.setup("/bin/sh", "-c", "grep -E 'Sig(Ign|Blk)' /proc/self/status")
    head.start(0)
    masks = [int(line.split()[1], 16) for line in out(head, 0).splitlines()]
    assert [mask & 0x7FFFFFFF for mask in masks] == [0, 0]  # above: the C library's


def test_no_descriptor_of_the_agent_is_inherited(head: Client) -> None:
    head.setup("{python}", "-c", "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))")
    head.start(0)
    assert out(head, 0) == b"[0, 1, 2, 3]\n"  # 3 is the listing itself


def test_cpus_are_pinned_by_slot(head: Client) -> None:
    code = "import os; print(len(os.sched_getaffinity(0)))"
    head.setup("{python}", "-c", code, pin=True, cpus=1)
    head.start(0)
    assert out(head, 0) == b"1\n"


def test_standard_input_is_empty(head: Client) -> None:
    head.setup("/bin/cat")
    head.start(0)
    assert out(head, 0) == b""


def test_a_new_setup_holds_for_what_starts_later(head: Client, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    head.setup("/bin/sh", "-c", f"cat {go}; echo old", slots=1)
    head.start(0, 1)
    head.wait("started")
    head.setup("/bin/echo", "new", slots=1)
    head.sync()
    go.write_text("")
    assert out(head, 0) == b"old\n"
    assert out(head, 1) == b"new\n"


def test_standard_streams_also_go_to_files_when_asked(head: Client) -> None:
    head.setup("/bin/sh", "-c", "echo out; echo err >&2", pipe_to_files=True)
    head.start(0)
    assert out(head, 0) == b"out\n"
    assert (head.done(0).files, head.done(0).bytes) == (2, 8)
    work = head.home / "work/0.1"
    assert (work / "task-0.out").read_bytes() == b"out\n"
    assert (work / "task-0.err").read_bytes() == b"err\n"
    shutil.rmtree(work)


@pytest.mark.skipif(os.geteuid() != 0, reason="a memory limit needs a control group of ours")
def test_a_task_that_takes_more_memory_than_its_limit_is_reported_so(head: Client) -> None:
    facts = head.hello()
    if not facts["limits"]["memory"]:
        pytest.skip("no control group is writable here")
    head.setup("{python}", "-c", "x = bytearray(1 << 28); x[:] = b'1' * len(x)", memory=1 << 26)
    head.start(0)
    done = head.done(0)
    assert (done.exit, done.reason) == (-9, "oom")
    head.setup("/bin/sh", "-c", "exit 3", memory=1 << 26)
    head.start(1)
    assert (head.done(1).exit, head.done(1).reason) == (3, "")

"""Jobs run for real on this computer, and what a person sees of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.terminal import Seen, Terminal

HELLO = """#!/bin/sh
# COILED ntasks 3
# COILED region us-east-2
echo "Hello from $COILED_BATCH_TASK_ID"
"""

PROCESS = """# BATCHIO max-workers 2
import os, sys
print("got", sys.argv[1:])
print("bad row", file=sys.stderr)
open("out.txt", "w").write(sys.argv[1])
sys.exit(3 if sys.argv[1] in ("b", "c") else 0)
"""

REGION = (
    "warning: --region us-east-2 (hello.sh:3): ignored, the local provider has one region: "
    "this computer\n"
)


@pytest.fixture
def scripts(terminal: Terminal) -> Terminal:
    """A person whose folder holds hello.sh and process.py."""
    (terminal.folder / "hello.sh").write_text(HELLO)
    (terminal.folder / "process.py").write_text(PROCESS)
    return terminal


def plain(text: str) -> str:
    """The text with ids, times, durations and this computer's name blanked."""
    text = re.sub(r"(at|from) \d\d:\d\d:\d\d( to \d\d:\d\d:\d\d)?, all on \S+", "WHERE", text)
    text = re.sub(r"\b2[2-9b-z]{9}\b", "JOB", text)
    return re.sub(r"\b[\d.]+(ms|s)\b", "TIME", text)


def test_run_prints_only_the_id_into_a_pipe_and_says_what_to_type_next(scripts: Terminal) -> None:
    seen = scripts.type("run", "hello.sh")
    job = seen.out.strip()

    assert seen.code == 0
    assert scripts.workspace.jobs() == [job]
    assert plain(seen.err) == REGION + (
        "sending hello.sh (1 file, 94 B)\n"
        "  batchio status JOB         show its state\n"
        "  batchio logs JOB --follow  show its output\n"
        "  batchio cancel JOB         stop it\n"
    )
    assert scripts.type("wait", job).code == 0


def test_follow_shows_lines_with_their_task_then_how_it_ended(scripts: Terminal) -> None:
    seen = scripts.type("run", "--follow", "hello.sh")

    assert seen.code == 0
    assert sorted(seen.out.splitlines()) == [f"(task {i}) Hello from {i}" for i in range(3)]
    assert plain(seen.err) == REGION + (
        "sending hello.sh (1 file, 94 B)\n"
        "job JOB: hello.sh, 3 tasks on local\n"
        "succeeded: 3 tasks in TIME\n"
    )


def failed(scripts: Terminal, *options: str) -> Seen:
    values = ["--map-over-values", "a,b,c"]
    return scripts.type("run", *options, *values, "process.py", "$BATCHIO_TASK_INPUT")


def test_wait_tells_the_truth_about_a_job_that_failed(scripts: Terminal) -> None:
    seen = failed(scripts, "--wait")
    job = seen.out.strip()

    assert seen.code == 1
    assert plain(seen.err[seen.err.index("failed:") :]) == (
        "failed: 1 succeeded, 2 failed of 3 tasks, in TIME\n"
        "  2 tasks failed, exit code 3: 1-2\n"
        "      bad row\n"
        "      WHERE\n"
        f"output files of 3 tasks: {scripts.workspace.root}/jobs/JOB/outputs\n"
        "  batchio logs JOB --task 1   what it printed\n"
        "  batchio explain JOB/1       why it failed\n"
        "  batchio retry JOB --failed  run the failed tasks again\n"
    )
    assert scripts.type("wait", job).code == 1


def test_json_of_a_job_that_was_waited_for_is_one_value(scripts: Terminal) -> None:
    seen = failed(scripts, "--wait", "--format", "json")
    data = json.loads(seen.out)

    assert (seen.code, data["outcome"], data["counts"]["failed"]) == (1, "failed", 2)
    assert data["failures"][0]["last_words"] == "bad row"


def test_logs_have_the_look_of_the_docs_page_and_can_be_narrowed(scripts: Terminal) -> None:
    job = failed(scripts, "--wait").out.strip()

    def logs(*options: str) -> list[str]:
        seen = scripts.type("logs", job, *options)
        assert (seen.code, seen.err) == (0, "")
        return seen.out.splitlines()

    look = re.compile(
        r"\(Task \d\) {8}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} (got \['\w'\]|bad row)"
    )
    lines = logs()

    assert len(lines) == 6
    assert all(look.fullmatch(line) for line in lines)
    assert logs("--task", "1", "--stdout", "--raw") == ["got ['b']"]
    assert logs("--task", "1", "--stderr", "--no-timestamps") == ["(Task 1)        bad row"]
    assert logs("--filter", "'c'", "--raw") == ["got ['c']"]
    assert len(logs("--tail", "2")) == 2
    assert logs("--attempt", "2") == []
    assert logs("--since", "2099-01-01") == []
    assert len(logs("--workers", "all")) == len(logs("--follow")) == 6
    array = json.loads("\n".join(logs("--format", "json")))
    assert [record["text"] for record in array] == logs("--raw")
    assert logs("--format", "json", "--attempt", "2") == ["[]"]
    record = json.loads(logs("--task", "2", "--stdout", "--format", "jsonl")[0])
    assert (record["task"], record["stream"], record["text"]) == (2, "stdout", "got ['c']")


def test_wait_brings_what_the_tasks_left_behind(scripts: Terminal) -> None:
    job = failed(scripts).out.strip()

    seen = scripts.type("wait", job, "--download", "got")
    found = {path.parent.name: path.read_text() for path in scripts.folder.glob("got/*/out.txt")}

    assert seen.code == 1
    assert seen.err.endswith("output files of 3 tasks: got\n")
    assert found == {"0": "a", "1": "b", "2": "c"}


def test_retry_runs_what_failed_and_only_that(scripts: Terminal) -> None:
    job = failed(scripts, "--wait").out.strip()

    seen = scripts.type("retry", job, "--failed", "--wait")
    rows = [
        json.loads(x) for x in scripts.type("status", job, "--format", "jsonl").out.splitlines()
    ]

    assert seen.code == 1
    assert plain(seen.err).startswith("2 tasks of job JOB run again\n")
    assert [row["attempt"] for row in rows] == [1, 2, 2]


def test_cancel_needs_a_name_and_ends_the_job(scripts: Terminal) -> None:
    job = scripts.type("run", "--", "sleep", "60").out.strip()

    refused = scripts.type("cancel")
    ended = scripts.type("cancel", job, "--why", "enough")
    waited = scripts.type("wait", job)
    again = scripts.type("cancel", job)

    assert refused == (
        2,
        "",
        f"error: cancel needs a job id\nhint: for the newest job: batchio cancel {job}\n",
    )
    assert (ended.code, waited.code, again.code) == (0, 4, 0)
    assert ended.err.startswith(f"cancelling job {job}\n")
    assert "cancelled (enough): 1 cancelled of 1 task" in waited.err
    assert again.err == f"job {job} has already ended: cancelled\n"


def test_one_task_can_be_cancelled(scripts: Terminal) -> None:
    job = scripts.type("run", "--array", "3-4", "--shell", "test $BATCHIO_TASK_ID = 3 || sleep 60")
    name = job.out.strip()

    assert scripts.type("cancel", name, "--task", "4").err == (
        f"cancelling tasks 4 of job {name}\n"
    )
    assert scripts.type("wait", name).code == 4


def test_waiting_no_longer_leaves_the_job_alone(scripts: Terminal) -> None:
    job = scripts.type("run", "--", "sleep", "60").out.strip()

    seen = scripts.type("wait", job, "--timeout", "100ms")
    scripts.type("cancel", job)

    assert seen.code == 5
    assert seen.err.endswith(
        f"error: job {job} is not done after 0.1 s\nhint: it keeps running; see: batchio status "
        f"{job}\n"
    )
    assert scripts.type("wait", job).code == 4


def test_ctrl_c_says_that_the_job_goes_on_and_how_to_end_it(scripts: Terminal) -> None:
    # A shell's background jobs ignore Ctrl-C, and so would all that these tests start there.
    program = ["env", "--default-signal=INT", sys.executable, "-m", "batchio.cli.main"]
    with subprocess.Popen(
        [*program, "run", "--follow", "--", "sh", "-c", "echo here; sleep 60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "(task 0) here\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    (job,) = scripts.workspace.jobs()

    assert process.returncode == 130
    assert said.endswith(
        f"job {job} keeps running\n"
        f"  batchio wait {job}    wait for it again\n"
        f"  batchio cancel {job}  stop it\n"
    )
    assert scripts.type("cancel", job).code == 0
    assert scripts.type("wait", job).code == 4


@pytest.mark.parametrize("ignored", ["HUP,INT,QUIT", "CHLD", "TERM"])
def test_a_launcher_that_ignores_signals_costs_nothing(scripts: Terminal, ignored: str) -> None:
    program = ["env", f"--ignore-signal={ignored}", sys.executable, "-m", "batchio.cli.main"]
    done = subprocess.run(
        [*program, "run", "--follow", "--", "sh", "-c", "sleep 0.1; exit 7"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "1 task failed, exit code 7" in done.stderr


def test_dry_run_shows_everything_and_starts_nothing(scripts: Terminal) -> None:
    seen = scripts.type(
        "run", "--dry-run", "-N", "2", "--map-over-values", "x,y", "hello.sh", "two words"
    )
    above, table = seen.out.split("\n\n")
    rows = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in table.splitlines())

    assert seen.code == 0
    assert above == (
        "name      hello.sh\n"
        "provider  local\n"
        "runs      ./hello.sh 'two words'\n"
        "tasks     2\n"
        "first     task 0, input x\n"
        "last      task 1, input y\n"
        "sends     hello.sh (1 file, 94 B)"
    )
    assert rows["max-workers"].split("  ")[0] == "2"
    assert rows["max-workers"].endswith("command line")
    assert rows["region"].endswith("hello.sh:3")
    assert seen.err.endswith("nothing was started (--dry-run)\n")
    assert scripts.workspace.jobs() == []


def test_dry_run_says_why_files_travel_that_nobody_named(scripts: Terminal) -> None:
    (scripts.folder / "work.py").write_text("import helper, app.main\n")
    for name in ("helper.py", "app/__init__.py", "app/main.py"):
        (scripts.folder / name).parent.mkdir(exist_ok=True)
        (scripts.folder / name).write_text("x = 1\n")
    seen = scripts.type("run", "--dry-run", "work.py")

    assert seen.out.split("\n\n")[0].splitlines()[-3:] == [
        "sends     work.py with helper.py, app/ (4 files, 42 B)",
        "          helper.py (imported by work.py:1)",
        "          app/ (imported by work.py:1)",
    ]
    data = json.loads(scripts.type("run", "--dry-run", "--format", "json", "work.py").out)
    assert data["implied"] == dict.fromkeys(("helper.py", "app/"), "imported by work.py:1")


def test_dry_run_is_json_when_asked(scripts: Terminal) -> None:
    seen = scripts.type("run", "--dry-run", "--format", "json", "hello.sh")
    data = json.loads(seen.out)

    assert (data["schema"], data["tasks"], data["first"]["id"]) == (2, 3, 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.sh"], "error: no such file: missing.sh\n"),
        (["helo.sh"], "error: no such file: helo.sh\nhint: did you mean hello.sh?\n"),
        (["."], "error: . is a folder, not a script\n"),
        (["--ntasks", "0", "x"], "error: --ntasks: must be 1 or more, not 0\n"),
        (
            ["--array", "5-3", "x"],
            'error: --array: "5-3": the first id is larger than the last\nhint: write 3-5\n',
        ),
        (
            ["--ntasks", "2", "--array", "0-3", "x"],
            "error: --ntasks and --array cannot be used together\nhint: choose one of them\n",
        ),
        (
            ["--map-over-file", "none.txt", "hello.sh"],
            "error: --map-over-file: no such file: none.txt\n",
        ),
    ],
)
def test_a_request_that_makes_no_sense_starts_nothing(
    scripts: Terminal, words: list[str], said: str
) -> None:
    seen = scripts.type("run", *words)

    assert (seen.code, seen.out) == (2, "")
    assert seen.err == said
    assert scripts.workspace.jobs() == []


def test_the_programs_words_arrive_byte_for_byte(scripts: Terminal) -> None:
    script = scripts.folder / "words.py"
    script.write_text("import sys, os\nfor w in sys.argv[1:]: print(os.fsencode(w).hex())\n")
    words = ["--wait", "", "two words", "$HOME", "*", "a\nb", "--", "[bold]", "é"]

    seen = scripts.type("run", "--follow", "words.py", *words)

    assert [line.removeprefix("(task 0) ").rstrip() for line in seen.out.splitlines()] == [
        word.encode().hex() for word in words
    ]


def test_a_job_whose_head_was_killed_says_so_and_is_recovered(scripts: Terminal) -> None:
    flag = scripts.folder / "go"
    job = scripts.type(
        "run", "--shell", f"echo started; while ! test -e {flag}; do sleep 0.05; done"
    ).out.strip()
    _until_started(scripts, job)
    head = scripts.workspace.job(job).leader()
    assert head is not None
    os.kill(head.pid, signal.SIGKILL)

    waited = scripts.type("wait", job)
    status = scripts.type("status", job)
    recovered = scripts.type("recover", job)
    flag.touch()
    ended = scripts.type("wait", job)

    assert waited.code == 3
    assert waited.err.endswith(
        f"error: job {job} is not done, but no process runs it\n"
        f"hint: to continue it: batchio recover {job}\n"
    )
    assert f"verdict    No process runs it\n           batchio recover {job}\n" in status.out
    assert recovered.err.startswith(f"job {job} keeps running\n")
    assert ended.code == 0
    assert scripts.type("logs", job, "--raw").out == "started\n"
    assert scripts.type("recover", job).err == (
        f"job {job} does not need this: it is done, or its head is running\n"
    )


def _until_started(scripts: Terminal, job: str) -> None:
    """Follow the log until the task has spoken."""
    program = [sys.executable, "-m", "batchio.cli.main", "logs", job, "--follow", "--raw"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        process.kill()

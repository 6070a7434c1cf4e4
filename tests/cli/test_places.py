"""What is printed to be typed next works as it is printed, and --quiet speaks of trouble only."""

import json
import re
import shlex

import pytest

from batchio.cli.main import COMMANDS
from tests.cli.terminal import Terminal
from tests.core.stories import JOB, mixed


def commands(text: str) -> list[list[str]]:
    """The commands that a text shows, as a shell would split them."""
    found = re.findall(rf"batchio (?:{'|'.join(COMMANDS)})\b[^\n;]*", text)
    return [shlex.split(one.partition("  ")[0])[1:] for one in found]


@pytest.mark.parametrize("place", ["other", "two words", "it's"])
def test_commands_that_are_printed_name_the_workspace_that_was_typed(
    terminal: Terminal, place: str
) -> None:
    seen = terminal.type("run", "--workspace", place, "--", "true")
    [job] = seen.out.split()

    shown = commands(seen.err)
    assert [words[0] for words in shown] == ["status", "logs", "cancel"]
    for words in shown:
        assert words[1:4] == ["--workspace", place, job]
    assert terminal.type("wait", "--workspace", place).code == 0
    assert terminal.type(*shown[0]).code == 0


def test_commands_that_are_printed_name_the_workspace_of_a_script(terminal: Terminal) -> None:
    (terminal.folder / "team.sh").write_text("# COILED workspace my-team\nfalse\n")

    seen = terminal.type("run", "--wait", "team.sh")

    assert seen.code == 1
    for words in commands(seen.err):
        assert words[1:3] == ["--workspace", "my-team"]
        assert terminal.type(*[word for word in words if word != "retry"]).code in (0, 2)


def test_hints_and_explanations_name_the_workspace_too(terminal: Terminal) -> None:
    terminal.keep(mixed())

    for words in (["status"], ["explain"], ["explain", f"{JOB}/5"]):
        seen = terminal.type(*words, "--workspace", "ws")
        assert f"batchio recover --workspace ws {JOB}" in seen.out
        assert "--workspace" not in terminal.type(*words).out
    assert terminal.type("status", "no-such", "--workspace", "ws").err.endswith(
        "hint: see: batchio list --workspace ws\n"
    )


def test_quiet_says_nothing_while_all_is_well(terminal: Terminal) -> None:
    assert terminal.type("run", "--quiet", "--wait", "--", "true") == (0, "", "")
    seen = terminal.type("run", "-q", "--", "true")
    assert (seen.code, seen.err) == (0, "")
    job = seen.out.strip()
    assert terminal.type("wait", "-q", job) == (0, "", "")
    assert terminal.type("retry", "-q", job) == (0, "", "")
    assert terminal.type("rm", "-q", job) == (0, "", "")


def test_quiet_tells_what_is_not_well(terminal: Terminal) -> None:
    seen = terminal.type("run", "-q", "--wait", "--", "sh", "-c", "echo oh >&2; exit 3")

    assert (seen.code, seen.out) == (1, "")
    assert seen.err.startswith("failed: 1 failed of 1 task")
    assert "exit code 3: 0" in seen.err
    assert "batchio " not in seen.err


def test_quiet_leaves_what_tasks_print(terminal: Terminal) -> None:
    seen = terminal.type("run", "-q", "-f", "--", "sh", "-c", "echo out; echo err >&2")

    assert seen == (0, "(task 0) out\n", "(task 0) err\n")


def test_wait_waits_for_several_jobs_and_ends_as_the_first_that_did_not_succeed(
    terminal: Terminal,
) -> None:
    good = terminal.type("run", "--", "true").out.strip()
    bad = terminal.type("run", "--", "sh", "-c", "exit 3").out.strip()

    assert terminal.type("wait", good, bad).code == 1
    seen = terminal.type("wait", good, bad, good, "--format", "json")
    assert [job["id"] for job in json.loads(seen.out)] == [good, bad]
    lines = terminal.type("wait", good, bad, "--format", "jsonl").out.splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["succeeded", "failed"]
    assert terminal.type("wait", good, good).code == 0
    assert terminal.type("wait", good, bad, "--download", "here").code == 2


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_with_a_format_stdout_is_only_json(terminal: Terminal, form: str) -> None:
    seen = terminal.type("run", "--follow", "--format", form, "--", "echo", "hi")

    assert json.loads(seen.out)["outcome"] == "succeeded"
    assert len(seen.out.splitlines()) == 1 or form == "json"
    assert "(task 0) hi\n" in seen.err


def test_commands_that_act_say_what_they_did_as_json(terminal: Terminal) -> None:
    job = terminal.type("run", "--ntasks", "2", "--", "false").out.strip()
    terminal.type("wait", job)

    def told(*words: str) -> object:
        return json.loads(terminal.type(*words, job, "--format", "json").out)

    about = {"schema": told("status")["schema"], "id": job}  # type: ignore[index]
    assert told("cancel") == {**about, "verb": "cancel", "acted": False, "tasks": None}
    assert told("recover") == {**about, "verb": "recover", "acted": False, "tasks": None}
    assert told("retry", "--task", "1") == {**about, "verb": "retry", "acted": True, "tasks": [1]}
    assert json.loads(terminal.type("version", "--format", "jsonl").out)["version"]


def test_help_of_a_command_is_what_the_command_says_itself(terminal: Terminal) -> None:
    for name in COMMANDS:
        assert terminal.type("help", name) == terminal.type(name, "--help")
    assert terminal.type("help") == terminal.type("--help") == terminal.type("-h")
    assert terminal.type("help", "statsu").err.endswith("did you mean batchio status?\n")


def test_retry_says_when_a_file_is_not_any_more_as_it_was_sent(terminal: Terminal) -> None:
    script = terminal.folder / "job.sh"
    script.write_text("exit 1\n")
    job = terminal.type("run", "job.sh").out.strip()
    terminal.type("wait", job)

    assert "warning" not in terminal.type("retry", "--wait", job).err
    script.write_text("exit 0\n")
    seen = terminal.type("retry", "--wait", job)
    assert seen.code == 1
    assert seen.err.startswith(
        "warning: job.sh: not as it was sent; the tasks run what was sent with the job\n"
        "hint: to run what is here now, submit it again with batchio run\n"
    )
    script.write_text("longer by now: exit 0\n")
    assert seen.err.splitlines()[0] in terminal.type("retry", "--wait", job).err
    script.unlink()
    assert "warning" not in terminal.type("retry", "--wait", job).err

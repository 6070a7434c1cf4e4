"""The front door: help, versions, mistakes, exit codes, and what it costs to open it."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from batchio.cli import diagnostics
from batchio.cli.common import finished
from batchio.cli.diagnostics import ExitCode
from batchio.cli.main import COMMANDS, cli
from batchio.errors import BatchioError, JournalFull, UsageError
from tests.house.heavy import HEAVY

if TYPE_CHECKING:
    from tests.cli.terminal import Terminal

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_reads_as_it_was_last_reviewed(terminal: Terminal, name: str) -> None:
    """WRITE_GOLDEN=1 writes the texts anew; review the difference."""
    seen = terminal.type(*([name] if name else []), "--help")
    path = GOLDEN / f"{name or 'batchio'}.txt"
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text(seen.out)

    assert seen.code == 0
    assert seen.out == path.read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_examples_that_it_understands(
    terminal: Terminal, name: str
) -> None:
    shown = terminal.type(name, "--help").out
    typed = [line.strip() for line in shown.splitlines() if line.startswith(f"    batchio {name}")]
    command = cli.get_command(click.Context(cli), name)

    assert command is not None
    assert typed or name == "completion"  # what it shows is for a shell's own file
    for line in typed:
        words = shlex.split(re.split(r"  +| && ", line)[0])
        assert command.make_context(name, words[2:], click.Context(cli)).params


def test_ctrl_c_while_it_is_being_loaded_leaves_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    done = subprocess.run(
        [sys.executable, "-m", "batchio", "list"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_ctrl_c_before_a_verb_has_begun_leaves_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    async def verb() -> None: ...

    monkeypatch.setattr("batchio.api.plainly", interrupted)
    work = verb()
    with pytest.raises(KeyboardInterrupt):
        finished(work)

    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED


def test_no_arguments_show_the_help(terminal: Terminal) -> None:
    assert terminal.type() == terminal.type("--help")


def test_every_command_of_the_list_exists_under_its_name() -> None:
    context = click.Context(cli)
    found = [cli.get_command(context, name) for name in COMMANDS]

    assert [command and command.name for command in found] == list(COMMANDS)


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        (["statsu"], "no such command: statsu", "did you mean batchio status?"),
        (["ls"], "no such command: ls", "did you mean batchio list?"),
        (["kill"], "no such command: kill", "did you mean batchio cancel?"),
        (["ps"], "no such command: ps", "did you mean batchio status?"),
        (["my job.sh"], "no such command: my job.sh", "did you mean batchio run 'my job.sh'?"),
        (["hello.sh"], "no such command: hello.sh", "did you mean batchio run hello.sh?"),
        (["xyzzy"], "no such command: xyzzy", "see: batchio --help"),
        (["run", "--memry", "8GB", "a.sh"], "no such option: --memry", "did you mean --memory?"),
        (["run", "-n", "3", "a.sh"], "no such option: -n", "did you mean --ntasks?"),
        (
            ["--wait", "run", "a.sh"],
            "no such option: --wait",
            "options of a command come after it, as in: batchio run --wait; see: batchio --help",
        ),
        (["run", "--zzz"], "no such option: --zzz", "see: batchio run --help"),
        (["status", "--al"], "no such option: --al", "did you mean --all?"),
        (["run"], "no command given", "batchio run SCRIPT [ARGUMENTS]"),
        (["status", "a", "b"], "got unexpected extra argument (b)", "see: batchio status --help"),
        (["logs", "--tail"], "option '--tail' requires an argument", "see: batchio logs --help"),
        (["completion"], "{bash|zsh|fish} is missing", "see: batchio completion --help"),
        (
            ["retry", "--failed", "--task", "3", "x"],
            "--failed and --task cannot be used together",
            "choose one of them",
        ),
        (
            ["logs", "--stdout", "--stderr"],
            "--stdout and --stderr cannot be used together",
            "without either, both are shown",
        ),
        (
            ["logs", "--task", "3-"],
            '--task: "3-": the last id of the range is missing',
            'write ids and ranges such as 5, 2,4-6,8-10, 0-10:2 or "0-99%8"',
        ),
        (
            ["list", "--format", "yaml"],
            '--format: "yaml" is not one of table, json, jsonl',
            None,
        ),
        (["list", "--limit", "0"], "--limit: must be 1 or more, not 0", None),
    ],
)
def test_a_mistake_is_two_lines_and_exit_code_2(
    terminal: Terminal, words: list[str], problem: str, remedy: str | None
) -> None:
    expected = f"error: {problem}\n" + (f"hint: {remedy}\n" if remedy else "")

    assert terminal.type(*words) == (2, "", expected)


def test_the_version_is_that_of_the_package(terminal: Terminal) -> None:
    from batchio import __version__

    assert terminal.type("--version") == (0, f"batchio {__version__}\n", "")
    assert terminal.type("version").out.startswith(f"batchio {__version__}, Python 3.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_that_shell(terminal: Terminal, shell: str) -> None:
    seen = terminal.type("completion", shell)

    assert (seen.code, seen.err) == (0, "")
    assert f"_BATCHIO_COMPLETE={shell}_complete" in seen.out


def test_a_shell_that_asks_gets_commands_options_choices_and_job_ids(terminal: Terminal) -> None:
    from tests.core.stories import JOB, mixed

    terminal.keep(mixed())

    def complete(line: str) -> list[str]:
        words = line.split(" ")
        environ = {
            **os.environ,
            "_BATCHIO_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }
        done = subprocess.run(
            [sys.executable, "-m", "batchio.cli.main"], env=environ, capture_output=True, text=True
        )
        return [row.partition(",")[2] for row in done.stdout.splitlines()]

    assert complete("batchio sta") == ["status"]
    assert complete("batchio run --spot-policy sp") == ["spot", "spot_with_fallback"]
    assert complete("batchio run --max-w") == ["--max-workers"]
    assert complete("batchio cancel 2c") == [JOB]
    assert complete("batchio cancel proc") == ["process.py"]
    assert complete("batchio help can") == ["cancel"]
    assert complete("batchio run my_") == ["my_"]  # of the type "file"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, json\n"
        "from batchio.cli.main import call\n"
        "call(['--help'])\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))

    assert loaded & (HEAVY | {"asyncio"}) == set()


def test_help_of_run_loads_no_engine() -> None:
    code = (
        "import sys, json\n"
        "from batchio.cli.main import call\n"
        "call(['run', '--help'])\n"
        "print(json.dumps(sorted(name for name in sys.modules if name.startswith('batchio.'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    floors = {name.split(".")[1] for name in json.loads(done.stdout.splitlines()[-1])}

    assert floors <= {"cli", "core", "errors", "extras", "options", "providers"}


def test_exit_codes_are_the_ones_that_are_promised() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "SUCCEEDED": 0,
        "TASK_FAILED": 1,
        "USAGE": 2,
        "INFRASTRUCTURE": 3,
        "CANCELLED": 4,
        "TIMED_OUT": 5,
        "INTERRUPTED": 130,
        "READER_GONE": 141,
    }


@pytest.mark.parametrize(
    ("problem", "code", "said"),
    [
        (UsageError("wrong", where="a.sh:3", hint="do"), 2, "error: a.sh:3: wrong\nhint: do\n"),
        (BatchioError("bad\x1b[0m"), 3, "error: bad\\x1b[0m\n"),
        (JournalFull("full"), 3, "error: full\n"),
        (FileNotFoundError(2, "No such file", "/x"), 3, "error: /x: No such file\n"),
        (KeyboardInterrupt(), 130, ""),
        (MemoryError(), 3, "error: there is not enough memory\n"),
    ],
)
def test_every_error_is_a_line_with_its_exit_code(
    problem: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diagnostics.report(problem) == code
    assert capsys.readouterr().err == said


def test_a_mistake_of_ours_says_where_to_report_it_and_shows_more_when_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BATCHIO_DEBUG", raising=False)

    assert diagnostics.report(ZeroDivisionError("no")) == 3
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "error: batchio failed: ZeroDivisionError: no"
    assert said[1].startswith("hint: BATCHIO_DEBUG=1 shows where")

    monkeypatch.setenv("BATCHIO_DEBUG", "1")
    diagnostics.report(UsageError("wrong"))
    assert "UsageError: wrong" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from batchio.cli import main, output\n"
        "def endless(*_, **__):\n"
        "    while True: output.line('x' * 1000)\n"
        "main.cli.main = endless\n"
        "sys.exit(main.call(['x']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (141, b"")

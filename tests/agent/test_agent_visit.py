"""A visitor gets the folder and the environment of a task, on any Python, by any shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from batchio import agent
from tests.agent.client import Client, until
from tests.agent.test_agent_remembers import VERSIONS, interpreter
from tests.house.skips import OPTIONAL

if TYPE_CHECKING:
    from pathlib import Path


def visit(
    home: Path, key: str, task: str, *words: str, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    argv = agent.command(python, "visit", str(home), key, task, *words)
    return subprocess.run(
        argv, check=False, capture_output=True, text=True, env={"SHELL": "/bin/true"}
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else")
def test_a_visitor_needs_no_entry_in_passwd(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    argv = agent.command("/usr/bin/python3", "visit", "/var/tmp", "", "", *())
    done = subprocess.run(
        argv, check=False, capture_output=True, text=True, env={}, user=54321, input="echo here"
    )
    assert done.stdout == "here\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_command_runs_where_the_task_does_and_sees_its_secrets(
    head: Client, tmp_path: Path, version: str
) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"{OPTIONAL}there is no Python {version} on this computer")
    head.setup(
        "/bin/sh", "-c", f"touch {tmp_path}/up-$BATCHIO_TASK_ID; sleep 60", secrets={"KEY": "s3"}
    )
    head.start(0, 1)
    until(tmp_path / "up-0")
    until(tmp_path / "up-1")
    seen = visit(
        head.home, "1.1", "1", "/bin/sh", "-c", "echo $KEY $BATCHIO_TASK_ID; pwd", python=python
    )
    assert seen.stdout == f"s3 1\n{head.home}/work/1.1\n"


def test_the_home_is_visited_by_the_users_shell(head: Client) -> None:
    assert visit(head.home, "", "").returncode == 0
    seen = visit(head.home, "", "", "/bin/sh", "-c", "pwd; echo ${BATCHIO_AGENT-none}")
    assert seen.stdout == f"{head.home}\nnone\n"


def test_a_folder_that_is_gone_and_a_program_that_is_not_there_are_named(head: Client) -> None:
    gone = visit(head.home, "7.1", "7", "/bin/true")
    assert (gone.returncode, gone.stderr) == (
        1,
        f"batchio: {head.home}/work/7.1 is not there any more\n",
    )
    missing = visit(head.home, "", "", "/no/program")
    assert missing.stderr == "batchio: /no/program: No such file or directory\n"


@pytest.mark.parametrize("program", agent.ALONE)
def test_a_program_is_words_that_every_login_shell_takes(program: str) -> None:
    line = shlex.join(agent.command("python3", program, "/home", "", ""))
    assert not {"\n", "!", "\\"} & set(line)  # csh and fish read these otherwise
    assert len(line) < 8000

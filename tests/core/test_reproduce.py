"""The shell lines that reproduce a task run it with the same files, variables and words."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core.reproduce import reproduce
from batchio.core.spec import SentFile
from tests.core.stories import spec

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = 'import os, sys; print(sys.argv[1:], os.environ["BATCHIO_TASK_ID"], os.environ.get("A"))'


def run(folder: Path, lines: str) -> str:
    done = subprocess.run(["/bin/sh", "-e"], input=lines, cwd=folder, text=True,
                          capture_output=True, check=True)  # fmt: skip
    return done.stdout


def packed(folder: Path) -> str:
    path = folder / "files of it.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("process.py")
        member.size = len(SHOWN)
        tar.addfile(member, io.BytesIO(SHOWN.encode()))
    return str(path)


@pytest.mark.parametrize(
    ("more", "given", "out"),
    [
        ({"inputs": "values"}, "it's $HOME", '["it\'s $HOME"] 7 None\n'),
        ({"inputs": "records", "argv": ("{python}", "process.py", "${BATCHIO_TASK_ID}")},
         '{"A": "x y"}', "['7'] 7 x y\n"),
        ({"argv": ("{python}", "process.py", "$HOME"), "env": {"A": "a'b"}},
         None, "['$HOME'] 7 a'b\n"),
    ],
)  # fmt: skip
def test_the_lines_run_the_task_as_it_ran(
    tmp_path: Path, more: dict[str, Any], given: str | None, out: str
) -> None:
    made = spec("0-9", **more)

    lines = reproduce(made, "2c4d5f6g7h", 7, given=given, bundle=packed(tmp_path))

    assert run(tmp_path, lines) == out
    assert (tmp_path / "2c4d5f6g7h-7" / "process.py").exists()


def test_a_line_for_the_shell_is_one_again(tmp_path: Path) -> None:
    made = spec(
        "0-9",
        argv=('echo "$BATCHIO_TASK_ID of $BATCHIO_TASK_COUNT" | tr 7 8',),
        shell=True,
        files=(),
    )

    assert run(tmp_path, reproduce(made, "2c4d5f6g7h", 7)) == "8 of 10\n"


def test_secrets_are_named_and_a_container_too() -> None:
    made = spec("0", secret_names=("TOKEN",), container="debian:12", files=(SentFile("a", 1, 0),))

    lines = reproduce(made, "2c4d5f6g7h", 0, attempt=2)

    assert "export TOKEN=  # a secret: its value is not kept" in lines
    assert "# it ran in the container debian:12" in lines
    assert "export BATCHIO_ATTEMPT=2" in lines

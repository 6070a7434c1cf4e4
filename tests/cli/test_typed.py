"""What is typed and reaches nobody is said: options behind the program, standard input."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.terminal import Terminal


@pytest.fixture(autouse=True)
def script(terminal: Terminal) -> None:
    (terminal.folder / "train.py").write_text("print(1)\n")


@pytest.mark.parametrize("words", [["--ntasks", "100"], ["--ntasks=100"], ["x", "--no-wait"]])
def test_an_option_behind_the_program_is_said_to_go_to_it(
    terminal: Terminal, words: list[str]
) -> None:
    seen = terminal.type("run", "--dry-run", "train.py", *words)
    word = next(word for word in words if word.startswith("--"))
    assert f"warning: {word} is passed to train.py, because it comes after it" in seen.err


@pytest.mark.parametrize(
    "words",
    [["--", "train.py", "--ntasks", "1"], ["train.py", "--epochs", "1"], ["train.py", "-N"]],
)
def test_what_is_meant_for_the_program_is_not_remarked_on(
    terminal: Terminal, words: list[str]
) -> None:
    assert "goes to" not in terminal.type("run", "--dry-run", *words).err


@pytest.mark.parametrize(("typed", "shown"), [("-N=8", "8"), ("-N8", "8"), ("-N", "8")])
def test_a_short_option_may_have_an_equals_sign(terminal: Terminal, typed: str, shown: str) -> None:
    words = [typed, "8"] if typed == "-N" else [typed]
    seen = terminal.type("run", "--dry-run", *words, "-e=A=1", "train.py")
    assert any(line.split()[:2] == ["max-workers", shown] for line in seen.out.splitlines())
    assert any(line.split()[:2] == ["env", "A=1"] for line in seen.out.splitlines())


def test_standard_input_that_no_task_gets_is_said(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a\n")
    (tmp_path / "empty.txt").write_text("")
    said = "warning: tasks cannot read standard input"
    was = os.dup(0)
    try:
        for name, *words in (
            ("in.txt", "--dry-run", "train.py"),
            ("empty.txt", "--dry-run", "train.py"),
            ("in.txt", "--dry-run", "--map-over-file", "-", "train.py"),
        ):
            with open(tmp_path / name, "rb") as file:
                os.dup2(file.fileno(), 0)
            told = said in terminal.type("run", *words).err
            assert told == (name == "in.txt" and "--map-over-file" not in words)
    finally:
        os.dup2(was, 0)
        os.close(was)

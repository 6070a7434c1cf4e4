"""What runs and what travels, from the words that a user typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core.spec import PYTHON
from batchio.errors import UsageError
from batchio.options.command import (
    EXECUTABLE,
    READABLE,
    Command,
    FileFact,
    Look,
    Travels,
    plan_text,
    plan_words,
)

FILES = {
    "hello.sh": FileFact("hello.sh", True, first_line="#!/bin/bash", size=20),
    "plain.sh": FileFact("plain.sh", True, first_line="echo hi", size=8),
    "blank.sh": FileFact("blank.sh", True, first_line="#!/bin/bash -e  x", blank_lines=1, size=9),
    "dos.sh": FileFact("dos.sh", True, first_line="#!/bin/bash\r", size=9),
    "process.py": FileFact("process.py", True, first_line="import os", size=30),
    "sub/job.py": FileFact("sub/job.py", True, first_line="#!/usr/bin/python", size=31),
    "a.out": FileFact("a.out", True, executable=True, first_line="\x7fELF", size=99),
    "tool": FileFact("tool", True, executable=True, first_line="#!/bin/sh", size=12),
    "echo": FileFact("echo", True, first_line="notes", size=5),
    "model.R": FileFact("model.R", True, first_line="x <- 1", size=6),
    "data.txt": FileFact("data.txt", True, first_line="1", size=2),
    "sub/data.csv": FileFact("sub/data.csv", True, first_line="1", size=3),
    "sub": FileFact("sub", True, is_dir=True),
    "test": FileFact("test", True, is_dir=True),
    "../up.sh": FileFact("../up.sh", True, first_line="#!/bin/sh", size=4),
    "../data.txt": FileFact("../data.txt", True, first_line="1", size=2),
    "/abs/far.py": FileFact("/abs/far.py", True, first_line="x", size=7),
    "/abs/data.txt": FileFact("/abs/data.txt", True, first_line="x", size=7),
    "/bin/true": FileFact("/bin/true", True, executable=True, first_line="\x7fELF", size=9),
    "/usr/bin/pip": FileFact("/usr/bin/pip", True, executable=True, first_line="#!/x", size=9),
}


def look(path: str) -> FileFact:
    plain = path.removeprefix("./")
    return FILES.get(plain, FileFact(path))


def plan(*words: str, send: bool = True) -> Command:
    return plan_words(
        words,
        look,
        listing=["process.py", "hello.sh"],
        send=send,
        on_path=lambda name: name in ("echo", "python", "test", "timeout"),
    )


def sent(command: Command) -> list[str]:
    return [file.path for file in command.files]


@pytest.mark.parametrize(
    ("words", "argv", "files"),
    [
        (["process.py", "x"], [PYTHON, "process.py", "x"], ["process.py"]),
        (["./process.py"], [PYTHON, "process.py"], ["process.py"]),
        (["sub/job.py"], [PYTHON, "sub/job.py"], ["sub/job.py"]),
        (["/abs/far.py"], [PYTHON, "far.py"], ["far.py"]),
        (["hello.sh", "a"], ["./hello.sh", "a"], ["hello.sh"]),
        (["../up.sh"], ["./up.sh"], ["up.sh"]),
        (["plain.sh"], ["/bin/sh", "plain.sh"], ["plain.sh"]),
        (["blank.sh"], ["/bin/bash", "-e  x", "blank.sh"], ["blank.sh"]),
        (["./a.out", "--flag"], ["./a.out", "--flag"], ["a.out"]),
        (["a.out"], ["./a.out"], ["a.out"]),
        (["tool"], ["./tool"], ["tool"]),
        (["/bin/true"], ["/bin/true"], []),
        (["/usr/bin/pip", "list"], ["/usr/bin/pip", "list"], []),
        (["/only/there"], ["/only/there"], []),
        (["echo", "hi"], ["echo", "hi"], []),
        (["test", "-f", "x"], ["test", "-f", "x"], []),
        (["python", "process.py"], ["python", "process.py"], ["process.py"]),
    ],
)
def test_the_first_word_says_how_to_run(
    words: list[str], argv: list[str], files: list[str]
) -> None:
    command = plan(*words)
    assert tuple(argv) == command.argv
    assert files == sent(command)
    assert not command.shell


def test_arguments_arrive_byte_for_byte() -> None:
    words = ("./a.out", "--flag", "", "two words", "$HOME", "it's", "*", "\udcff", "a\nb", "--")
    assert words == plan(*words).argv


def test_named_files_travel_by_the_printed_rule() -> None:
    command = plan(
        *("process.py", "data.txt", "./sub/data.csv", "sub", "../data.txt", "/abs/data.txt"),
        *("--in=data.txt", "missing.txt", "sub/../data.txt", "", ".", "data.txt"),
    )
    assert tuple(sent(command)) == ("process.py", "data.txt", "sub/data.csv")
    assert Travels("sub/data.csv", "./sub/data.csv", 3, READABLE) == command.files[2]


def test_what_can_be_executed_here_can_be_executed_there() -> None:
    modes = {file.path: file.mode for file in plan("hello.sh", "tool", "data.txt").files}
    assert modes == {"hello.sh": EXECUTABLE, "tool": EXECUTABLE, "data.txt": READABLE}


def test_without_implicit_upload_only_the_script_travels() -> None:
    assert sent(plan("process.py", "data.txt", send=False)) == ["process.py"]
    assert sent(plan("python", "process.py", send=False)) == []
    assert plan("python", "process.py", send=False).sources == ("process.py",)


def test_directives_may_stand_in_any_script_of_the_line() -> None:
    command = plan("timeout", "600", "python", "sub/job.py", "data.txt", "/abs/far.py")
    assert command.sources == ("sub/job.py", "/abs/far.py")
    assert plan("hello.sh", "process.py").sources == ("hello.sh", "process.py")


def test_two_files_of_one_name_are_refused() -> None:
    files = {**FILES, "../data.py": FileFact("", True), "data.py": FileFact("", True)}
    finds: Look = lambda path: files.get(path, FileFact(path))  # noqa: E731
    with pytest.raises(UsageError) as refused:
        plan_words(["../data.py", "data.py"], finds)
    assert str(refused.value) == "../data.py and data.py would both be copied to data.py"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["proces.py"], "no such file: proces.py", "did you mean process.py?"),
        (["./helo.sh"], "no such file: ./helo.sh", "did you mean ./hello.sh?"),
        (["zzz.py"], "no such file: zzz.py", None),
        (["bin/tool"], "no such file: bin/tool", None),
        (["/abs/none.py"], "no such file: /abs/none.py", None),
        (["sub"], "sub is a folder, not a script", None),
        (["./test"], "./test is a folder, not a script", None),
        (
            ["model.R"],
            'model.R cannot be run: it has no "#!" line and is not executable',
            "name the program that runs it: batchio run Rscript model.R",
        ),
        (
            ["data.txt"],
            'data.txt cannot be run: it has no "#!" line and is not executable',
            "name the program that runs it: batchio run INTERPRETER data.txt",
        ),
        (
            ["dos.sh"],
            "dos.sh:1: the first line ends with a carriage return (a Windows line ending)",
            "convert the file, for example: dos2unix dos.sh",
        ),
        ([], "no command given", "batchio run SCRIPT [ARGUMENTS]"),
        ([""], "no command given", "batchio run SCRIPT [ARGUMENTS]"),
    ],
)
def test_what_cannot_run_is_refused(words: list[str], message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as refused:
        plan(*words)
    assert (message, hint) == (str(refused.value), refused.value.hint)


def test_a_program_that_is_not_here_may_be_elsewhere() -> None:
    assert plan("nvidia-smi").argv == ("nvidia-smi",)


@pytest.mark.parametrize(
    ("words", "as_words"),
    [
        (["echo 'Hello, world'"], "echo 'Hello, world'"),
        (["python process.py"], "python process.py"),
        (["process.py a b"], "process.py a b"),
        (["ls -l", "sub"], "ls -l sub"),
    ],
)
def test_a_line_in_one_word_is_refused_with_both_ways_to_write_it(
    words: list[str], as_words: str
) -> None:
    with pytest.raises(UsageError) as refused:
        plan(*words)
    assert str(refused.value) == f'no program or file is named "{words[0]}" (with the spaces)'
    assert (
        f"write separate words: batchio run {as_words}; or a shell command: batchio run --shell "
        in (refused.value.hint or "")
    )


def test_a_missing_script_whose_name_has_blanks_is_a_missing_script() -> None:
    with pytest.raises(UsageError, match=r"no such file: my job\.sh"):
        plan("my job.sh")


def test_a_shell_line_is_one_string() -> None:
    command = plan_words(["cat data.txt | wc", "> out"], look, shell=True)
    assert (command.argv, command.shell) == (("cat data.txt | wc > out",), True)
    assert sent(command) == ["data.txt"]


# ---- one string ----


@pytest.mark.parametrize(
    ("text", "argv", "shell"),
    [
        ("process.py", (PYTHON, "process.py"), False),
        ("tool", ("./tool",), False),
        ("process.py a 'b c'", (PYTHON, "process.py", "a", "b c"), False),
        (
            r"process.py \$COILED_BATCH_TASK_INPUT",
            (PYTHON, "process.py", "$COILED_BATCH_TASK_INPUT"),
            False,
        ),
        ("echo hi | wc", ("echo hi | wc",), True),
        ("echo hello", ("echo hello",), True),
        ("./hello.sh | wc", ("./hello.sh | wc",), True),
        (r"echo \$BATCHIO_TASK_ID \$HOME", (r"echo \$BATCHIO_TASK_ID \$HOME",), True),
        (r'ssh h "echo \$BATCHIO_X"', (r'ssh h "echo \$BATCHIO_X"',), True),
        ("echo 'open", ("echo 'open",), True),
    ],
)
def test_one_string_is_a_script_or_a_shell_line(
    text: str, argv: tuple[str, ...], shell: bool
) -> None:
    command = plan_text(text, look)
    assert (argv, shell) == (command.argv, command.shell)
    assert text == command.shown or not shell


@pytest.mark.parametrize(
    ("text", "as_script", "argv", "mode", "shown"),
    [
        ("#!/bin/bash\necho a\n", False, ("./script",), EXECUTABLE, "#!/bin/bash"),
        ("echo a\necho b", False, ("/bin/sh", "script"), READABLE, "echo a"),
        ("echo é", True, ("/bin/sh", "script"), READABLE, "echo é"),
    ],
)
def test_a_text_with_lines_is_a_script(
    text: str, as_script: bool, argv: tuple[str, ...], mode: int, shown: str
) -> None:
    command = plan_text(text, look, as_script=as_script)
    assert (argv, text, shown) == (command.argv, command.text, command.shown)
    assert (Travels("script", None, len(text.encode()), mode),) == command.files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no command given"),
        ("  \n ", "no command given"),
        ("proces.py", "no such file: proces.py"),
        ("proces.py a b", "no such file: proces.py"),
        ("process.py a > out", "a shell would not find process.py without a path"),
        ("./sub", None),
    ],
)
def test_a_string_that_cannot_run_is_refused(text: str, message: str | None) -> None:
    if message is None:
        assert plan_text(text, look).shell
        return
    with pytest.raises(UsageError) as refused:
        plan_text(text, look, listing=["process.py"])
    assert message == str(refused.value)


@given(st.lists(st.text(st.characters(exclude_characters="\0")), min_size=1))
def test_words_after_a_program_are_never_touched(words: list[str]) -> None:
    assert ("echo", *words) == plan("echo", *words).argv

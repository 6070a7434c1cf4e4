"""Scripts that come from standard input, a pipe, or what a shell makes of <(…)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.submit.conftest import Caller

from contextlib import contextmanager

SCRIPT = "#!/bin/bash\n# BATCHIO ntasks 3\necho $1\n"


@contextmanager
def stdin_of(text: str) -> Iterator[None]:
    """Standard input is a pipe that holds this text."""
    there, here = os.pipe()
    os.write(here, text.encode())
    os.close(here)
    was = os.dup(0)
    os.dup2(there, 0)
    os.close(there)
    try:
        yield
    finally:
        os.dup2(was, 0)
        os.close(was)


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_standard_input_is_a_script_with_directives_and_words(caller: Caller, name: str) -> None:
    caller.file("data.txt", "1\n")
    with stdin_of(SCRIPT):
        spec = caller.typed(name, "data.txt").spec
    assert (spec.argv, len(spec.tasks)) == (("./script", "data.txt"), 3)
    assert [file.path for file in spec.files] == ["script", "data.txt"]


def test_a_script_without_a_shebang_is_for_the_shell(caller: Caller) -> None:
    with stdin_of("echo a\n"):
        assert caller.typed("-").spec.argv == ("/bin/sh", "script")


def test_a_pipe_that_a_shell_makes_is_a_script(caller: Caller) -> None:
    there, here = os.pipe()
    os.write(here, SCRIPT.encode())
    os.close(here)
    try:
        assert len(caller.typed(f"/dev/fd/{there}").spec.tasks) == 3
    finally:
        os.close(there)
    pipe = caller.folder / "named"
    os.mkfifo(pipe)
    if os.fork() == 0:
        pipe.write_text(SCRIPT)
        os._exit(0)
    assert len(caller.typed("./named").spec.tasks) == 3
    os.wait()


def test_what_is_no_script_is_refused(caller: Caller) -> None:
    for text, message in (("", "is empty"), ("\x7fELF\0", "contains a NUL byte, so it is not")):
        with stdin_of(text):
            assert message in caller.refused("-")[0]


def test_standard_input_is_not_both_script_and_values(caller: Caller) -> None:
    with stdin_of(SCRIPT):
        assert caller.refused("-", map_over_file="-")[0] == (
            "--map-over-file: standard input holds the script"
        )


# --- directives that say more or less than was meant ---------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--ntasks 3 --cpu 2", "ntasks and --cpu are on the same line"),
        ("name a --wait", "name and --wait are on the same line"),
        ("env A=1 --no-wait", "env and --no-wait are on the same line"),
        ("ntasks 3 \\\\", "ntasks: a directive cannot continue on the next line"),
        ("wait \\\\", "wait: a directive cannot continue on the next line"),
    ],
)
def test_one_line_is_one_option(caller: Caller, line: str, message: str) -> None:
    caller.file("a.sh", f"#!/bin/sh\n# BATCHIO {line}\ntrue\n".replace("\\\\", "\\"))
    said, hint = caller.refused("a.sh")
    assert said == f"a.sh:2: {message}"
    assert (hint or "").startswith("write one option per line")


def test_a_value_in_quotes_may_look_like_options(caller: Caller) -> None:
    caller.file("a.sh", '#!/bin/sh\n# BATCHIO name "a --wait"\ntrue\n')
    assert caller.typed("a.sh").spec.name == "a --wait"


def test_a_shebang_below_comments_is_noted(caller: Caller) -> None:
    caller.file("a.sh", "# BATCHIO ntasks 2\n#!/bin/bash\ntrue\n")
    [note] = caller.typed("a.sh").warnings
    assert note.startswith('a.sh:2: "#!" is not in the first line')
    caller.file("b.sh", "#!/bin/bash\n# BATCHIO ntasks 2\ntrue\n")
    assert caller.typed("b.sh").warnings == []


def test_a_script_with_windows_line_ends_is_refused_without_a_shebang_too(caller: Caller) -> None:
    caller.file("a.sh", "# BATCHIO ntasks 2\r\necho a\r\n")
    assert caller.refused("a.sh")[0] == (
        "a.sh:1: the first line ends with a carriage return (a Windows line ending)"
    )

"""Odd things that people type, name, and print: each is taken as it was meant, or said."""

from __future__ import annotations

import errno
import io
import os
from typing import TYPE_CHECKING

import pytest

from batchio.cli.terminal import harmless
from batchio.core.arrays import parse_array
from batchio.errors import BatchioError, UsageError, WorkspaceError
from batchio.options.command import FileFact, plan_text, plan_words
from batchio.options.directives import parse
from batchio.software.cache import cache_folder
from batchio.stores import lease
from batchio.stores.bucket import default_copies
from batchio.stores.folder import default_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.terminal import Terminal


@pytest.mark.parametrize("yes", ["-y", "--yes"])
@pytest.mark.parametrize("verb", ["cancel", "retry", "recover"])
def test_yes_has_a_short_form_where_the_help_says_so(
    terminal: Terminal, verb: str, yes: str
) -> None:
    terminal.type("run", "--wait", "--", "true")

    seen = terminal.type(verb, yes)

    assert (seen.code, "no such option" in seen.err) == (0, False), seen.err


def test_a_job_whose_name_holds_slashes_is_found_by_every_verb(terminal: Terminal) -> None:
    terminal.type("run", "--wait", "--name", "exp/lr0.1", "--", "true")
    terminal.type("run", "--wait", "--name", "exp/7", "--", "true")

    for job in ("exp/lr0.1", "exp/lr0.1/0", "exp/7", "exp/7/0"):
        assert terminal.type("explain", job).code == 0, job
    for job in ("exp/lr0.1", "exp/7"):
        assert terminal.type("status", job).code == 0, job
    seen = terminal.type("explain", "exp/7/x")
    assert seen.err.startswith('error: "x" is not the id of a task')


@pytest.mark.parametrize(
    ("name", "text"),
    [("n.csv", "A\nC:\\u0000x\n"), ("n.jsonl", '{"A": "a\\\\u0000b"}\n')],
)
def test_the_letters_of_an_escaped_nul_are_no_nul(terminal: Terminal, name: str, text: str) -> None:
    (terminal.folder / name).write_text(text)

    seen = terminal.type("run", "--dry-run", "--map-over-file", name, "--shell", "echo $A")

    assert seen.code == 0, seen.err


def test_a_nul_in_a_row_is_refused_with_its_place(terminal: Terminal) -> None:
    (terminal.folder / "n.jsonl").write_text('{"A": "a\\u0000b"}\n')

    seen = terminal.type("run", "--dry-run", "--map-over-file", "n.jsonl", "--shell", "echo $A")

    assert seen.code == 2
    assert "n.jsonl:1" in seen.err


def nowhere(path: str) -> FileFact:
    """No file is there."""
    return FileFact(path)


@pytest.mark.parametrize(
    "text",
    [
        "\n#!/usr/bin/env python3\nprint(1)\n",
        "\n\n  \n    #!/usr/bin/env python3\n    print(1)\n    ",
        "\ufeff#!/usr/bin/env python3\nprint(1)\n",
    ],
)
def test_a_script_between_three_quotes_runs_as_its_first_line_says(text: str) -> None:
    command = plan_text(text, nowhere)

    assert command.argv == ("./script",)
    assert command.text
    assert command.text.startswith("#!/usr/bin/env python3\nprint(1)\n")


def test_a_byte_order_mark_before_the_shebang_is_refused() -> None:
    def look(path: str) -> FileFact:
        return FileFact(path, True, False, True, "\ufeff#!/bin/bash\n")

    with pytest.raises(UsageError, match="byte order mark"):
        plan_words(["bom.sh"], look)


@pytest.mark.parametrize(
    "line",
    [
        "# BATCHIO\u00a0ntasks 3",
        "# BATCHIO\u202fntasks=3",
        "#\u00a0BATCHIO ntasks 3",
        "# BATCHIO, ntasks 3",
        "# BATCHIO; --ntasks 3",
        "# Batchio ntasks=3",
        "## batchio: ntasks 3",
    ],
)
def test_a_directive_is_understood_whatever_parts_it_from_its_tag(line: str) -> None:
    assert [(d.key, d.value) for d in parse(f"#!/bin/sh\n{line}\n", "a.sh")] == [("ntasks", "3")]


@pytest.mark.parametrize("line", ["# Batchio runs this", "# BATCHIO_TASK_ID is set", "# BATCHIOS"])
def test_prose_about_batchio_is_no_directive(line: str) -> None:
    assert parse(f"#!/bin/sh\n{line}\n", "a.sh") == []


@pytest.mark.parametrize("text", ["0-3%5\x1c", "0-3% 5 ", "0-3%\u20035"])
def test_blanks_around_the_limit_of_an_array_mean_nothing(text: str) -> None:
    assert parse_array(text).at_once == 5


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO])
def test_a_file_system_that_locks_no_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("fcntl.flock", flock)

    with pytest.raises(WorkspaceError, match="does not support file locks"):
        lease.Lease(tmp_path)


@pytest.mark.parametrize(
    ("place", "variable"),
    [
        (default_root, "BATCHIO_WORKSPACE"),
        (default_copies, "XDG_CACHE_HOME"),
        (cache_folder, "XDG_CACHE_HOME"),
    ],
)
def test_who_has_no_home_is_told_how_to_say_where_things_are_kept(
    place: Callable[[dict[str, str]], Path], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)

    with pytest.raises(BatchioError, match="there is no home folder") as told:
        place({})
    assert told.value.hint
    assert variable in told.value.hint


@pytest.mark.parametrize(
    ("form", "told", "shown"),
    [
        ("json", ["--limit", "5"], 5),
        ("jsonl", ["--limit", "5"], 5),
        ("json", [], 60),
        ("jsonl", [], 60),
        ("json", ["--all", "--limit", "5"], 60),
    ],
)
def test_a_limit_counts_in_every_format(
    terminal: Terminal, form: str, told: list[str], shown: int
) -> None:
    terminal.type("run", "--wait", "--name", "j", "--ntasks", "60", "--", "true")

    seen = terminal.type("status", "j", *told, "--format", form)

    assert seen.out.count('"attempt":') == shown


def test_a_configuration_file_may_begin_with_a_byte_order_mark(terminal: Terminal) -> None:
    (terminal.folder / "batchio.toml").write_text("\ufeffntasks = 3\n")

    seen = terminal.type("run", "--dry-run", "--", "true")

    assert (seen.code, "tasks     3" in seen.out) == (0, True), seen.err


def test_an_editors_lock_is_left_out_and_that_is_said(terminal: Terminal) -> None:
    (terminal.folder / ".#notes.txt").symlink_to("user@host.4711")

    seen = terminal.type("run", "--dry-run", "--upload", ".", "--", "true")

    assert seen.code == 0
    assert ".#notes.txt was not sent: it is an editor's lock" in seen.err


@pytest.mark.parametrize("tag", ["SBATCH", "PBS", "BSUB"])
def test_directives_of_another_scheduler_are_said_not_to_be_read(
    terminal: Terminal, tag: str
) -> None:
    (terminal.folder / "a.sh").write_text(f"#!/bin/sh\n#{tag} -a 1-10\n#{tag} -n 2\ntrue\n")
    (terminal.folder / "b.sh").write_text(f"#!/bin/sh\n#{tag} -a 1-10\n# BATCHIO ntasks 2\n")

    assert terminal.type("run", "--dry-run", "a.sh").err.count(f"a.sh:2: #{tag} lines are") == 1
    assert "are not read" not in terminal.type("run", "--dry-run", "b.sh").err


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("plain é", "plain é"),
        ("\x1b[31mred", "\x1b[31mred\x1b[0m"),
        ("\x1b[2J\x1b[1;32mx", "\\x1b[2J\x1b[1;32mx\x1b[0m"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb", "a\\u202eb"),
        ("a\tb\rc", "a\tb\\rc"),
    ],
)
def test_on_a_terminal_only_colours_of_a_task_pass_and_end_with_the_line(
    printed: str, shown: str
) -> None:
    assert harmless(printed, Screen()) == shown
    assert harmless(printed, io.StringIO()) == printed


def test_fewer_tasks_at_a_time_than_were_asked_for_are_said_before(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    less = (
        "warning: 2 tasks run at a time, not 8: this computer has 2 CPUs; to run more: --slots 8\n"
    )

    def said(*words: str) -> bool:
        return less in terminal.type("run", "--dry-run", *words, "--", "true").err

    assert said("--ntasks", "8", "-N", "8")
    assert said("--array", "0-99%8")
    assert not said("--ntasks", "8", "-N", "2")
    assert not said("--ntasks", "2", "-N", "8")
    assert not said("--ntasks", "8", "-N", "8", "--slots", "8")
    assert not said("--ntasks", "8")
    assert not said("--ntasks", "8", "-N", "8", "--hosts", "a,b")

"""`batchio rm` and `batchio prune` say what goes, and refuse what must stay."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import batchio
from tests.core.stories import T0, mixed

if TYPE_CHECKING:
    from tests.cli.terminal import Terminal

A, B, C = "2b7l9lg7dl", "2b7l9lhbbb", "2b7m222222"


def test_rm_removes_several_and_one_that_is_refused_hinders_no_other(terminal: Terminal) -> None:
    for job in (A, C):
        terminal.keep(mixed(job).close())
    terminal.keep(mixed(B))

    seen = terminal.type("rm", A, B, C, A)

    assert seen.code == 2
    assert seen.out == ""
    assert re.sub(r"[0-9.]+ KiB", "SIZE", seen.err).splitlines() == [
        f"deleted job {A} (process.py), SIZE",
        f"error: job {B} is not done and may still use nodes",
        f"hint: cancel it first: batchio cancel {B}",
        f"deleted job {C} (process.py), SIZE",
    ]
    assert terminal.workspace.jobs() == [B]


def test_rm_wants_to_know_which(terminal: Terminal) -> None:
    terminal.keep(mixed(A).close())

    seen = terminal.type("rm")

    assert seen.code == 2
    assert seen.err.startswith("error: ")
    assert "JOB" in seen.err
    assert terminal.workspace.jobs() == [A]


def test_a_damaged_job_can_be_removed_by_name(terminal: Terminal) -> None:
    terminal.keep(mixed(A))
    (terminal.workspace.job(A).folder / "journal.sqlite").write_bytes(os.urandom(4096))

    assert terminal.type("rm", A).code == 0
    assert terminal.workspace.jobs() == []


def test_what_was_brought_to_a_folder_of_ones_own_stays(terminal: Terminal) -> None:
    mine = terminal.folder / "results"
    done = terminal.type(
        "run", "--wait", "--download", "results", "--shell", 'echo 1 > "$BATCHIO_OUTPUT_DIR/a"'
    )
    assert done.code == 0
    [job] = terminal.workspace.jobs()

    assert terminal.type("rm", job).code == 0

    assert terminal.workspace.jobs() == []
    assert (mine / "0" / "a").read_text() == "1\n"


def test_prune_says_how_many_and_how_much_before_and_after(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job in (A, B):
        terminal.keep(mixed(job).close())
    terminal.keep(mixed(C))
    monkeypatch.setattr("time.time", lambda: T0 + 40 * 86_400)

    young = terminal.type("prune", "--older-than", "60d")
    dry = terminal.type("prune", "--older-than", "30d", "--dry-run")
    assert terminal.workspace.jobs() == [C, B, A]
    done = terminal.type("prune", "--older-than", "30d")

    assert (young.code, young.err) == (0, "no job is old enough\n")
    assert [re.sub(r"[0-9.]+ KiB", "SIZE", line) for line in dry.err.splitlines()] == [
        f"would delete job {B} (process.py), SIZE",
        f"would delete job {A} (process.py), SIZE",
        "nothing was deleted (--dry-run); it would free SIZE of 2 jobs",
    ]
    last = done.err.splitlines()[-1]
    assert (last.startswith("freed "), last.endswith(" of 2 jobs")) == (True, True)
    assert terminal.workspace.jobs() == [C]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            [],
            "error: prune needs --older-than\nhint: for example: --older-than",
        ),
        (["--older-than", "soon"], 'error: --older-than: "soon" is not a duration'),
    ],
)
def test_prune_without_an_age_removes_nothing(
    terminal: Terminal, words: list[str], said: str
) -> None:
    terminal.keep(mixed(A).close())

    seen = terminal.type("prune", *words)

    assert seen.code == 2
    assert seen.err.startswith(said)
    assert terminal.workspace.jobs() == [A]


@pytest.mark.parametrize("age", [timedelta(days=30), "30d", 30 * 86_400])
def test_a_program_says_an_age_as_it_likes(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, age: float | timedelta | str
) -> None:
    for job in (A, B):
        terminal.keep(mixed(job).close())
    monkeypatch.setattr("time.time", lambda: T0 + 40 * 86_400)

    assert batchio.sync.remove(A[:9]).id == A
    assert [one.id for one in batchio.sync.prune(older_than=age, dry_run=True)] == [B]
    assert [one.id for one in batchio.sync.prune(older_than=age)] == [B]
    assert batchio.sync.list_jobs() == []

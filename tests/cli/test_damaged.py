"""A damaged event hides nothing but itself, and nobody calls such a job a success."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from batchio.core.events import TasksFinished
from tests.core.stories import mixed

if TYPE_CHECKING:
    from tests.cli.terminal import Terminal

A, B = "2b7l9lg7dl", "2b7l9lhbbb"


@pytest.fixture
def damaged(terminal: Terminal) -> Terminal:
    """Two jobs that are done; one letter in the journal of A was changed on the disk."""
    for job in (A, B):
        terminal.keep(mixed(job).close())
    path = terminal.workspace.job(A).folder / "journal.sqlite"
    with sqlite3.connect(path) as journal:
        told = f'["{TasksFinished.tag}"'
        found = "SELECT max(seq) FROM events WHERE substr(body, 1, ?) = ?"
        (event,) = journal.execute(found, (len(told), told)).fetchone()
        change = "UPDATE events SET body = replace(body, '1', '2') WHERE seq = ?"
        journal.execute(change, (event,))
    journal.close()
    for name in ("card.json", "snapshot"):
        (terminal.workspace.job(A).folder / name).unlink(missing_ok=True)
    return terminal


@pytest.mark.parametrize("verb", ["status", "explain", "nodes", "logs"])
def test_everything_else_of_the_job_is_shown(damaged: Terminal, verb: str) -> None:
    seen = damaged.type(verb, A)

    assert seen.code == 0
    assert "Traceback" not in seen.err
    if verb == "status":
        assert "of the journal is damaged" in seen.out + seen.err
        assert len([line for line in seen.out.splitlines() if "succeeded" in line]) > 1


def test_the_other_jobs_are_listed(damaged: Terminal) -> None:
    seen = damaged.type("list")

    assert seen.code == 0
    assert A in seen.out
    assert B in seen.out


def test_waiting_for_it_is_no_success(damaged: Terminal) -> None:
    seen = damaged.type("wait", A)

    assert seen.code == 3
    assert "damaged" in seen.err
    assert "damaged" not in damaged.type("wait", B).err

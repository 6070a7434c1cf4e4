"""A damaged event hides nothing but itself, and nobody calls such a job a success."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from batchio.core.cards import card_of
from batchio.core.events import TasksFinished
from tests.core.stories import T0, mixed
from tests.stores.spools import Spool

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


@pytest.mark.parametrize("verb", ["list", "status", "explain", "nodes", "logs", "wait"])
@pytest.mark.parametrize("content", [b"", b"[1]", b'{"7": "x", "x": 7}', b"[" * 99_999, b"\0" * 99])
def test_files_that_people_are_shown_may_hold_anything(
    terminal: Terminal, verb: str, content: bytes
) -> None:
    terminal.keep(mixed(A).close())
    for name in (
        "card.json",
        "loads.json",
        "preparing.json",
        "reaching.json",
        "snapshot",
        "stopped.txt",
    ):
        (terminal.workspace.job(A).folder / name).write_bytes(content)

    seen = terminal.type(verb, *([] if verb == "list" else [A]))

    assert seen.code == (3 if verb == "wait" else 0)  # a task of it was lost
    assert "itself failed" not in seen.err
    assert verb in ("logs", "nodes") or A in seen.out + seen.err


def test_a_card_with_one_odd_value_is_made_anew(terminal: Terminal) -> None:
    terminal.keep(mixed(A).close())
    whole = terminal.type("list").out
    path = terminal.workspace.job(A).folder / "card.json"
    card = card_of(mixed(A).close().machine, T0 + 50, is_open=False)
    for name in card:
        path.write_text(json.dumps({**card, name: [{}]}))
        assert terminal.type("list").out == whole, name


def test_a_record_of_a_task_that_the_job_has_not_hides_no_line(terminal: Terminal) -> None:
    terminal.keep(mixed(A).close())
    spool = Spool(terminal.workspace.job(A).logs(), 0)
    for task in (0, 5_000, 0):
        spool.print(1.8e9, task, b"a line\n")

    seen = terminal.type("logs", A)

    assert seen.code == 0
    assert seen.out.count("a line") == 2

"""Damage to single events of the SQLite file of a journal: known, named, and it hides no other."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from batchio.core.events import HeadStarted, encode
from batchio.errors import JournalCorrupt, WorkspaceError
from batchio.stores.folder import FolderWorkspace
from tests.making import make

if TYPE_CHECKING:
    from pathlib import Path

JOB = "2b7l9lg7dl"
FIRST = encode(HeadStarted(1.0, 1, "host", 7))


@pytest.fixture
def workspace(tmp_path: Path) -> FolderWorkspace:
    workspace = FolderWorkspace(tmp_path / "workspace")
    make(workspace, JOB, [FIRST])
    return workspace


def change(workspace: FolderWorkspace, sql: str) -> None:
    """Do to the journal what nobody should."""
    connection = sqlite3.connect(workspace.job(JOB).folder / "journal.sqlite")
    connection.executescript(sql)
    connection.close()


@pytest.mark.asyncio
async def test_an_event_that_makes_no_sense_is_named_by_its_number(
    workspace: FolderWorkspace,
) -> None:
    journal = workspace.job(JOB).lead()
    await journal.append([FIRST, '["no-such-thing",1]'])
    await journal.close()

    with (
        workspace.job(JOB).reader() as reader,
        pytest.raises(JournalCorrupt, match=r'event 3 is not an event: .."no-such-thing",1'),
    ):
        reader.events()


@pytest.mark.asyncio
async def test_a_missing_event_has_an_empty_body_and_is_named(workspace: FolderWorkspace) -> None:
    journal = workspace.job(JOB).lead()
    await journal.append(["a", "b", "c"])
    await journal.close()
    change(workspace, "DELETE FROM events WHERE seq = 3")

    with closing(workspace.job(JOB).reader()) as reader:
        assert reader.read(1) == [(2, "a"), (3, ""), (4, "c")]
        with pytest.raises(JournalCorrupt, match="event 3 is damaged, or missing"):
            reader.events(2)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "damage",
    [
        "body = 'B'",
        "body = CAST(x'ff' AS TEXT)",
        "body = 7",
        "sum = sum + 1",
        "body = (SELECT body FROM events WHERE seq = 2), sum = "
        "(SELECT sum FROM events WHERE seq = 2)",
    ],
    ids=["another letter", "no UTF-8", "a number", "its sum", "another event"],
)
async def test_a_damaged_event_has_an_empty_body_and_hides_no_other(
    workspace: FolderWorkspace, damage: str
) -> None:
    journal = workspace.job(JOB).lead()
    await journal.append(["a", "b", "c"])
    await journal.close()
    change(workspace, f"UPDATE events SET {damage} WHERE seq = 3")

    with closing(workspace.job(JOB).reader()) as reader:
        assert reader.read(1) == [(2, "a"), (3, ""), (4, "c")]


@pytest.mark.asyncio
async def test_a_damaged_number_is_that_of_its_place(workspace: FolderWorkspace) -> None:
    journal = workspace.job(JOB).lead()
    await journal.append(["a"])
    await journal.close()
    change(workspace, "UPDATE events SET seq = 4611686018427387904 WHERE seq = 2")

    with closing(workspace.job(JOB).reader()) as reader:
        assert reader.read() == [(1, FIRST), (2, "")]


def test_without_checksums_a_number_that_cannot_be_is_named_at_once(
    workspace: FolderWorkspace,
) -> None:
    change(
        workspace,
        "ALTER TABLE events DROP COLUMN sum; UPDATE meta SET value = 1 WHERE key = 'layout';"
        "INSERT INTO events VALUES (4611686018427387904, 'a')",
    )

    with (
        closing(workspace.job(JOB).reader()) as reader,
        pytest.raises(JournalCorrupt, match="events 2 to 4611686018427387903 are missing"),
    ):
        reader.read()


@pytest.mark.asyncio
async def test_a_journal_of_before_there_were_checksums_is_read_and_written_on(
    workspace: FolderWorkspace,
) -> None:
    change(
        workspace,
        "ALTER TABLE events DROP COLUMN sum; UPDATE meta SET value = 1 WHERE key = 'layout'",
    )
    journal = workspace.job(JOB).lead()
    await journal.append(["a", "b"])
    await journal.close()

    with closing(workspace.job(JOB).reader()) as reader:
        assert reader.read() == [(1, FIRST), (2, "a"), (3, "b")]


def test_a_journal_of_another_layout_says_which_batchio_reads_it(
    workspace: FolderWorkspace,
) -> None:
    change(workspace, "UPDATE meta SET value = 99 WHERE key = 'layout'")

    with pytest.raises(WorkspaceError, match="in layout 99; this batchio reads layouts 1 and 2"):
        workspace.job(JOB).reader()


@pytest.mark.asyncio
async def test_a_damaged_snapshot_counts_as_none(workspace: FolderWorkspace) -> None:
    journal = workspace.job(JOB).lead()
    await journal.snapshot(b"state" * 100)
    await journal.close()
    path = workspace.job(JOB).folder / "snapshot"
    whole = path.read_bytes()

    with closing(workspace.job(JOB).reader()) as reader:
        assert reader.snapshot() == (1, b"state" * 100)
        for damaged in (b"", whole[:10], whole[:-1], whole[:-1] + b"?", b"?" + whole[1:]):
            path.write_bytes(damaged)
            assert reader.snapshot() is None

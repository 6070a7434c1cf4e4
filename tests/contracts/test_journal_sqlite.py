"""What can befall the SQLite file of a journal: a full disk, damage, a disk that is read-only."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from batchio.core.events import HeadStarted, encode
from batchio.errors import (
    JournalCorrupt,
    JournalDown,
    JournalFull,
    LeaseHeld,
    NoSuchJob,
)
from batchio.stores import journal_file, sqlite
from batchio.stores.folder import FolderWorkspace
from batchio.stores.last_words import read_last_words, write_last_words
from tests.making import bodies, make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

JOB = "2b7l9lg7dl"
FIRST = encode(HeadStarted(1.0, 1, "host", 7))


@pytest.fixture
def workspace(tmp_path: Path) -> FolderWorkspace:
    workspace = FolderWorkspace(tmp_path / "workspace")
    make(workspace, JOB, [FIRST])
    return workspace


@contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"NOT TESTED, a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Use up the disk but for `leave` bytes."""
    disk = os.statvfs(folder)
    filler = folder / "filler"
    filler.write_bytes(b"x" * (disk.f_bavail * disk.f_frsize - leave))
    return filler


# --- held up ----


@pytest.mark.asyncio
async def test_a_lock_that_another_program_holds_for_long_only_delays_the_batch(
    workspace: FolderWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "BUSY_S", 0.01)
    store = workspace.job(JOB)
    journal = store.lead()
    other = sqlite3.connect(store.folder / "journal.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(JournalDown, match="another program has locked the journal"):
        await journal.append(["a", "b"])
    other.execute("ROLLBACK")
    await journal.append(["a", "b"])

    assert bodies(store) == [FIRST, "a", "b"]
    other.close()
    await journal.close()


# --- a full disk ---------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_full_disk_refuses_the_batch_whole_and_works_again_when_there_is_room(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    with tmpfs(disk, "size=1m"):
        workspace = FolderWorkspace(disk)
        make(workspace, JOB, [FIRST])
        folder = workspace.job(JOB).folder
        journal = workspace.job(JOB).lead()
        filler = fill(disk, leave=100_000)
        written = 1

        async def append_for_ever() -> None:
            nonlocal written
            while True:
                await journal.append(["x" * 3000] * 3)
                written += 3

        with pytest.raises(JournalFull, match=r"no space left for .*journal\.sqlite"):
            await append_for_ever()
        with pytest.raises(JournalFull):
            await journal.append(["y" * 40_000])
        await journal.snapshot(b"s" * 200_000)

        reader = workspace.job(JOB).reader()
        assert written > 1
        assert reader.last() == len(reader.read()) == written
        assert reader.snapshot() is None

        filler.unlink()
        await journal.append(["again"])
        assert reader.read(written) == [(written + 1, "again")]
        reader.close()
        await journal.close()
        assert folder.is_dir()


@pytest.mark.asyncio
async def test_on_a_full_disk_there_is_room_to_say_why_the_head_stopped(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with tmpfs(disk, "size=1m"):
        workspace = FolderWorkspace(disk)
        make(workspace, JOB, [FIRST])
        folder = workspace.job(JOB).folder
        filler = fill(disk, leave=0)

        write_last_words(folder, "no room left on the disk\n")
        assert read_last_words(folder) == "no room left on the disk\n"

        filler.unlink()
        journal = workspace.job(JOB).lead()
        assert read_last_words(folder) is None
        assert (folder / "reserve").stat().st_size == 65536
        await journal.close()


def test_a_job_that_does_not_fit_is_not_made_at_all(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with tmpfs(disk, "size=1m"):
        workspace = FolderWorkspace(disk)
        (disk / "jobs").mkdir()
        filler = fill(disk, leave=20_000)

        with pytest.raises(JournalFull, match="no space left") as refused:
            make(workspace, JOB, [FIRST])

        assert workspace.jobs() == []
        assert "recover" not in str(refused.value.hint)  # there is no job to go on with
        filler.unlink()
        make(workspace, JOB, [FIRST])
        assert workspace.jobs() == [JOB]


# --- damage --------------------------------------------------------------------------


def _garbage(journal: Path) -> None:
    journal.write_bytes(b"not a journal " * 1000)


def _cut(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:5000])


def _emptied(journal: Path) -> None:
    journal.write_bytes(b"")


def _holes(journal: Path) -> None:
    data = bytearray(journal.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    journal.write_bytes(data)


def _gone(journal: Path) -> None:
    journal.unlink()


DAMAGE = [_garbage, _cut, _emptied, _holes, _gone]


async def _filled(workspace: FolderWorkspace) -> Path:
    journal = workspace.job(JOB).lead()
    await journal.append([FIRST] * 2000)
    await journal.close()
    return workspace.job(JOB).folder / "journal.sqlite"


@pytest.mark.asyncio
@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_reader_names_a_damaged_journal(
    workspace: FolderWorkspace, damage: Callable[[Path], None]
) -> None:
    path = await _filled(workspace)
    damage(path)

    with pytest.raises(JournalCorrupt) as caught:
        workspace.job(JOB).reader().events()

    assert str(caught.value).startswith(f"the journal {path} is damaged: ")
    assert "submit the job again" in (caught.value.hint or "")


@pytest.mark.asyncio
@pytest.mark.parametrize("damage", [_garbage, _emptied])
async def test_a_head_refuses_a_damaged_journal_and_lets_go_of_the_lease(
    workspace: FolderWorkspace, damage: Callable[[Path], None]
) -> None:
    damage(await _filled(workspace))

    with pytest.raises(JournalCorrupt, match=r"journal\.sqlite is damaged"):
        workspace.job(JOB).lead()

    assert workspace.job(JOB).leader() is None


def test_a_job_that_does_not_exist_has_no_reader_and_no_lease(workspace: FolderWorkspace) -> None:
    with pytest.raises(NoSuchJob):
        workspace.job("2b7l9lg7dm").reader()
    with pytest.raises(NoSuchJob):
        workspace.job("2b7l9lg7dm").lead()


# --- growth, and disks that cannot be written ----------------------------------------


@pytest.mark.asyncio
async def test_the_write_ahead_log_stays_small_although_somebody_reads_all_the_time(
    workspace: FolderWorkspace,
) -> None:
    journal = workspace.job(JOB).lead()
    wal = workspace.job(JOB).folder / "journal.sqlite-wal"
    largest = 0
    with closing(workspace.job(JOB).reader()) as reader:
        at = 0
        for _ in range(60):
            await journal.append(["x" * 1000] * 1000)
            at += len(reader.read(at))
            largest = max(largest, wal.stat().st_size)
        assert at == 60_001
    await journal.close()

    assert largest < 16 << 20
    assert not wal.exists()


@pytest.mark.asyncio
async def test_a_write_ahead_log_that_a_slow_reader_let_grow_is_cut_back_when_it_is_gone(
    workspace: FolderWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CUT_PAUSE_S", 0.0)
    journal = workspace.job(JOB).lead()
    folder = workspace.job(JOB).folder
    slow = sqlite3.connect(f"{(folder / 'journal.sqlite').as_uri()}?mode=ro", uri=True)
    slow.execute("BEGIN")
    slow.execute("SELECT count(*) FROM events").fetchone()
    for _ in range(12):
        await journal.append(["x" * 1000] * 1000)
    grown = (folder / "journal.sqlite-wal").stat().st_size

    slow.close()
    await journal.append(["x"])

    assert grown > sqlite.WAL_LIMIT_BYTES
    assert (folder / "journal.sqlite-wal").stat().st_size == 0
    await journal.close()


@pytest.mark.asyncio
async def test_whoever_deletes_the_lock_file_does_not_get_two_heads_that_write(
    workspace: FolderWorkspace,
) -> None:
    first = workspace.job(JOB).lead()
    (workspace.job(JOB).folder / "head.lock").unlink()
    second = workspace.job(JOB).lead()

    with pytest.raises(LeaseHeld, match="another head has taken over"):
        await first.append(["a"])
    await second.append(["b"])

    with closing(workspace.job(JOB).reader()) as reader:
        assert [body for _, body in reader.read()] == [FIRST, "b"]
    await first.close()
    await second.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("clean", [True, False])
async def test_a_journal_on_a_read_only_disk_is_read(
    tmp_path: Path, workspace: FolderWorkspace, clean: bool
) -> None:
    journal = workspace.job(JOB).lead()
    await journal.append(["a", "b"])
    if clean:
        await journal.close()
    disk = tmp_path / "disk"
    with tmpfs(disk, "size=4m"):
        copy = FolderWorkspace(disk)
        copy.job(JOB).folder.mkdir(parents=True)
        for file in workspace.job(JOB).folder.glob("journal.sqlite*"):
            if not file.name.endswith("-shm"):
                (copy.job(JOB).folder / file.name).write_bytes(file.read_bytes())
        make_read_only(disk)

        with copy.job(JOB).reader() as reader:
            assert reader.read() == [(1, FIRST), (2, "a"), (3, "b")]
    await journal.close()


def test_a_reader_is_closed_after_the_read_of_another_thread(workspace: FolderWorkspace) -> None:
    """SQLite ends the whole process when a connection is closed that is at work."""
    reader = workspace.job(JOB).reader()
    asked, answer, closed = threading.Event(), threading.Event(), threading.Event()
    usual, reader._connection = reader._connection, cast("Any", Slow(asked, answer, closed))
    reader._turn = turns = cast("Any", Turns())
    with ThreadPoolExecutor() as pool:
        last = pool.submit(reader.last)
        assert asked.wait(60)
        closes = pool.submit(reader.close)
        assert turns.second.wait(60)
        assert not closed.is_set()
        answer.set()
        assert (last.result(60), closes.result(60)) == (0, None)
    assert closed.is_set()
    usual.close()


class Turns:
    """A lock that tells when a second thread wants it."""

    def __init__(self) -> None:
        self.first, self.second = threading.Event(), threading.Event()
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        (self.second if self.first.is_set() else self.first).set()
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


class Slow:
    """A connection whose answer takes until it is let go."""

    def __init__(self, *events: threading.Event) -> None:
        self.asked, self.answer, self.closed = events

    def execute(self, *_: object) -> Slow:
        self.asked.set()
        assert self.answer.wait(60)
        return self

    def fetchall(self) -> list[tuple[int]]:
        return [(0,)]

    def close(self) -> None:
        self.closed.set()

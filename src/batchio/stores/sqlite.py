"""The writer of one job's journal, an SQLite file. Readers: `reader.py`.

WAL mode with synchronous=FULL: every commit is synced, so it survives a power cut, and
readers neither wait nor are waited for (https://www.sqlite.org/wal.html and
https://www.sqlite.org/pragma.html#pragma_synchronous).

Exactly one connection writes: the lease is taken before the file is opened, and readers
open it read-only, so that none can checkpoint. That also keeps clear of the WAL-reset bug
of SQLite 3.7.0 to 3.51.2, which takes two connections that write or checkpoint at once
(https://www.sqlite.org/wal.html#walresetbug).
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from batchio.core.events import FORMAT
from batchio.errors import JobMoved, JournalFull, LeaseHeld, NoSuchJob
from batchio.stores.journal_file import (
    BUSY_S,
    JOURNAL_FILE,
    LAYOUT,
    SCHEMA,
    SNAPSHOT_FILE,
    SNAPSHOT_HEAD,
    SNAPSHOT_MAGIC,
    UNSUMMED,
    check_layout,
    checksum,
    connect,
    corrupt,
    translated,
)
from batchio.stores.last_words import clear_last_words
from batchio.stores.lease import Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

WAL_LIMIT_BYTES: Final = 8 << 20
"""Size above which the write-ahead log is truncated; only a slow reader lets it grow so far."""

CUT_PAUSE_S: Final = 1.0

_PATIENCE = f"PRAGMA busy_timeout = {BUSY_S * 1000:.0f}"
_HASTE = "PRAGMA busy_timeout = 20"

T = TypeVar("T")


def create_journal(folder: Path, job: str, events: Sequence[str], made_by: str = "") -> None:
    """Make the journal file of a new job, with its first events. Blocks.

    Args:
        folder: The folder for the file; no other process may know it yet.
        events: Encoded by `core.events.encode`.
        made_by: The version of batchio, for people.

    Raises:
        JournalFull: no room.
    """
    path = folder / JOURNAL_FILE
    meta = {"layout": str(LAYOUT), "format": str(FORMAT), "job": job, "batchio": made_by}
    connection = connect(path, "mode=rwc")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript("BEGIN;" + SCHEMA)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        connection.executemany("INSERT INTO events VALUES (?, ?, ?)", _rows(events, 1))
        connection.execute("COMMIT")
    except sqlite3.Error as err:
        error = translated(path, err)
        if isinstance(error, JournalFull):
            error.hint = "free some space on that disk, and submit the job again"
        raise error from err
    finally:
        connection.close()


class SqliteJournal:
    """The journal's writer, which holds the job's lease. Implements `ports.Journal`.

    The constructor blocks: it takes the lease, recovers what a killed head left in the
    write-ahead log, and begins an epoch. A cancelled `append` may or may not have
    written, as when the process dies.

    Raises:
        LeaseHeld: another head has the job; names it.
        NoSuchJob: there is no journal in `folder`.
        JournalCorrupt, JournalFull, WorkspaceError: see `errors.py`.
    """

    epoch: int
    seq: int
    """Number of the last event written."""

    def __init__(self, folder: Path, kind: str = "local") -> None:
        self._path = folder / JOURNAL_FILE
        self._wal = folder / (JOURNAL_FILE + "-wal")
        self._cut_after = 0.0
        self._folder = folder
        self._lease = Lease(folder, kind)
        self._place = _identity(folder)
        try:
            self._connection = self._open()
        except BaseException:
            self._lease.release()
            raise
        # One thread of our own: a commit waits for the disk, and the loop must not.
        self._thread: ThreadPoolExecutor | None = ThreadPoolExecutor(1, "journal")
        clear_last_words(folder)

    async def append(self, events: Sequence[str]) -> None:
        """Write one batch in one transaction; durable when it returns. See the port."""
        if events:
            await self._do(lambda: self._append(events))

    async def snapshot(self, state: bytes) -> None:
        """Write `state` beside the journal, unless there is no room for it on the disk."""
        await self._do(lambda: self._snapshot(state))

    async def keep(self) -> None:
        """Do nothing: the kernel keeps the lease as long as this process lives."""

    async def close(self) -> None:
        """Merge the write-ahead log into the file and release the lease. Repeatable."""
        if self._thread is not None:
            await self._do(self._connection.close)
            self._thread.shutdown()
            self._thread = None
            self._lease.release()

    # --- on the thread -------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        if not self._path.exists():
            raise NoSuchJob(f"there is no journal {self._path}")
        try:
            connection = connect(self._path, "mode=rw")
            try:
                layout = check_layout(connection, self._path)["layout"]
                self._summed = layout != str(UNSUMMED)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("BEGIN IMMEDIATE")
                (self.seq,) = connection.execute(
                    "SELECT coalesce(max(seq), 0) FROM events"
                ).fetchone()
                (last,) = connection.execute(
                    "SELECT coalesce(max(epoch), 0) FROM epochs"
                ).fetchone()
                self.epoch = last + 1
                row = (self.epoch, socket.gethostname(), os.getpid())
                connection.execute("INSERT INTO epochs VALUES (?, ?, ?)", row)
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as err:
            raise translated(self._path, err) from err
        if not self.seq:
            connection.close()
            raise corrupt(self._path, "it holds no events")
        return connection

    def _append(self, events: Sequence[str]) -> None:
        # SQLite goes on writing to files that were moved, and what goes by path would not.
        if _identity(self._folder) != self._place:
            raise JobMoved(
                f"{self._folder} was moved or deleted",
                hint="if it was moved, continue there: batchio recover --workspace FOLDER "
                + self._folder.name,
            )
        run = self._connection.execute
        try:
            run("BEGIN IMMEDIATE")
            # Somebody who deleted the lock file by hand may have let a second head in.
            (epoch,) = run("SELECT max(epoch) FROM epochs").fetchone()
            if epoch != self.epoch:
                run("ROLLBACK")
                raise LeaseHeld(f"another head has taken over {self._path}")
            if self._summed:
                rows = _rows(events, self.seq + 1)
                self._connection.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
            else:
                numbered = enumerate(events, self.seq + 1)
                self._connection.executemany("INSERT INTO events VALUES (?, ?)", numbered)
            run("COMMIT")
        except sqlite3.Error as err:
            if self._connection.in_transaction:  # some errors end it themselves, some do not
                with suppress(sqlite3.Error):
                    run("ROLLBACK")
            raise translated(self._path, err) from err
        self.seq += len(events)
        self._cut_back()

    def _cut_back(self) -> None:
        """Truncate the write-ahead log when it is larger than WAL_LIMIT_BYTES.

        SQLite copies it into the file by itself (every 1,000 pages), but cannot begin it
        anew while a reader looks at it: then try harder, but seldom and not for long.
        """
        now = time.monotonic()
        if now < self._cut_after:
            return
        with suppress(OSError, sqlite3.Error):
            if self._wal.stat().st_size > WAL_LIMIT_BYTES:
                self._cut_after = now + CUT_PAUSE_S
                self._connection.execute(_HASTE)
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self._connection.execute(_PATIENCE)

    def _snapshot(self, state: bytes) -> None:
        """Write a snapshot as a file of its own: in the database the log would get it twice.

        It is not synced: after a power cut its checksum tells whether it is complete.
        """
        path = self._path.with_name(SNAPSHOT_FILE)
        draft = path.with_suffix(".new")
        head = SNAPSHOT_HEAD.pack(SNAPSHOT_MAGIC, self.seq, checksum(self.seq, state))
        try:
            with draft.open("wb", buffering=0) as out:
                out.write(head)
                view = memoryview(state)
                while view:
                    view = view[out.write(view) :]
            draft.replace(path)
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    async def _do(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            raise LeaseHeld(f"the lease of {self._path.parent.name} was let go")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _rows(events: Sequence[str], first: int) -> Iterator[tuple[int, str, int]]:
    """Yield events, numbered from `first` on, with their checksums."""
    for seq, body in enumerate(events, first):
        yield seq, body, checksum(seq, body.encode())


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return device and inode of a folder, the same wherever it is moved; None without one."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino

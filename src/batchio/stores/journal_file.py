"""Tables and errors of a journal file, which its writer and its readers share."""

from __future__ import annotations

import os
import sqlite3
import struct
import zlib
from typing import TYPE_CHECKING, Final

from batchio.errors import JournalCorrupt, JournalDown, JournalFull, WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL_FILE: Final = "journal.sqlite"
SNAPSHOT_FILE: Final = "snapshot"
SNAPSHOT_HEAD: Final = struct.Struct("<8sQI")
"""Layout of a snapshot's head: magic, number of its last event, `checksum` of both."""
SNAPSHOT_MAGIC: Final = b"BATCHIO2"

LAYOUT: Final = 2
"""Version of the tables; the vocabulary of events has its own, `events.FORMAT`."""
UNSUMMED: Final = 1
"""Version of the tables whose events have no `sum`; it is read, and written on, too."""

SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- One row each time a head took the lease.
CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL);
-- One row an event, numbered from 1 without gaps; `body` is what core/events.py wrote, and
-- `sum` its checksum.
CREATE TABLE events (seq INTEGER PRIMARY KEY, body TEXT NOT NULL, sum INTEGER NOT NULL);
"""

BUSY_S: Final = 5.0
"""Seconds to wait for another connection; only a crash recovery ever holds us up."""

_NO_ROOM_BYTES: Final = 1 << 20


def checksum(seq: int, body: bytes) -> int:
    """Return the CRC-32 of an event or a snapshot, wrong also when its number is another one."""
    return zlib.crc32(body, seq & 0xFFFFFFFF)


def connect(path: Path, query: str) -> sqlite3.Connection:
    """Open the file in autocommit mode, usable from any one thread at a time."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )


def check_layout(connection: sqlite3.Connection, path: Path) -> dict[str, str]:
    """Return the rows of table `meta`, after a check that this batchio reads the layout.

    Raises:
        JournalCorrupt: there are none.
        WorkspaceError: another version of batchio wrote the file.
        sqlite3.Error: see `translated`.
    """
    try:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
    except UnicodeDecodeError as err:  # in the names of tables, or in what SQLite says of them
        raise corrupt(path, "it holds what is no text") from err
    if "layout" not in meta:
        raise corrupt(path, "it does not say what it is")
    if meta["layout"] not in (str(LAYOUT), str(UNSUMMED)):
        raise WorkspaceError(
            f"{path} was written by batchio {meta.get('batchio', '?')}, in layout "
            f"{meta['layout']}; this batchio reads layouts {UNSUMMED} and {LAYOUT}",
            hint="use the version of batchio that started the job",
        )
    return meta


def corrupt(path: Path, why: object) -> JournalCorrupt:
    """Return the error for a journal at `path` that cannot be read because of `why`."""
    return JournalCorrupt(
        f"the journal {path} is damaged: {why}",
        hint=f"logs and output files in {path.parent} are fine; keep a copy of that folder, then "
        f"submit the job again",
    )


def full(path: Path, why: object) -> JournalFull:
    """Return the error for a journal at `path` for which the disk has no room."""
    return JournalFull(
        f"no space left for {path}: {why}",
        hint="free some space on that disk, then: batchio recover " + path.parent.name,
    )


def translated(path: Path, err: sqlite3.Error) -> WorkspaceError:
    """Return the error of batchio that an SQLite error of the journal at `path` means.

    A full disk is SQLITE_FULL on write, but an I/O error on a full quota or where the
    wal-index cannot grow; codes: https://www.sqlite.org/rescode.html
    """
    code = getattr(err, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return full(path, err)
    if code == sqlite3.SQLITE_IOERR and _little_room(path):
        return full(path, err)
    if code == sqlite3.SQLITE_BUSY:
        return JournalDown(f"another program has locked the journal {path}: {err}")
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return WorkspaceError(f"cannot use the journal {path}: {err}")
    if code in (sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY):
        return WorkspaceError(
            f"cannot write the journal {path}: {err}", hint="check who owns that folder"
        )
    return corrupt(path, err)


def _little_room(path: Path) -> bool:
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _NO_ROOM_BYTES

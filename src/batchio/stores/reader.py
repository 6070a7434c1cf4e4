"""Reading a job's journal, also while its head writes it.

Never writes to the job's folder, but for the `-shm` file that SQLite itself keeps there.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batchio.core.events import decode
from batchio.errors import NoSuchJob, WorkspaceError
from batchio.stores.journal_file import (
    JOURNAL_FILE,
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

if TYPE_CHECKING:
    import tempfile
    from types import TracebackType

    from batchio.core.events import Event

MOST_LOST: Final = 100_000
"""Most events in a row that may be missing; beyond, a number is damaged."""

UNKNOWN: Final = "NULL"
"""In SQL, the checksum of an event that has none."""

_UNWRITABLE: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class SqliteReader:
    """One reader of the journal in `folder`. Everything blocks; one thread at a time.

    Every read is a short transaction of its own: a long one would keep the writer from
    truncating its write-ahead log.

    Raises:
        NoSuchJob: there is no such folder.
        JournalCorrupt: the file is missing, cut or no journal; it is named.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL_FILE
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._turn = threading.Lock()
        """Held while SQLite is busy: a connection that is closed meanwhile ends the process."""
        if not folder.is_dir():
            raise NoSuchJob(f"there is no job in {folder}")
        if not self._path.is_file():
            raise corrupt(self._path, "it is missing")
        try:
            self._connection, self.meta = self._open(self._path, "mode=ro")
        except sqlite3.Error as err:
            code = getattr(err, "sqlite_errorcode", 0) & 0xFF
            if code not in _UNWRITABLE:
                raise translated(self._path, err) from err
            self._connection, self.meta = self._open_unwritable()

    def read(self, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        """Return events numbered above `after`, in order, at most `limit`: `(seq, body)`.

        A damaged event, or a missing one, has an empty body.

        Raises:
            JournalCorrupt: the file cannot be read, or too many events are missing.
        """
        found: list[tuple[int, object, object]] = self._rows(
            f"SELECT seq, CAST(body AS BLOB), {self._sum} FROM events "  # noqa: S608 - a column
            "WHERE seq > ? ORDER BY seq LIMIT ?",
            (after, -1 if limit is None else limit),
        )
        bodies: dict[int, str] = {}
        newest, summed = after, self._sum != UNKNOWN
        for seq, body, known in found:
            if not isinstance(body, bytes) or (summed and known != checksum(seq, body)):
                newest += 1  # its number may be damaged, too
                continue
            if seq > newest + MOST_LOST:
                raise corrupt(self._path, f"events {newest + 1} to {seq - 1} are missing")
            bodies[seq] = body.decode("utf-8", "replace")
            newest = max(newest, seq)
        return [(seq, bodies.get(seq, "")) for seq in range(after + 1, newest + 1)]

    def events(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """Return events as `read` does, decoded.

        Raises:
            JournalCorrupt: also for an event that is not in the vocabulary.
        """
        out: list[tuple[int, Event]] = []
        for seq, body in self.read(after, limit):
            try:
                out.append((seq, decode(body)))
            except ValueError as err:
                why = f"{err}" if body else "damaged, or missing"
                raise corrupt(self._path, f"event {seq} is {why}") from err
        return out

    def last(self) -> int:
        """Return the number of the newest event; 0 without events."""
        return int(self._rows("SELECT coalesce(max(seq), 0) FROM events")[0][0])

    def epoch(self) -> int:
        """Return how many heads have held the lease."""
        return int(self._rows("SELECT coalesce(max(epoch), 0) FROM epochs")[0][0])

    def snapshot(self) -> tuple[int, bytes] | None:
        """Return the number of the snapshot's last event, and its state; None without one.

        A damaged or foreign snapshot counts as none: it is only a cache.
        """
        try:
            data = self._path.with_name(SNAPSHOT_FILE).read_bytes()
        except OSError:
            return None
        if len(data) < SNAPSHOT_HEAD.size:
            return None
        magic, seq, known = SNAPSHOT_HEAD.unpack_from(data)
        state = data[SNAPSHOT_HEAD.size :]
        if magic != SNAPSHOT_MAGIC or known != checksum(seq, state) or seq > self.last():
            return None
        return seq, state

    def close(self) -> None:
        """Close the journal, after the read of another thread. Repeatable."""
        with self._turn:
            self._connection.close()
        if self._copy is not None:
            self._copy.cleanup()

    def __enter__(self) -> SqliteReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, path: Path, query: str) -> tuple[sqlite3.Connection, dict[str, str]]:
        connection = connect(path, query)
        try:
            connection.execute("PRAGMA query_only = 1")
            return connection, check_layout(connection, self._path)
        except BaseException:
            connection.close()
            raise

    def _open_unwritable(self) -> tuple[sqlite3.Connection, dict[str, str]]:
        """Open a journal where SQLite cannot keep its `-shm` file, as on a read-only disk.

        Without a write-ahead log the file is complete and may be declared immutable
        (https://www.sqlite.org/wal.html#readonly); with one, both are read from a copy.
        """
        import shutil
        import tempfile

        wal = self._path.with_name(JOURNAL_FILE + "-wal")
        try:
            if not wal.exists() or not wal.stat().st_size:
                return self._open(self._path, "mode=ro&immutable=1")
            self._copy = tempfile.TemporaryDirectory(prefix="batchio-")
            copy = Path(self._copy.name)
            for file in (self._path, wal):
                shutil.copyfile(file, copy / file.name)
            return self._open(copy / JOURNAL_FILE, "mode=ro")
        except sqlite3.Error as err:
            raise translated(self._path, err) from err
        except OSError as err:
            raise WorkspaceError(f"cannot read {self._path}: {err.strerror}") from err

    @property
    def _sum(self) -> str:
        """The column of checksums, or what stands for it where there is none."""
        return UNKNOWN if self.meta["layout"] == str(UNSUMMED) else "sum"

    def _rows(self, sql: str, values: tuple[int, ...] = ()) -> list[Any]:
        try:
            with self._turn:
                return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as err:
            raise translated(self._path, err) from err
        except UnicodeDecodeError as err:
            raise corrupt(self._path, "it holds what is no text") from err

"""The results of attempts, kept until the head has acknowledged them."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from batchio.agent.basics import dumps, loads, slurp

if TYPE_CHECKING:
    from batchio.agent.basics import Key, Record


LOG_TO = 9  # of a record: where its log ends


class Results:
    """The results of attempts, on disk before the head is told, until acknowledged.

    A line of the file is a `done` message. No fsync: the file outlives a killed agent, and
    after a power cut the head runs again what it never heard of.
    """

    def __init__(self, path: str) -> None:
        self.fresh: dict[Key, Record] = {}
        self.sealed: dict[int, bytes] = {}  # seq: its message
        self.keys: dict[int, list[Key]] = {}
        self.seqs: dict[Key, int] = {}
        self.seq = 0
        for line in slurp(path).splitlines():
            try:
                _, seq, batch = loads(line)
                if type(seq) is int and 0 < seq < 1 << 62:
                    self.remember(seq, line, batch)
            except (ValueError, TypeError, LookupError, RecursionError):
                continue  # the last line of a killed agent, or damage
        self.size = 0
        self.path = path
        self.late_count = False  # the file lacks something that memory has
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.rewrite()

    def remember(self, seq: int, line: bytes, batch: list[Record]) -> None:
        keys = [(record[0], record[1]) for record in batch]
        self.seqs.update(dict.fromkeys(keys, seq))
        self.seq = max(self.seq, seq)
        self.sealed[seq] = line
        self.keys[seq] = keys

    def add(self, key: Key, record: Record) -> None:
        self.fresh[key] = record

    def seal(self, logged: int) -> bytes | None:
        """Write the attempts that ended, and whose log is on disk, as one `done` message.

        Return the message, or None when there is none.
        """
        batch = [record for record in self.fresh.values() if record[LOG_TO] <= logged]
        if not batch:
            return None
        line = dumps(["done", self.seq + 1, batch]).encode()
        self.remember(self.seq + 1, line, batch)
        for key in self.keys[self.seq]:
            del self.fresh[key]
        if self.late_count:
            self.rewrite()
        else:
            self.put(line + b"\n")
        return line

    def done(self, key: Key) -> bytes | None:
        """Return the message that tells of an attempt, if it was sent and not acknowledged."""
        seq = self.seqs.get(key)
        return None if seq is None else self.sealed[seq]

    def put(self, data: bytes) -> None:
        try:
            self.late_count = os.write(self.fd, data) < len(data)
        except OSError:
            self.late_count = True
        self.size += len(data)

    def rewrite(self) -> None:
        """Write the file anew from memory; whenever the agent is killed, one of both is whole."""
        data = b"".join(line + b"\n" for line in self.sealed.values())
        try:
            if data:
                self.replace(data)
            else:
                os.ftruncate(self.fd, 0)
        except OSError:  # no room for both: the old one stays, and is written anew later
            self.late_count = True
        else:
            self.late_count = False
            self.size = len(data)
        self.compact_at = max(1 << 16, 2 * self.size)

    def replace(self, data: bytes) -> None:
        """Put another file in the place of ours."""
        draft = self.path + ".new"
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            if os.write(fd, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.rename(draft, self.path)
        except BaseException:
            os.close(fd)
            os.unlink(draft)
            raise
        os.close(self.fd)
        self.fd = fd

    def ack(self, upto: int) -> None:
        for seq in [seq for seq in self.sealed if seq <= upto]:
            del self.sealed[seq]
            for key in self.keys.pop(seq):
                self.seqs.pop(key, None)
        if (not self.sealed and self.size) or self.size > self.compact_at:
            self.rewrite()

"""Outputs on their way to a store: which pieces are wanted, and the couriers that put them there.

The head signs a URL for each piece, of a file or of the tar stream, and hears of each that is
stored. A courier is a process of its own, because a request may take minutes; it stays with an
attempt until all of its tar stream is stored.
"""

from __future__ import annotations

import os
import signal
import socket
from collections import deque
from typing import TYPE_CHECKING

from batchio.agent.basics import dumps, loads, short_of
from batchio.agent.door import listing, maybe, text, whole_number
from batchio.agent.files import outputs
from batchio.agent.pieces import be_courier
from batchio.agent.spool import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Deque

    from batchio.agent.basics import Key
    from batchio.agent.daemon import Agent

    Place = tuple[str | None, int]
    """The path of a file, None: the tar stream; and the offset of a piece in it."""

MOST_COURIERS = 4
IDLE_S = 30.0
"""Seconds for which a courier stays that has nothing to do."""
LISTED = 1000
"""Most files that one message names."""
MOST_PIECE = 5 << 30  # bytes of one request: what S3 takes
LONGEST_URL = 8192


def piece(value: Any) -> list[Any]:
    """Check and return `[path or null, offset, bytes, url]`. Raises ValueError."""
    path, offset, length, url = listing(value)
    if maybe(text, path) is not None and (path[:1] in ("", "/") or ".." in path.split("/")):
        raise ValueError("%.80r is no file of an attempt" % (path,))
    if not text(url).startswith(("https://", "http://")) or len(url) > LONGEST_URL:
        raise ValueError("no URL")
    return [path, whole_number(offset), whole_number(length, MOST_PIECE, 1 - bool(path)), url]


class Upload:
    """The pieces of one attempt's outputs."""

    def __init__(self, key: Key, work: bytes) -> None:
        self.key = key
        self.work = os.fsdecode(work)
        self.wanted: Deque[list[Any]] = deque()
        self.stored: dict[Place, list[Any]] = {}
        self.courier: CourierProcess | None = None
        self.whole = False  # the tar stream was stored to its end


class Uploads:
    """All uploads of this agent, and its couriers."""

    def __init__(self, agent: Agent) -> None:
        self.home = agent.home
        self.loop = agent.loop
        self.children = agent.children
        self.chores = agent.chores
        self.folders = agent.folders
        self.outbox = agent.outbox
        self.known: dict[Key, Upload] = {}
        self.couriers: list[CourierProcess] = []

    # -- what the head asks for

    def store(self, key: Key, work: bytes, pieces: list[list[Any]]) -> None:
        """Store pieces; tell again of those that are stored already."""
        upload = self.known.setdefault(key, Upload(key, work))
        done = [one for one in pieces if (one[0], one[1]) in upload.stored]
        if done:
            self.tell_stored(upload, [upload.stored[one[0], one[1]] for one in done])
        busy = upload.courier.piece if upload.courier else None
        upload.wanted = deque(
            one for one in pieces if one not in done and (busy is None or one[:2] != busy[:2])
        )
        self.assign()

    def name_all(self, key: Key, work: bytes) -> None:
        """Name all outputs of an attempt to the head, in slices."""
        self.chores.do(self.listed(key, work))

    def listed(self, key: Key, work: bytes) -> Iterator[None]:
        count = 0
        rows: list[list[Any]] = []
        lacking: list[str] = []  # was told with the attempt's end
        try:
            for found in outputs(work, self.folders.given(), lacking):
                if found is None:
                    yield
                    continue
                path, status = found
                is_file = status.st_mode & 0o170000 == 0o100000
                rows.append([os.fsdecode(path), status.st_size if is_file else None])
                if len(rows) == LISTED:
                    self.outbox.answer(["listed", *key, count, rows, True])
                    count, rows = count + len(rows), []
        except (OSError, ValueError) as error:
            self.outbox.answer(["unstored", *key, str(error)])
            return
        self.outbox.answer(["listed", *key, count, rows, False])

    def forget(self, key: Key) -> None:
        """Give an upload up, or all that is known of one."""
        upload = self.known.pop(key, None)
        if upload and upload.courier:
            upload.courier.end()
            self.assign()

    def stop(self) -> None:
        """Give all up."""
        self.known.clear()
        for courier in list(self.couriers):
            courier.end()

    # -- the couriers

    def assign(self) -> None:
        """Give every courier that waits the next piece."""
        for upload in list(self.known.values()):
            if upload.wanted and (upload.courier or self.has_courier(upload)):
                courier = upload.courier
                if courier and courier.piece is None:
                    courier.carry(upload.wanted.popleft())

    def has_courier(self, upload: Upload) -> bool:
        """Find a courier for an upload; return whether there is one."""
        courier = next((one for one in self.couriers if one.upload is None), None)
        if courier is None and len(self.couriers) < MOST_COURIERS:
            try:
                courier = CourierProcess(self)
            except OSError as error:
                self.fail(upload, "no process for it: %s" % (short_of(error) or error))
                return False
            self.couriers.append(courier)
        if courier is None:
            return False
        courier.upload, upload.courier = upload, courier
        return True

    def answered(self, courier: CourierProcess, answer: Any) -> None:
        """Hear what became of a courier's piece, and give it the next one."""
        upload, (path, offset, length, _) = courier.upload, courier.piece
        courier.piece = None
        assert upload is not None
        if isinstance(answer, str):
            self.fail(upload, answer)
        else:
            size, crc, lacking = answer
            row = upload.stored[path, offset] = [path, offset, size, crc]
            self.tell_stored(upload, [row])
            if lacking:
                said = "outputs of attempt %d.%d that could not be read: %s"
                self.outbox.trouble(said % (*upload.key, lacking))
            if not upload.wanted and (path is not None or size < length):
                self.release(upload)
        self.loop.at(self.loop.now)

    def fail(self, upload: Upload, why: str) -> None:
        self.outbox.answer(["unstored", *upload.key, why])
        self.release(upload)
        self.known.pop(upload.key, None)

    def release(self, upload: Upload) -> None:
        """Free the courier of an upload for another one."""
        if upload.courier:
            upload.courier.upload = None
            upload.courier.idle_since = self.loop.now
            self.loop.at(self.loop.now + IDLE_S)
            upload.courier = None

    def tell_stored(self, upload: Upload, rows: list[list[Any]]) -> None:
        self.outbox.answer(["stored", *upload.key, rows])

    def watch(self) -> None:
        """Go on, and send couriers home that have long had nothing to do."""
        for courier in list(self.couriers):
            if courier.upload is None:
                if self.loop.now >= courier.idle_since + IDLE_S:
                    courier.end()
                else:
                    self.loop.at(courier.idle_since + IDLE_S)
        self.assign()


class CourierProcess:
    """A courier, as the agent sees it."""

    def __init__(self, uploads: Uploads) -> None:
        self.uploads = uploads
        self.loop = uploads.loop
        self.upload: Upload | None = None
        self.piece: Any = None
        self.idle_since = self.loop.now
        self.heard = b""
        self.sock, theirs = socket.socketpair()
        try:
            self.pid = os.fork()
            if not self.pid:
                try:
                    be_courier(theirs, uploads.home)
                finally:
                    os._exit(0)
        except OSError:
            self.sock.close()
            raise
        finally:
            theirs.close()
        self.sock.setblocking(False)
        self.loop.watch(self.sock.fileno(), self.hear)
        uploads.children.helpers[self.pid] = self.ended

    def carry(self, piece: list[Any]) -> None:
        assert self.upload is not None
        self.piece = piece
        try:  # it reads a line before it is given the next one, so there is room for all of it
            self.sock.sendall(dumps([self.upload.work, *piece]).encode() + b"\n")
        except OSError:
            self.broke()

    def hear(self, mask: int) -> None:
        try:
            data = self.sock.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.heard += data
        if not data:
            self.broke()
        elif self.heard.endswith(b"\n"):
            answer, self.heard = loads(self.heard), b""
            self.uploads.answered(self, answer)

    def broke(self) -> None:
        upload = self.upload
        self.end()
        if upload:
            self.uploads.fail(upload, "the process that did it was killed")

    def ended(self, status: int) -> None:
        """Do nothing: the end of its connection, which comes as well, has said so."""

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.uploads.couriers.remove(self)
        if self.upload:
            self.upload.courier = None
        self.loop.unwatch(self.sock.fileno())
        self.sock.close()
        if self.uploads.children.helpers.pop(self.pid, None):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

"""The program of a courier: it puts pieces of outputs into a store, each behind a signed URL.

A courier is forked from the agent, so it has this code in memory, and imports what it needs of
the network by itself. It reads one line of JSON a piece, and answers with one: what was stored,
or why that is impossible.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from batchio.agent.basics import dumps, loads, slurp
from batchio.agent.bundle import Bundle
from batchio.agent.files import tar, told

if TYPE_CHECKING:
    import socket
    from typing import Any, BinaryIO

STALL_S = 60
PAUSES = (0.5, 1, 2)  # seconds before the next try
AGAIN = (408, 425, 429, 500, 502, 503, 504)


class Unstored(Exception):
    """A piece that cannot be put into its store from here; says why."""


class Stream:
    """The tar stream of one attempt's outputs, which is given away piece by piece."""

    def __init__(self, folder: bytes, bundle: Bundle | None) -> None:
        self.folder = folder
        self.lacking: list[str] = []
        self.left = tar(folder, bundle, self.lacking)
        self.at = 0  # the offset of `rest`
        self.rest = b""

    def copy(self, offset: int, length: int, file: BinaryIO) -> int:
        """Write a piece of the stream into a file; return its bytes, fewer only at the end.

        The stream cannot go back: `offset` is not before the end of the last piece.
        """
        end = offset + length
        while True:
            first = max(offset - self.at, 0)
            if first < len(self.rest):
                file.write(self.rest[first : end - self.at])
            if self.at + len(self.rest) >= end:
                self.rest, self.at = self.rest[end - self.at :], end
                return length
            self.at += len(self.rest)
            data = next(self.left, None)
            if data is None:
                self.rest = b""
                return max(self.at - offset, 0)
            self.rest = data[0]


class Body:
    """The bytes of one request, read from a file; their CRC-32 is known at the end."""

    def __init__(self, fd: int, size: int) -> None:
        from zlib import crc32

        self.fd = fd
        self.size = size
        self.crc32 = crc32
        self.rewind()

    def rewind(self) -> None:
        self.at = 0
        self.crc = 0

    def read(self, most: int = -1) -> bytes:
        most = self.size - self.at if most < 0 else min(most, self.size - self.at)
        if most <= 0:
            return b""
        data = os.pread(self.fd, most, self.at) or bytes(most)  # cut meanwhile: so many were told
        self.at += len(data)
        self.crc = self.crc32(data, self.crc)
        return data


def put_body(url: str, body: Body) -> None:
    """Send a body to a signed URL, again after broken connections. Raises Unstored."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    headers = {
        # urllib's own choice, that of a form, makes some servers swallow the body
        "Content-Type": "application/octet-stream",
        "Content-Length": str(body.size),
        "x-ms-blob-type": "BlockBlob",  # Azure wants it; to others it means nothing
    }
    why = ""
    for pause in (*PAUSES, 0):
        body.rewind()
        request = Request(url, data=body, headers=headers, method="PUT")
        try:
            with urlopen(request, timeout=STALL_S) as answer:  # noqa: S310  the head's URL
                answer.read()
            return
        except HTTPError as error:
            with error:
                why = refusal(error)
            if error.code not in AGAIN:
                break
        except (OSError, HTTPException) as error:
            why = str(getattr(error, "reason", error)) or type(error).__name__
        time.sleep(pause)
    raise Unstored(why)


def refusal(error: Any) -> str:
    """Return an HTTP error with the store's own message, which says why: a URL expired, or no
    right.

    Only the message: the rest of such an answer may repeat the signature.
    """
    import re

    said = re.search(rb"<Message>([^<\n]{1,300})", error.read(1 << 16))
    return "%s: %s" % (error, said.group(1).decode("utf-8", "replace")) if said else str(error)


class Courier:
    """The courier's own side of the conversation, in its own process."""

    def __init__(self, sock: socket.socket, home: str) -> None:
        self.sock = sock
        self.home = home
        self.stream: Stream | None = None

    def serve(self) -> None:
        """Store pieces until the agent hangs up."""
        with self.sock.makefile("rb") as lines:
            for line in lines:
                try:
                    answer: Any = self.store(*loads(line))
                except Unstored as error:
                    answer = str(error)
                except OSError as error:
                    answer = "%s: %s" % (os.fsdecode(error.filename or ""), error.strerror)
                except Exception as error:
                    answer = "%s: %s" % (type(error).__name__, error)
                self.sock.sendall(dumps(answer).encode() + b"\n")

    def store(self, work: str, path: str | None, offset: int, length: int, url: str) -> Any:
        """Store one piece; return its bytes, their CRC-32, and which outputs could not be read."""
        if path is None:
            return self.store_part(os.fsencode(work), offset, length, url)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        fd = os.open(os.path.join(os.fsencode(work), os.fsencode(path)), flags)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise Unstored("%s is no file any more" % path)
            body = Body(fd, min(length, status.st_size))
            put_body(url, body)
        finally:
            os.close(fd)
        return [body.size, body.crc, ""]

    def store_part(self, work: bytes, offset: int, length: int, url: str) -> Any:
        from tempfile import TemporaryFile

        if self.stream is None or self.stream.folder != work or self.stream.at > offset:
            self.stream = Stream(work, self.bundle())
        with TemporaryFile(dir=self.home) as file:
            size = self.stream.copy(offset, length, file)
            if not size:
                return [0, 0, told(self.stream.lacking)]
            file.flush()
            body = Body(file.fileno(), size)
            put_body(url, body)
        lacking = told(self.stream.lacking) if size < length else ""
        return [body.size, body.crc, lacking]

    def bundle(self) -> Bundle | None:
        path = os.fsencode(self.home) + b"/bundle.tar"
        return Bundle(path) if os.path.exists(path) else None


def be_courier(sock: socket.socket, home: str) -> None:
    """Be a courier, in a process that was just forked, until the agent hangs up or is gone."""
    import signal

    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    fd = sock.fileno()
    os.closerange(3, fd)
    os.closerange(fd + 1, most_descriptors())
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    except (ImportError, OSError, AttributeError):
        pass  # then it ends when it has stored its piece
    Courier(sock, home).serve()


def most_descriptors() -> int:
    """Return a number above all descriptors that are open."""
    highest = (
        [int(name) for name in os.listdir("/proc/self/fd")] if slurp("/proc/self/stat") else []
    )
    return max(highest) + 1 if highest else 4096

"""One connection on the socket: frames in, frames out; no meaning."""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import TYPE_CHECKING

from batchio.agent.basics import loads
from batchio.agent.files import SMALL_FRAME

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from typing import Any, Deque

    from batchio.agent.basics import Key

MAX_FRAME = 8 << 20
CONTROL, LOG, OUTPUT = range(3)
"""The kinds of frames."""
FRAME = Struct(">IB")
READS = 16
"""Most reads of one connection before others have their turn."""


class BadFrame(Exception):
    """A peer that does not speak the protocol."""


def no_number(word: str) -> None:
    """Raise ValueError for NaN and Infinity, which JSON does not have and Python's reader
    takes.
    """
    raise ValueError("%s is not a number" % word)


class Connection:
    """One peer on the socket: bytes in, messages out; no meaning."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.fd = sock.fileno()
        self.inbox = bytearray()
        self.unsent = bytearray()
        self.epoch = -1  # until it said hello
        self.pull: list[int] | None = None  # [offset, bytes left]
        self.fetches: Deque[Fetch] = deque()
        self.blocked = False  # the kernel takes no more for now

    def forget(self, key: Key) -> None:
        """Stop sending the outputs of this attempt."""
        self.fetches = deque(fetch for fetch in self.fetches if fetch.key != key)

    def receive(self) -> Iterator[list[Any]]:
        """Yield the messages that arrived. Raises BadFrame, or OSError when the peer is gone."""
        for _ in range(READS):
            try:
                data = self.sock.recv(1 << 18)
            except BlockingIOError:
                break
            if not data:
                raise ConnectionResetError
            self.inbox += data
            if len(data) < 1 << 16:
                break
        while len(self.inbox) >= 5:
            length, kind = FRAME.unpack_from(self.inbox)
            if not 1 <= length <= MAX_FRAME or kind != CONTROL:
                raise BadFrame("a frame of kind %d and %d bytes" % (kind, length))
            if len(self.inbox) < 4 + length:
                return
            body = bytes(self.inbox[5 : 4 + length])
            del self.inbox[: 4 + length]
            try:
                messages = loads(body, parse_constant=no_number)
            except (ValueError, RecursionError) as error:
                raise BadFrame("not JSON: %s" % error) from None
            if not isinstance(messages, list):
                raise BadFrame("not a list of messages")
            for message in messages:
                if not isinstance(message, list) or not message:
                    raise BadFrame("not a message: %.80r" % (message,))
                yield message

    def put(self, messages: list[bytes]) -> None:
        parts: list[bytes] = []
        size = 0
        for message in messages:
            if parts and size + len(message) > 1 << 20:
                self.frame(CONTROL, b"[", b",".join(parts), b"]")
                parts, size = [], 0
            parts.append(message)
            size += len(message)
        self.frame(CONTROL, b"[", b",".join(parts), b"]")

    def frame(self, kind: int, *parts: bytes) -> None:
        self.unsent += FRAME.pack(1 + sum(map(len, parts)), kind)
        for part in parts:
            self.unsent += part

    def write(self) -> None:
        """Send as many bytes as the kernel takes."""
        try:
            while self.unsent:
                sent = self.sock.send(self.unsent)
                del self.unsent[:sent]
            self.blocked = False
        except BlockingIOError:
            self.blocked = True


class Fetch:
    """One tar stream that is being sent."""

    def __init__(
        self, key: Key, pieces: Iterator[tuple[bytes, int]], known: int, lacking: list[str]
    ) -> None:
        from zlib import crc32  # not every node is asked for outputs

        self.key = key
        self.pieces = pieces
        self.lacking = lacking  # what could not be read after all
        self.known = known  # so many bytes of it the head has
        self.files = 0
        self.bytes = 0
        self.crc = 0
        self.crc32 = crc32

    def next(self) -> tuple[bytes, bool]:
        """Return the new bytes of the next slice, if any, and whether it was the last one."""
        parts: list[bytes] = []
        size, ended = 0, True
        for data, files in self.pieces:
            parts.append(data)
            size += len(data)
            self.files += files
            if not data or size >= SMALL_FRAME:
                ended = False
                break
        data = b"".join(parts)
        new = data[max(self.known - self.bytes, 0) :]
        self.bytes += size
        self.crc = self.crc32(data, self.crc)
        return new, ended

    def fetched(self) -> list[Any]:
        """Return the message that ends the stream."""
        return ["fetched", *self.key, self.files, self.bytes, self.crc]

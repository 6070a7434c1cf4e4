"""What an attempt left behind, on its way back to us: unpacked beside its place as it comes.

It may come over many connections, each going on where the one before broke off. It is put
in its place when all of it is here, or never.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tarfile
import threading
import zlib
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.runtime.conversation import Fetch

_AHEAD: Final = 64
"""Chunks that may wait for the disk."""

_SECOND: Final = 1_000_000_000
_MARK: Final = 271_828_182
"""Nanoseconds in the time of every file that we put in place: one written since has others."""


class Outputs:
    """The outputs of one attempt.

    Args:
        node: Where they come from.
        target: The folder they belong in.
    """

    def __init__(self, node: int, target: Path) -> None:
        self.node = node
        self.agent = ""
        """The agent that sent what is here, by its instance."""
        self.size = 0
        """Bytes of the stream that are here."""
        self.turn = asyncio.Lock()
        """One at a time brings them."""
        self._crc = 0
        self._target = target
        self._part = target.with_name(f".{target.name}.part")
        self._feed = _Feed()
        self._unpacking: threading.Thread | None = None  # of its own: it may wait for minutes
        self._failed: Exception | None = None

    async def take(self, stream: Fetch) -> bool:
        """Unpack what comes, from byte `size` on; False: it is not what was sent from there.

        Raises:
            OSError, tarfile.TarError: it cannot be written, or is no archive.
            Exception: what `stream` raised; what came before stays here.
        """
        if self._unpacking is None:
            self._unpacking = threading.Thread(target=self._unpack, daemon=True)
            self._unpacking.start()
        async for chunk in stream:
            if self._failed:
                raise self._failed
            if not self._feed.offer(chunk):
                await asyncio.to_thread(self._feed.push, chunk)
            self.size += len(chunk)
            self._crc = zlib.crc32(chunk, self._crc)
        return stream.whole == (self.size, self._crc)

    async def place(self, newer_than: float) -> list[str]:
        """All of it is here: put it where it belongs.

        A file there that is newer than `newer_than` (Unix seconds), and not from us, is kept
        with a `~` behind its name. Returns the paths so kept.

        Raises:
            OSError, tarfile.TarError: it could not be written.
        """
        self._feed.end()
        await self._unpacked()
        if self._failed:
            raise self._failed
        return await asyncio.to_thread(_move, self._part, self._target, newer_than)

    async def clear(self) -> None:
        """Forget what is here, all of it."""
        if self._unpacking is not None:
            self.stop()
            await self._unpacked()
            await asyncio.to_thread(shutil.rmtree, self._part, ignore_errors=True)
        self._unpacking, self._failed, self._feed = None, None, _Feed()
        self.size = self._crc = 0

    def stop(self) -> None:
        """No more is unpacked, and nothing will be put in place."""
        self._feed.stop()

    async def _unpacked(self) -> None:
        if self._unpacking is not None:
            await asyncio.to_thread(self._unpacking.join)

    def _unpack(self) -> None:
        try:
            _unpack(self._feed, self._part)
        except Exception as err:  # whoever takes or places next is told
            self._failed = err
        finally:
            self._feed.end()


class _Feed:
    """A file object that a loop fills and a thread reads."""

    def __init__(self) -> None:
        self._chunks: deque[memoryview] = deque()
        self._rest = memoryview(b"")
        self._moved = threading.Condition()
        self._ended = False
        self._stopped = False

    def offer(self, chunk: memoryview) -> bool:
        """Take the chunk, unless too many wait."""
        with self._moved:
            room = self._has_room()
            if room and not self._ended:  # behind an archive's end comes only padding
                self._chunks.append(chunk)
                self._moved.notify_all()
            return room

    def push(self, chunk: memoryview) -> None:
        """As `offer`, but wait for room, as long as somebody reads."""
        with self._moved:
            self._moved.wait_for(self._has_room)
        self.offer(chunk)

    def end(self) -> None:
        """No more will come, or nobody reads any more."""
        with self._moved:
            self._ended = True
            self._moved.notify_all()

    def stop(self) -> None:
        """Whoever reads on gets an error."""
        with self._moved:
            self._stopped = self._ended = True
            self._moved.notify_all()

    def read(self, size: int) -> bytes:
        out = bytearray()
        while len(out) < size and self._has_more():
            want = size - len(out)
            out += self._rest[:want]
            self._rest = self._rest[want:]
        return bytes(out)

    def _has_more(self) -> bool:
        """Whether there is a rest to read; waits for the next chunk."""
        if not self._rest:
            with self._moved:
                self._moved.wait_for(lambda: self._chunks or self._ended)
                if self._stopped:
                    raise tarfile.ReadError("they are not wanted any more")
                self._rest = self._chunks.popleft() if self._chunks else self._rest
                self._moved.notify_all()
        return bool(self._rest)

    def _has_room(self) -> bool:
        return len(self._chunks) < _AHEAD or self._ended


def _unpack(feed: _Feed, part: Path) -> None:
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with tarfile.open(fileobj=feed, mode="r|") as tar:  # type: ignore[call-overload]
        # From 3.12 on tarfile warns, and from 3.14 on filters, unless it is told how.
        tar.extraction_filter = lambda member, _: member
        for member in tar:
            _check(member, part)
            tar.extract(member, part)


def _check(member: tarfile.TarInfo, part: Path) -> None:
    """Refuse what would be written outside `part`.

    `tarfile`'s own filters came with Python 3.11.4, and Debian 12 has 3.11.2.
    """
    place = os.path.realpath(part / member.name)
    inside = place.startswith(os.path.realpath(part) + os.sep) or member.name == "."
    if not inside or not (member.isreg() or member.isdir() or member.issym()):
        raise tarfile.TarError(f"a task left something that is no file of its own: {member.name}")
    member.uid, member.gid = os.getuid(), os.getgid()
    member.uname = member.gname = ""


def _move(part: Path, target: Path, newer_than: float) -> list[str]:
    """Put every file of `part` where it belongs below `target`."""
    kept = []
    for source in sorted(part.rglob("*")):
        place = target / source.relative_to(part)
        if source.is_dir() and not source.is_symlink():
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_file() and _edited(place, newer_than):
            place.replace(place.with_name(place.name + "~"))
            kept.append(str(place))
        _sign(source)
        source.replace(place)
    return kept


def _sign(path: Path) -> None:
    """Make it known as ours: its seconds stay, their fraction is our mark."""
    if not path.is_symlink():
        now = path.stat()
        os.utime(path, ns=(now.st_atime_ns, now.st_mtime_ns // _SECOND * _SECOND + _MARK))


def _edited(path: Path, newer_than: float) -> bool:
    """Whether somebody has changed it since, and not an earlier attempt of ours."""
    changed = path.stat()
    return changed.st_mtime > newer_than and changed.st_mtime_ns % _SECOND != _MARK

"""Bytes that travel: the uploaded bundle to a node, what tasks leave behind back to us.

The bundle is one tar file, packed once when the job is submitted, and each attempt is given
what it holds (`agent/bundle.py`). It reaches a node by one command that keeps its stdin, or,
when the job names a file store, by one that fetches it from there. This computer has it.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import shutil
import tarfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from batchio.errors import BatchioError, NodeError, Unreachable
from batchio.filestores import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    from batchio.ports import Completed, FileStore, Transport

CHUNK: Final = 1 << 20
"""Bytes sent at once."""

_SECOND: Final = 1_000_000_000
_MARK: Final = 271_828_182
"""Nanoseconds in the time of every file that we put in place: one written since has others."""

SIGNED_S: Final = 3600
"""Seconds for which a node may begin to fetch."""

_PLACE: Final = (
    'cd "$1" || exit; shift; test -e bundle.tar && exit; '
    '"$@" cat > bundle.part && mv bundle.part bundle.tar'
)
"""Keep its stdin, or what the command in front of cat feeds to it."""


async def put(transport: Transport, home: str, bundle: Path) -> None:
    """Bring `bundle` into an agent's home; done already is done.

    Raises:
        NodeError: there is no room for it, for example; says why.
        Unreachable: the connection broke.
    """
    if transport.local:
        done = await transport.run(["ln", "-sf", str(bundle), f"{home}/bundle.tar"])
        _require(done, transport, "the files cannot be had")
        return
    argv = ["/bin/sh", "-c", _PLACE, "sh", home]
    with bundle.open("rb") as file:
        done = await transport.run(argv, stdin=_chunks(file))
    _require(done, transport, "the files could not be kept")


class Sender:
    """Puts a job's bundle on its nodes: from a file store when one is named, else by `put`.

    The store is a shorter way, not a condition: when it fails, that is noted, and the files
    go over the connection to the node.
    """

    def __init__(self, bundle: Path, url: str | None, note: Callable[[str], None]) -> None:
        self._bundle = bundle
        self._url = url
        self._note = note
        self._store: FileStore | None = None
        self._digest = ""
        self._storing = asyncio.Lock()

    async def __call__(self, transport: Transport, home: str) -> None:
        """Have the files there; done already is done. Raises what `put` raises."""
        if not await self._fetched(transport, home):
            await put(transport, home, self._bundle)

    async def _fetched(self, transport: Transport, home: str) -> bool:
        try:
            async with self._storing:  # the first node's turn stores it for all
                if self._url and self._store is None:
                    store = open_store(self._url)
                    self._digest = await store.put(self._bundle)
                    self._store = store
            if self._store is None:
                return False
            url = await self._store.sign(self._digest, SIGNED_S)
        except BatchioError as err:
            self._note(f"files go over the connections instead: {err}")
            self._url = self._store = None
            return False
        try:
            await fetch(transport, home, url, self._digest)
        except Unreachable:
            raise
        except NodeError as err:
            self._note(f"{err}; they go over the connection instead")
            return False
        return True


async def fetch(transport: Transport, home: str, url: str, digest: str) -> None:
    """As `put`, but the node itself gets the bundle, from a URL that needs no credentials.

    Raises:
        NodeError: it could not; says why.
        Unreachable: the connection broke.
    """
    program = Path(__file__).parent.parent.joinpath("filestores", "fetch.py").read_text()
    argv = ["/bin/sh", "-c", _PLACE, "sh", home, "python3", "-c", program]
    # the URL is a secret, so it is no word of a command line
    done = await transport.run(argv, stdin=json.dumps({"url": url, "digest": digest}).encode())
    _require(done, transport, "the files could not be fetched")


def _require(done: Completed, transport: Transport, what: str) -> None:
    if done.exit_code:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NodeError(f"{what}: {said[-1] if said else done.exit_code}", where=transport.where)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


async def receive(chunks: AsyncIterable[memoryview], target: Path, newer_than: float) -> list[str]:
    """Unpack a tar stream below `target`; all of it or nothing.

    A file there that is newer than `newer_than` (Unix seconds), and not from us, is kept
    with a `~` behind its name. Returns the paths so kept.

    Raises:
        OSError, tarfile.TarError: it could not be written.
        Exception: what `chunks` raised; nothing was put in place.
    """
    feed, part = _Feed(), target.with_name(f".{target.name}.part")
    unpack = asyncio.create_task(asyncio.to_thread(_unpack, feed, part))
    try:
        async for chunk in chunks:
            if unpack.done():
                unpack.result()  # all that follows is padding, or it failed
            elif not feed.offer(chunk):
                await asyncio.to_thread(feed.push, chunk)
        feed.end()
        await unpack
        return await asyncio.to_thread(_move, part, target, newer_than)
    finally:
        feed.end()
        await asyncio.gather(unpack, return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)


class _Feed:
    """A file object that a loop fills and a thread reads."""

    def __init__(self) -> None:
        self._chunks: queue.Queue[memoryview] = queue.Queue(64)
        self._rest = memoryview(b"")
        self._ended = False

    def offer(self, chunk: memoryview) -> bool:
        try:
            self._chunks.put_nowait(chunk)
        except queue.Full:
            return False
        return True

    def push(self, chunk: memoryview) -> None:
        """As `offer`, but wait for room, as long as somebody reads."""
        while not (self._ended or self.offer(chunk)):
            time.sleep(0.005)

    def end(self) -> None:
        self._ended = True

    def read(self, size: int) -> bytes:
        out = bytearray()
        while len(out) < size:
            if not self._rest:
                try:
                    self._rest = self._chunks.get(timeout=0.05)
                except queue.Empty:
                    if self._ended and self._chunks.empty():
                        break
                    continue
            want = size - len(out)
            out += self._rest[:want]
            self._rest = self._rest[want:]
        return bytes(out)


def _unpack(feed: _Feed, part: Path) -> None:
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=feed, mode="r|") as tar:  # type: ignore[call-overload]
            # From 3.12 on tarfile warns, and from 3.14 on filters, unless it is told how.
            tar.extraction_filter = lambda member, _: member
            for member in tar:
                _check(member, part)
                tar.extract(member, part)
    finally:
        feed.end()


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

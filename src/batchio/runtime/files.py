"""Bytes that travel: the uploaded bundle to a node, what tasks leave behind back to us.

The bundle is one tar file, packed once when the job is submitted. It reaches every node
the same way, this computer included: one command that unpacks its stdin.
"""

from __future__ import annotations

import asyncio
import io
import queue
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchio.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from batchio.ports import Transport

CHUNK: Final = 1 << 20
"""Bytes sent at once."""

_UNPACK: Final = (
    'cd "$1" || exit; test -e files.ok && exit; '
    "rm -rf files && mkdir files && tar -xpf - -C files --no-same-owner && : > files.ok"
)


def pack(target: Path, files: Iterable[tuple[str, Path | bytes]]) -> None:
    """Write a tar of `files`: the path each arrives at, and its file or bytes."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for arrival, source in files:
            if isinstance(source, Path):
                tar.add(source.resolve(), arcname=arrival, recursive=False)
                continue
            info = tarfile.TarInfo(arrival)
            info.size, info.mode = len(source), 0o644
            tar.addfile(info, io.BytesIO(source))


async def put(transport: Transport, home: str, bundle: Path) -> None:
    """Unpack `bundle` into `files/` of an agent's home; done already is done.

    Raises:
        NodeError: the node could not unpack it; says why.
        Unreachable: the connection broke.
    """
    done = await transport.run(["/bin/sh", "-c", _UNPACK, "sh", home], stdin=_chunks(bundle))
    if done.exit_code:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NodeError(
            f"the files could not be unpacked: {said[-1] if said else done.exit_code}",
            where=transport.where,
        )


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


async def receive(
    chunks: asyncio.Queue[memoryview | None], target: Path, newer_than: float
) -> list[str]:
    """Unpack a tar stream below `target`; all of it or nothing.

    A file there that is newer than `newer_than` (Unix seconds) is kept with a `~` behind
    its name. Returns the paths so kept.

    Raises:
        OSError, tarfile.TarError: it could not be written, or broke off.
    """
    feed = _Feed()
    unpack = asyncio.create_task(asyncio.to_thread(_unpack, feed, target, newer_than))
    try:
        while not unpack.done() and (chunk := await chunks.get()) is not None:
            while not unpack.done() and not feed.offer(chunk):
                await asyncio.sleep(0.01)
    finally:
        feed.end()
    return await unpack


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


def _unpack(feed: _Feed, target: Path, newer_than: float) -> list[str]:
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=feed, mode="r|") as tar:  # type: ignore[call-overload]
            tar.extractall(part, filter="tar")
        return _move(part, target, newer_than)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _move(part: Path, target: Path, newer_than: float) -> list[str]:
    """Put every file of `part` where it belongs below `target`."""
    kept = []
    for source in sorted(part.rglob("*")):
        place = target / source.relative_to(part)
        if source.is_dir() and not source.is_symlink():
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_file() and place.stat().st_mtime > newer_than:
            place.replace(place.with_name(place.name + "~"))
            kept.append(str(place))
        source.replace(place)
    return kept

"""Sending a job's uploaded files to its nodes.

The bundle is one tar file, packed once when the job is submitted, and each attempt is given
what it holds (`agent/bundle.py`). It reaches a node by one command that keeps its stdin, or by
one that fetches it: from the file store that the job names, or from the workspace, where that
is a bucket. This computer has it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Final

from batchio import agent
from batchio.errors import BatchioError, NodeError, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from batchio.ports import Completed, FileStore, Transport

CHUNK: Final = 1 << 20
"""Bytes that are read and sent at once."""

SIGNED_S: Final = 3600
"""Seconds in which a node may begin to fetch a signed URL."""

_KEEP: Final = (
    'cd "$1" || exit; test -e bundle.tar && exit; part=bundle.part.$$; '
    "cat > $part || { rm -f $part; exit 1; }; "
    'test $(wc -c < $part) -eq "$2" || { rm -f $part; echo they came cut short >&2; exit 1; }; '
    "mv $part bundle.tar"
)
"""Shell script that keeps its standard input as `bundle.tar`, unless there is one.

Arguments: the agent's home, the number of bytes. When a connection breaks its standard input ends
as if all had come; and then another head may send the same beside it.
"""


Told = Callable[[int], object]
"""A function that is told how many bytes have been sent."""


async def put(transport: Transport, home: str, bundle: Path, sent: Told = lambda _: None) -> None:
    """Send `bundle` into an agent's home, unless it is there already.

    Args:
        sent: Told again and again how many bytes were sent.

    Raises:
        NodeError: the node could not keep it; says why.
        Unreachable: the connection broke.
    """
    if transport.local:
        done = await transport.run(["ln", "-sf", str(bundle), f"{home}/bundle.tar"])
        _require(done, transport, "the files are not available")
        return
    with bundle.open("rb") as file:
        argv = ["/bin/sh", "-c", _KEEP, "sh", home, str(os.fstat(file.fileno()).st_size)]
        done = await transport.run(argv, stdin=_chunks(file, sent))
    _require(done, transport, "the files could not be saved")


class Sender:
    """Puts a job's bundle on its nodes: from a store that nodes may reach, else by `put`.

    Args:
        url: URL of the file store; None: none is named.
        open_store: Opens the store of a URL.
        note: Notes a line for people.
        kept: Returns a signed URL of the bundle in the workspace, for so many seconds; None:
            there is none.
        digest: SHA-256 of the bundle, in hexadecimal; may be empty when `kept` returns None.

    The store is a shorter way, not a condition: when it fails, that is noted, and the files
    go over the connection to the node.
    """

    def __init__(
        self,
        bundle: Path,
        url: str | None,
        open_store: Callable[[str], FileStore],
        note: Callable[[str], None],
        kept: Callable[[float], str | None] = lambda _: None,
        digest: str = "",
    ) -> None:
        self._bundle = bundle
        self._url = url
        self._open_store = open_store
        self._note = note
        self._store: FileStore | None = None
        self._kept = kept
        self._digest = digest
        self._storing = asyncio.Lock()

    async def __call__(
        self, transport: Transport, home: str, python: str, sent: Told = lambda _: None
    ) -> None:
        """Put the files into an agent's `home`, as `put` does; `python` is a path on the node."""
        if transport.local or not await self._fetched(transport, home, python):
            await put(transport, home, self._bundle, sent)

    async def _fetched(self, transport: Transport, home: str, python: str) -> bool:
        try:
            url = await self._signed()
        except BatchioError as err:
            self._note(f"files are sent over the connections instead: {err}")
            self._url, self._store, self._kept = None, None, lambda _: None
            return False
        if url is None:
            return False
        try:
            await fetch(transport, home, python, url, self._digest)
        except Unreachable:
            raise
        except NodeError as err:
            self._note(f"{err}; they are sent over the connection instead")
            return False
        return True

    async def _signed(self) -> str | None:
        """Return a URL from which a node can fetch the bundle; None: there is no store."""
        if self._url is None:
            return await asyncio.to_thread(self._kept, SIGNED_S)
        async with self._storing:  # the first node's turn stores it for all
            if self._store is None:
                store = self._open_store(self._url)
                self._digest = await store.put(self._bundle)
                self._store = store
        return await self._store.sign(self._digest, SIGNED_S)


async def fetch(transport: Transport, home: str, python: str, url: str, digest: str) -> None:
    """Let the node itself download the bundle, from a URL that needs no credentials.

    Raises:
        NodeError: the node could not; says why.
        Unreachable: the connection broke.
    """
    asked = json.dumps({"url": url, "digest": digest})  # a secret, so no word of a command line
    argv = agent.command(python, "fetch", home)
    done = await transport.run(argv, stdin=asked.encode())
    _require(done, transport, "the files could not be fetched")


def _require(done: Completed, transport: Transport, what: str) -> None:
    if done.exit_code:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NodeError(f"{what}: {said[-1] if said else done.exit_code}", where=transport.where)


async def _chunks(file: IO[bytes], sent: Told) -> AsyncIterator[bytes]:
    sent(0)
    while chunk := await asyncio.to_thread(file.read, CHUNK):
        yield chunk
        sent(file.tell())

"""Making the user's Python environment on nodes.

One command does it where all pieces are there already. Otherwise it says which are missing, and
a second one gets those in one stream. `installer` is the program that both run.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any, Final

from batchio.core.checks import items, text
from batchio.errors import JournalDown, SetupFailed
from batchio.software import program
from batchio.software.cache import Cache, cache_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from batchio.core.recipe import Piece, Recipe
    from batchio.core.spec import JobSpec
    from batchio.ports import Clock, Completed, PieceStore, Transport

    Sent = Callable[[int, int], object]
    """A function that is told how many bytes have been sent, and of how many."""

CHUNK: Final = 1 << 20
"""Bytes that are read and sent at once."""

TRIES: Final = 3
"""How often missing pieces are sent; others may remove some between two commands."""

AGAIN_S: Final = 5.0
"""Seconds after which a place that does not answer is asked for pieces again."""

HINT: Final = "or use what the nodes have: --no-package-sync"


class Environment:
    """The environment of one job.

    Args:
        pieces: Where it is kept, unless this computer packed it.
    """

    def __init__(self, spec: JobSpec, pieces: PieceStore | None, clock: Clock) -> None:
        self._software = spec.software
        self._pieces = pieces
        self._clock = clock
        self._reading = asyncio.Lock()
        self._keep = spec.keep_software
        self._cache = Cache(cache_folder(os.environ))
        self._recipe: Recipe | None = None

    async def make(self, transport: Transport, home: str, python: str, sent: Sent) -> None:
        """Make sure that a node has the environment, and its agent a link to it in `home`.

        Raises:
            SetupFailed: the node cannot have it; says why.
            BatchioError: the packed packages are gone.
            Unreachable: the connection broke.
        """
        recipe = await self._known()
        store = f"{os.path.dirname(home)}/software" if self._keep else f"{home}/packages"
        argv = program.command(python, "make", store, home)
        known = recipe.pieces()
        pieces: list[Piece] = []
        for _ in range(TRIES):
            stream = self._stream(recipe, pieces, sent)
            done = await transport.run(argv, stdin=stream)
            missing = _answer(done, transport)
            if not missing:
                return
            pieces = [known[digest] for digest in missing if digest in known]
        raise SetupFailed("packages vanish as they arrive", where=transport.where)

    async def _known(self) -> Recipe:
        """Return the recipe, once all of its pieces are on this computer."""
        async with self._reading:
            while True:
                try:
                    return await asyncio.to_thread(self._read)
                except JournalDown:  # the errand's own limit ends this
                    await self._clock.sleep(AGAIN_S)

    def _read(self) -> Recipe:
        if self._recipe is None:
            assert self._software is not None
            digest = self._software.digest
            if self._pieces:
                self._cache.fill(digest, self._pieces.fetch)
            self._recipe = self._cache.recipe(digest)
        return self._recipe

    async def _stream(
        self, recipe: Recipe, pieces: Sequence[Piece], sent: Sent
    ) -> AsyncIterator[bytes]:
        """Yield what the program reads: what is to be made, then the bytes of pieces."""
        asked: dict[str, Any] = {
            "recipe": {**recipe.to_json(), "digest": recipe.digest},
            "wheels": await asyncio.to_thread(self._cache.wheels, recipe),
            "pieces": [[piece.digest, piece.size, piece.kind] for piece in pieces],
        }
        yield json.dumps(asked).encode() + b"\n"
        size, count = sum(piece.size for piece in pieces), 0
        for piece in pieces:
            with self._cache.piece(piece.digest).open("rb") as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK):
                    sent(count, size)
                    yield chunk
                    count += len(chunk)
        if pieces:
            sent(size, size)


def _answer(done: Completed, transport: Transport) -> list[str]:
    """Return the digests that are missing; none when the environment is there.

    Raises:
        SetupFailed: it cannot be made, or the answer is none of ours.
    """
    try:
        said = json.loads(done.stdout.decode("utf-8", "replace"))
        if "refused" in said:
            why = text(said["refused"])
            raise SetupFailed(f"no environment for its tasks: {why}; {HINT}", where=transport.where)
        if "missing" in said:
            return [text(digest) for digest in items(said["missing"])]
        text(said["environment"])
    except (ValueError, LookupError, TypeError):
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = lines[-1] if lines else f"exit code {done.exit_code}"
        raise SetupFailed(f"packages could not be placed: {why}", where=transport.where) from None
    return []

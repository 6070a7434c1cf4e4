"""Making the user's Python environment on nodes.

One command does it where all pieces are there already. Otherwise it says which are missing, and
a second one gets those in one stream. `installer` is the program that both run.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.core.checks import items, text
from batchio.errors import JournalDown, SetupFailed, UsageError
from batchio.software import program
from batchio.software.cache import Cache, cache_folder
from batchio.software.elsewhere import Elsewhere, Known, Target, elsewhere
from batchio.software.uv import need_uv

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

SHORT: Final = 100
"""Characters of a word by which a node describes itself."""

HINT: Final = "or use what the nodes have: --no-package-sync"


class Environment:
    """The environment of one job.

    Args:
        pieces: Where it is kept, unless this computer packed it.
        note: Leaves a line for people.
    """

    def __init__(
        self,
        spec: JobSpec,
        pieces: PieceStore | None,
        clock: Clock,
        note: Callable[[str], None],
    ) -> None:
        self._note = note
        self._strict = spec.package_sync_strict
        self._others: dict[Target, Elsewhere] = {}
        self._making = asyncio.Lock()
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
        target: Target | None = None
        store = f"{os.path.dirname(home)}/software" if self._keep else f"{home}/packages"
        argv = program.command(python, "make", store, home)
        pieces: list[Piece] = []
        for _ in range(TRIES):
            stream = self._stream(recipe, pieces, sent)
            done = await transport.run(argv, stdin=stream)
            said = _answer(done, transport)
            if said.refused:
                if target or not said.target:
                    raise _refused(said.refused, transport)
                target = said.target
                recipe = await self._for(recipe, target, said.refused, transport)
            elif not said.missing:
                return
            known = recipe.pieces()
            pieces = [known[digest] for digest in said.missing if digest in known]
        raise SetupFailed("packages vanish as they arrive", where=transport.where)

    async def _known(self) -> Recipe:
        """Return the recipe, once all of its pieces are on this computer."""
        async with self._reading:
            while True:
                try:
                    return await asyncio.to_thread(self._read)
                except JournalDown:  # the errand's own limit ends this
                    await self._clock.sleep(AGAIN_S)

    async def _for(self, recipe: Recipe, target: Target, why: str, transport: Transport) -> Recipe:
        """Return the recipe for nodes of another kind, which is made once.

        Args:
            why: Why that of this computer will not do.

        Raises:
            SetupFailed: there is none, or it differs and may not.
        """
        async with self._making:
            if target not in self._others:
                try:
                    made = await asyncio.to_thread(self._elsewhere, recipe, target)
                except LookupError:  # only the computer that packed it can
                    raise _refused(why, transport) from None
                except (UsageError, OSError) as err:
                    raise _refused(f"{why}; {err}", transport) from None
                self._others[target] = made
                if made.differences and not self._strict:
                    self._note(f"packages for {target}: {', '.join(made.differences)}")
        made = self._others[target]
        if made.differences and self._strict:
            differences = ", ".join(made.differences)
            raise _refused(f"{why}; packages for {target} would differ: {differences}", transport)
        return made.recipe

    def _elsewhere(self, recipe: Recipe, target: Target) -> Elsewhere:
        rows, folder = self._cache.known(recipe.digest)
        known = [Known(*row) for row in rows]
        uv = need_uv(os.environ, folder, f"packages for {target}")
        return elsewhere(recipe, known, target, uv, self._cache)

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


class Answer(NamedTuple):
    """What the program on a node says; nothing of this when the environment is there."""

    missing: Sequence[str] = ()
    """Digests of pieces."""
    refused: str = ""
    """Why it cannot be made."""
    target: Target | None = None
    """For which kind of Python another one may be."""


def _answer(done: Completed, transport: Transport) -> Answer:
    """Return what the program says.

    Raises:
        SetupFailed: it is none of its answers.
    """
    try:
        said = json.loads(done.stdout.decode("utf-8", "replace"))
        if "refused" in said:
            kind = said.get("target")
            target = Target(*(text(kind[name], SHORT) for name in Target._fields)) if kind else None
            return Answer(refused=text(said["refused"]), target=target)
        if "missing" in said:
            return Answer([text(digest) for digest in items(said["missing"])])
        text(said["environment"])
    except (ValueError, LookupError, TypeError):
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = lines[-1] if lines else f"exit code {done.exit_code}"
        raise SetupFailed(f"packages could not be placed: {why}", where=transport.where) from None
    return Answer()


def _refused(why: str, transport: Transport) -> SetupFailed:
    return SetupFailed(f"no environment for its tasks: {why}; {HINT}", where=transport.where)

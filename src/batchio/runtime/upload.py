"""The storing of one attempt's outputs by its node: the orders for it, over one connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from batchio.errors import ProtocolError, Unreachable
from batchio.runtime.agent_messages import Listed, Piece, PiecesStored, Unstored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Unstorable(Exception):
    """A node cannot put outputs into their store itself; says why.

    Args:
        lasting: Whether it could not put others there either.
    """

    def __init__(self, why: str, *, lasting: bool = False) -> None:
        super().__init__(why)
        self.lasting = lasting


class Wanted(NamedTuple):
    """A piece that a node shall store."""

    path: str | None
    """The file that it is a piece of; None: the tar stream of all outputs."""
    offset: int
    size: int
    """Bytes; of the tar stream there may be fewer, which is its end."""
    url: str
    """A URL that allows to PUT it; a secret."""


class Upload:
    """Orders about one attempt's outputs, and the node's answers.

    Args:
        tell: Sends a message to the agent.
    """

    def __init__(self, task: int, attempt: int, tell: Callable[[list[Any]], None]) -> None:
        self._key = [task, attempt]
        self._tell = tell
        self._heard = asyncio.Event()
        self._rows: list[tuple[str, int | None]] = []
        self._listed = False
        self._wanted: dict[tuple[str | None, int], Wanted] = {}
        self._stored: dict[tuple[str | None, int], Piece] = {}
        self._why = ""
        self._over = False

    def hear(self, answer: Listed | PiecesStored | Unstored) -> None:
        """Keep an answer of the node; drop what nobody has asked for.

        Raises:
            ProtocolError: it says that more was stored than the piece has bytes.
        """
        match answer:
            case Listed(_, _, first, rows, more) if first == len(self._rows):
                self._rows += rows
                self._listed = not more
            case PiecesStored(_, _, pieces):
                for piece in pieces:
                    wanted = self._wanted.get(piece[:2])
                    if wanted and piece.size > wanted.size:
                        raise ProtocolError(f"it stored {piece.size} bytes of {wanted.size}")
                    if wanted:
                        self._stored[piece[:2]] = piece
            case Unstored(_, _, why):
                self._why = why or "it gives no reason"
        self._heard.set()

    def end(self) -> None:
        """Mark the end of the connection."""
        self._over = True
        self._heard.set()

    async def outputs(self) -> list[tuple[str, int | None]]:
        """Return path and bytes of each output; links and empty folders have no bytes.

        Raises:
            Unstorable: the node cannot say.
            Unreachable: the connection broke.
        """
        self._tell(["list", *self._key])
        while not self._listed:
            await self._answer()
        return self._rows

    async def store(self, pieces: Sequence[Wanted]) -> list[Piece]:
        """Have pieces stored, in their order; return what is stored of each.

        Raises:
            Unstorable: the node cannot.
            Unreachable: the connection broke.
        """
        self._wanted = {piece[:2]: piece for piece in pieces}
        self._stored = {}
        self._tell(["store", *self._key, [list(piece) for piece in pieces]])
        while len(self._stored) < len(self._wanted):
            await self._answer()
        return [self._stored[piece[:2]] for piece in pieces]

    async def _answer(self) -> None:
        """Wait for the next answer."""
        if self._why:
            raise Unstorable(self._why, lasting=True)
        if self._over:
            raise Unreachable("the connection broke")
        self._heard.clear()
        await self._heard.wait()

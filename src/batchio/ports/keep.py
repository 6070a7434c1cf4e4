"""Where jobs are kept: the workspace, one job's store, and its journal.

A verb that is no coroutine blocks, shortly; call it in a thread. So a store serves asyncio,
trio and plain programs alike, and one adapter is written once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.core.events import Event


class Pace(NamedTuple):
    """How often it is reasonable to look, in seconds: a store's own, for each look may cost."""

    requests: float
    """Between two looks of a head at what others ask of it."""
    news: tuple[float, float]
    """Between two looks at a journal: just after it moved, and after a long quiet."""
    leader: float
    """Between two looks at who leads."""


class Holder(NamedTuple):
    """Who holds a job's lease."""

    pid: int
    host: str


class JournalReader(Protocol):
    """What can be read of a journal while somebody else may be writing it."""

    def snapshot(self) -> tuple[int, bytes] | None:
        """Return position and bytes of the newest snapshot, or None."""
        ...

    def events(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """Return events behind position `after`, in order, at most `limit`.

        Raises:
            JournalCorrupt: one is missing or cannot be read; it is named.
        """
        ...

    def close(self) -> None:
        """Let go of the journal. Repeatable."""
        ...


class Journal(Protocol):
    """The one writer of one job's journal; whoever holds it holds the job's lease."""

    epoch: int
    """Rises by one with each head that takes the lease; the first is 1."""

    async def append(self, events: Sequence[str]) -> None:
        """Write one batch, whole or not at all; durable when it returns.

        Raises:
            JournalFull: no room; nothing of the batch was written.
            LeaseHeld: the lease is no longer ours; nothing was written.
        """
        ...

    async def snapshot(self, state: bytes) -> None:
        """Keep a cache of the state after all that was appended; never needed to be right."""
        ...

    async def close(self) -> None:
        """Let go of the lease."""
        ...

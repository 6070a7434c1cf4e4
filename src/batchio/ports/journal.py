"""One job's journal: whoever reads it, and the one who writes it.

Every verb may raise JournalDown: the store is far away, and does not answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.core.events import Event


class JournalReader(Protocol):
    """The reading side of a journal, while another process may be writing it."""

    def snapshot(self) -> tuple[int, bytes] | None:
        """Return position and bytes of the newest snapshot, or None."""
        ...

    def read(self, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        """Return events behind position `after` as they were written, in order, at most `limit`.

        One that is damaged or missing has an empty body.

        Raises:
            JournalCorrupt: the journal cannot be read; it is named.
        """
        ...

    def events(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """Return events as `read` does, decoded.

        Raises:
            JournalCorrupt: also for one that is not in the vocabulary.
        """
        ...

    def last(self) -> int:
        """Return the position of the newest event."""
        ...

    def close(self) -> None:
        """Close the journal. Repeatable."""
        ...


class Journal(Protocol):
    """The one writer of one job's journal; its holder holds the job's lease."""

    epoch: int
    """Rises by one with each head that takes the lease; the first is 1."""

    async def append(self, events: Sequence[str]) -> None:
        """Write one batch, whole or not at all; durable when it returns.

        Raises:
            JournalDown: the store does not answer, and nobody knows whether the batch was
                written. Append the same batch again: it stands in the journal once.
            JournalFull: no room; nothing of the batch was written.
            JobMoved: the job is not kept there any more; nothing was written.
            LeaseHeld: the lease is no longer ours; nothing was written.
        """
        ...

    async def snapshot(self, state: bytes) -> None:
        """Store the state after all that was appended, as a cache.

        The cache is never relied on, so one that cannot be stored is no error.
        """
        ...

    async def keep(self) -> None:
        """Keep the lease as long as this is not cancelled.

        Returns at once where the lease lasts as long as the process.

        Raises:
            LeaseHeld: another head has taken over; nothing more may be begun.
        """
        ...

    async def close(self) -> None:
        """Release the lease. Repeatable."""
        ...

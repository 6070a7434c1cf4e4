"""Port: where the log bytes of nodes are written, and where they are read."""

from __future__ import annotations

from typing import Protocol


class LogSink(Protocol):
    """The place where the log bytes of one node are written."""

    spool: str | None
    """A folder of this computer that a local agent writes to itself; None: bytes are pulled."""

    @property
    def shift(self) -> int:
        """What is added to an offset of the agent's spool to get its offset in the logs."""
        ...

    def begin(self, instance: str, end: int) -> None:
        """Go on with the spool of an agent; where it lost what is here, in a new segment.

        Args:
            instance: The agent's.
            end: Number of bytes in its spool.
        """
        ...

    def size(self) -> int:
        """Return how many bytes are kept here, which is the offset to go on at."""
        ...

    def safe(self) -> int:
        """Return how many bytes are where readers find them: the agent may forget these."""
        ...

    async def settle(self) -> None:
        """Return when all bytes that were written, here or by a local agent, are safe."""
        ...

    async def write(self, offset: int, data: memoryview) -> None:
        """Store bytes that begin at `offset`; those that are kept already are skipped.

        Raises:
            OSError: they cannot be kept; `size` says how many are.
        """
        ...


class LogStore(Protocol):
    """The logs of the nodes of one job: one run of bytes for each, as its agent wrote it.

    It is cut into segments. Each begins with a whole record, at an offset that never
    changes; old ones may be gone, and a killed writer may have left a part of a record, or a
    gap, before the next.
    """

    def catch_up(self, *, over: bool = False) -> None:
        """Look for what was printed since the last time; before, a store far away knows nothing.

        Args:
            over: Nothing more will be printed, or nobody asks again: leave nothing out.
        """
        ...

    def nodes(self) -> list[int]:
        """Return the numbers of the nodes that have logs, rising."""
        ...

    def starts(self, node: int) -> list[int]:
        """Return the offsets at which the segments of a node begin, rising; none without logs."""
        ...

    def end(self, node: int) -> int:
        """Return the offset behind the last byte of a node. Cheap: it is asked for often."""
        ...

    def read(self, node: int, offset: int, most: int) -> bytes:
        """Return bytes of one segment from an offset on, at most `most`; none at its end."""
        ...

    def place(self, node: int, offset: int) -> str:
        """Return how people call the place of a byte, for messages: a file and a number."""
        ...

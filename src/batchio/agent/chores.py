"""Long work, done in slices: between two slices the loop serves all others."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Deque

SLICE = 256  # entries of a folder or an archive
SLICE_BYTES = 4 << 20


class Chores:
    """Generators that pause with a `yield` after each slice, and handle their own errors."""

    def __init__(self) -> None:
        self.waiting: Deque[Iterator[None]] = deque()

    def do(self, work: Iterator[None]) -> None:
        """Do the first slice at once, so that short work is never put off; the rest in turn."""
        if next(work, self) is not self:
            self.waiting.append(work)

    def turn(self) -> None:
        """Do one slice of the work that has waited longest."""
        if self.waiting:
            self.do(self.waiting.popleft())

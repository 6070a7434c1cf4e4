"""What a job knows about the outputs that it has put in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Stamped = tuple[int, int, int]
"""Kind (`stat.S_IFMT`), bytes, time of the last change in nanoseconds since 1970."""


class PlacedFiles(Protocol):
    """The files that were put in place, by which they are told from those of somebody else.

    Both verbs block, shortly, and may be called from several threads.
    """

    def of(self, task: int) -> Mapping[str, Sequence[Stamped]]:
        """Return every stamp that files of a task had, by their paths below its folder."""
        ...

    def add(self, task: int, files: Iterable[tuple[str, Stamped]]) -> None:
        """Note files of a task that are about to be put in place.

        Raises:
            OSError: it cannot be written.
        """
        ...

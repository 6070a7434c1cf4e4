"""The port for what a job knows about the outputs that it has put in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Stamped = tuple[int, int, int]
"""A file's stamp: kind (`stat.S_IFMT`), bytes, last change in nanoseconds since 1970."""


class PlacedFiles(Protocol):
    """The files that the job has put in place, so that those of others are not overwritten.

    Both verbs block, shortly, and may be called from several threads.
    """

    def of(self, task: int) -> Mapping[str, Sequence[Stamped]]:
        """Return every stamp that files of a task had, by path below the task's folder."""
        ...

    def add(self, task: int, files: Iterable[tuple[str, Stamped]]) -> None:
        """Record files of a task that are about to be put in place.

        Raises:
            OSError: the record cannot be written.
        """
        ...

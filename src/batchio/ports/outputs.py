"""Ports for what is known of outputs that were put in their place.

A job knows its own; a workspace knows what was brought to each folder of the user's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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


class Part(NamedTuple):
    """A part of an attempt's tar stream that is stored: its bytes, and their CRC-32."""

    size: int
    crc32: int


class KeptOutputs(NamedTuple):
    """The outputs of a task: which attempt's they are, and the parts of its tar stream."""

    attempt: int
    parts: tuple[Part, ...]
    first: int = 0
    """Number of the first part. A node's own begin at 0, those that a head stored for it at
    `THROUGH_HEAD`: whatever a node still sends afterwards takes no part's place."""


THROUGH_HEAD: Final = 1_000_000


class PartStore(Protocol):
    """The outputs of a job's tasks where they are kept as parts of tar streams.

    Tasks are named by their ids. Every verb blocks, and may raise JournalDown (it does not
    answer) and WorkspaceError (a person has to change something).
    """

    direct: bool
    """Whether it has URLs that allow to write without credentials."""

    @property
    def where(self) -> str:
        """How people call the place."""
        ...

    def sign(self, task: int, attempt: int, part: int, seconds: float) -> str:
        """Return a URL that allows to PUT a part, for so many seconds at most.

        Raises:
            NoAccess: there are no such URLs, as where it is not `direct`.
        """
        ...

    def put(self, task: int, attempt: int, part: int, data: bytes) -> None:
        """Store a part."""
        ...

    def keep(self, task: int, kept: KeptOutputs) -> None:
        """Record that these, which are stored, are the outputs of a task."""
        ...

    def kept(self) -> dict[int, KeptOutputs]:
        """Return the outputs of each task that has some, by rising id.

        Raises:
            JournalCorrupt: a record is damaged.
        """
        ...

    def sweep(self) -> None:
        """Delete the parts that no record names, when no node stores any more.

        Only a head that leads the job may do so.

        Raises:
            JournalCorrupt: a record is damaged; nothing was deleted.
        """
        ...

    def read(self, task: int, attempt: int, part: int, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of a part from offset `start` on; none behind its end.

        Raises:
            WorkspaceError: there is no such part.
        """
        ...


class Brought(NamedTuple):
    """One file, link, or folder that was brought to a folder of the user's."""

    job: str
    """Id of the job that it came from."""
    stamp: Stamped
    input: bool
    """Whether it stands where an input of that job stood, which makes it the user's."""


class BroughtFiles(Protocol):
    """The record of all that jobs have brought to one folder of the user's.

    It outlives the jobs. Every verb blocks, shortly, and may be called from several threads.
    """

    def read(self) -> dict[str, Brought]:
        """Return the newest entry of each path below the folder, in the order of recording."""
        ...

    def add(self, job: str, files: Iterable[tuple[str, Stamped]], *, inputs: bool = False) -> None:
        """Record what is about to be put in place.

        Raises:
            OSError: the record cannot be written.
        """
        ...

    def forget(self) -> None:
        """Drop all entries. Raises OSError."""
        ...

"""A job's state from its journal: the newest snapshot, and what came after it.

Reading blocks and belongs into a thread; folding belongs where the state is looked at, in
slices, because a thread that folds takes the interpreter from everybody.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from batchio.core.events import decode
from batchio.core.machine import Machine
from batchio.core.snapshot import load
from batchio.errors import IllegalEvent, JournalCorrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from batchio.core.events import Event
    from batchio.ports import JournalReader

    Row = tuple[int, str]
    """Number of an event, and its body as it was written."""

PORTION: Final = 2000
"""Events read at once."""

SLICE_S: Final = 0.008
"""Seconds of folding without a pause: a key that is pressed meanwhile waits no longer."""


class Fold:
    """A machine that keeps up with a journal.

    Args:
        past: The journal.
        whole: Begin with the first event, although there is a snapshot.
        slice_s: Seconds of folding without a pause.
    """

    def __init__(
        self, past: JournalReader, *, whole: bool = False, slice_s: float = SLICE_S
    ) -> None:
        self._past = past
        self._slice = slice_s
        self.machine = Machine()
        self.position = 0
        """Number of the newest event that was folded."""
        self.at = 0.0
        """The latest time of all that was folded, Unix seconds; 0.0: a snapshot alone."""
        kept = None if whole else past.snapshot()
        if kept is not None:
            self.resume(*kept)

    def resume(self, position: int, state: bytes) -> None:
        """Go on from a snapshot, unless it was written by another layout."""
        if (machine := load(state)) is not None:
            self.position, self.machine = position, machine

    def read(self, limit: int | None = PORTION) -> list[Row]:
        """Return events that were not folded yet. Blocks.

        Raises:
            JournalCorrupt: one is missing.
        """
        return self._past.read(self.position, limit)

    def fold(
        self, rows: Sequence[Row], see: Callable[[Event], bool | None] | None = None
    ) -> Iterator[None]:
        """Fold what was read, and pause after each slice of time.

        Args:
            see: Is shown each event just before it is folded; True ends it there.

        Raises:
            JournalCorrupt: an event cannot be read, or cannot have happened.
        """
        yield from in_slices(self._past, rows, partial(self._one, see), self._slice)
        self.machine.recovered()

    def _one(self, see: Callable[[Event], bool | None] | None, position: int, event: Event) -> bool:
        if see is not None and see(event):
            return True
        try:
            self.machine.apply(event)
        except IllegalEvent as err:
            raise JournalCorrupt(f"journal record {position}: {err}") from err
        self.position, self.at = position, max(self.at, event.at)
        return False

    def catch_up(self) -> list[Event]:
        """Fold what is new, and return it. Blocks.

        Raises:
            JournalCorrupt: as `read` and `fold`.
        """
        news: list[Event] = []
        for _ in self.fold(self.read(None), news.append):
            pass
        return news


def in_slices(
    past: JournalReader,
    rows: Sequence[Row],
    act: Callable[[int, Event], bool | None],
    slice_s: float = SLICE_S,
) -> Iterator[None]:
    """Decode events one by one, call `act` with each, and pause after each slice of time.

    Args:
        act: Gets number and event; True ends it there.

    Raises:
        JournalCorrupt: an event cannot be read.
    """
    pause = time.perf_counter() + slice_s
    for position, body in rows:
        try:
            event = decode(body)
        except ValueError as err:
            past.events(position - 1, 1)  # says which file it is
            raise JournalCorrupt(f"journal record {position}: {err}") from err
        if act(position, event):
            return
        if time.perf_counter() >= pause:
            yield
            pause = time.perf_counter() + slice_s

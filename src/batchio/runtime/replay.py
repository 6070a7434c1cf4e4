"""Replay: a job's state from its journal, of the newest snapshot and the events after it.

Reading blocks and belongs into a thread; folding belongs where the state is looked at, in
slices, because a thread that folds takes the interpreter from all others.
"""

from __future__ import annotations

import time
from contextlib import suppress
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
"""Number of events read at once."""

SLICE_S: Final = 0.008
"""Seconds of folding without a pause; a key that is pressed waits no longer than that."""


UNFIT: Final = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What Python says of a value that is not what was written there."""


class Fold:
    """A machine that keeps up with a journal.

    Args:
        past: Reader of the journal.
        whole: Begin with the first event, even if there is a snapshot.
        lenient: Leave out an event that is damaged, or that cannot be folded because of one,
            and say so in a note: for people who look on. A head must know everything.
        slice_s: Seconds of folding without a pause.
    """

    def __init__(
        self,
        past: JournalReader,
        *,
        whole: bool = False,
        lenient: bool = False,
        slice_s: float = SLICE_S,
    ) -> None:
        self._past = past
        self._slice = slice_s
        self._lenient = lenient
        self._left_out: list[int] = []
        self._noted = 0
        self.machine = Machine()
        self.position = 0
        """Number of the newest event that was folded."""
        self.damage: JournalCorrupt | None = None
        """The first damage that was found; only a lenient fold goes on after it."""
        kept = None if whole else past.snapshot()
        if kept is not None:
            self.resume(*kept)

    def resume(self, position: int, state: bytes) -> None:
        """Load a snapshot as the state to go on from, unless it has another layout."""
        with suppress(*UNFIT):
            if (machine := load(state)) is not None:
                self.position, self.machine = position, machine

    def read(self, limit: int | None = PORTION) -> list[Row]:
        """Return events that were not folded yet, at most `limit`. Blocks.

        Raises:
            JournalCorrupt: an event is missing.
        """
        return self._past.read(self.position, limit)

    def fold(
        self, rows: Sequence[Row], see: Callable[[Event], bool | None] | None = None
    ) -> Iterator[None]:
        """Fold events that were read, and yield after each slice of time.

        Args:
            see: Called with each event just before it is folded; True stops before that event.

        Raises:
            JournalCorrupt: an event cannot be read, or cannot have happened.
        """
        yield from in_slices(self._past, rows, partial(self._one, see), self._slice, self._bad)
        self.machine.recovered()

    def _one(self, see: Callable[[Event], bool | None] | None, position: int, event: Event) -> bool:
        if see is not None and see(event):
            return True
        try:
            self.machine.apply(event)
            self.position = position
        except IllegalEvent as err:
            self._bad(position, JournalCorrupt(f"journal record {position}: {err}"))
        except UNFIT:
            self._bad(
                position, JournalCorrupt(f"journal record {position}: a value in it cannot be")
            )
        return False

    def _bad(self, position: int, damage: JournalCorrupt) -> None:
        """Leave an event out, or raise its damage."""
        if not self._lenient or self.machine.job is None:
            raise damage
        self.damage = self.damage or damage
        self.position = position
        self._left_out.append(position)
        if len(self._left_out) > 1:
            self.machine.notes.pop(self._noted)
        self._noted = len(self.machine.notes)
        self.machine.notes.append((self.machine.at, _left_out(self._left_out)))

    def catch_up(self) -> list[Event]:
        """Read and fold all new events, and return them. Blocks.

        Raises:
            JournalCorrupt: as `read` and `fold`.
        """
        news: list[Event] = []
        for _ in self.fold(self.read(None), news.append):
            pass
        return news


def _left_out(positions: list[int]) -> str:
    few = ", ".join(map(str, positions[:5])) + ", …" * (len(positions) > 5)
    which = (
        f"event {few} of the journal is"
        if len(positions) == 1
        else (f"events {few} of the journal are")
    )
    return f"{which} damaged and left out here"


def _raise(_: int, damage: JournalCorrupt) -> None:
    raise damage


def in_slices(
    past: JournalReader,
    rows: Sequence[Row],
    act: Callable[[int, Event], bool | None],
    slice_s: float = SLICE_S,
    bad: Callable[[int, JournalCorrupt], None] = _raise,
) -> Iterator[None]:
    """Decode events one by one, call `act` with each, and yield after each slice of time.

    Args:
        act: Called with an event's number and the event; True stops there.
        bad: Called with the number of one that cannot be read, and the error, which it may raise.

    Raises:
        JournalCorrupt: an event cannot be read.
    """
    pause = time.perf_counter() + slice_s
    for position, body in rows:
        try:
            event = decode(body)
        except ValueError as err:
            bad(position, _damage(past, position, err))
            continue
        if act(position, event):
            return
        if time.perf_counter() >= pause:
            yield
            pause = time.perf_counter() + slice_s


def _damage(past: JournalReader, position: int, err: ValueError) -> JournalCorrupt:
    """Return the error for an event that cannot be read, which names its file if it has one."""
    try:
        past.events(position - 1, 1)
    except JournalCorrupt as damage:
        return damage
    return JournalCorrupt(f"journal record {position}: {err}")

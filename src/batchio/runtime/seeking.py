"""Looking back: a job's state at an earlier moment, and all its attempts."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.snapshot import dump
from batchio.runtime.host import give_way, in_thread
from batchio.runtime.replay import PORTION, Fold, in_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchio.core.events import Event
    from batchio.core.history import History
    from batchio.ports import JournalReader
    from batchio.runtime.replay import Row

EVERY: Final = 10_000
"""Events between two marks: at 100,000 tasks a mark is about a megabyte, and folding from it
to the next takes a seventh of a second."""


class Mark(NamedTuple):
    """A kept state of the job, from which folding can go on."""

    position: int
    """Number of the newest event in the state."""
    at: float
    """The event's time, Unix seconds."""
    state: bytes
    """The compressed snapshot."""


class Marks:
    """Kept states of a job, one after every EVERY events that were folded on the way."""

    def __init__(self, past: JournalReader, slice_s: float) -> None:
        self._past = past
        self._slice = slice_s
        self._marks: list[Mark] = []

    async def at(self, moment: float) -> Fold:
        """Return the state at a moment, folded from the nearest mark before it.

        Args:
            moment: Number of the last event to fold (an int), or Unix seconds (a float): all
                events until then are folded. The first event is always folded.
        """
        number = moment if isinstance(moment, int) else None
        fold = Fold(self._past, whole=True, lenient=True, slice_s=self._slice)
        limits = [mark.at if number is None else mark.position for mark in self._marks]
        if near := bisect_right(limits, moment):
            mark = self._marks[near - 1]
            fold.resume(mark.position, await in_thread(partial(zlib.decompress, mark.state)))
        while rows := await in_thread(fold.read):
            next_mark = fold.position + EVERY - fold.position % EVERY
            last = next_mark if number is None else max(min(next_mark, number), 1)
            rows = [row for row in rows if row[0] <= last]
            await folded(fold, rows, lambda event: number is None and _after(fold, event, moment))
            if not rows or fold.position < rows[-1][0]:
                break
            if fold.position == next_mark:
                await self._mark(fold)
        return fold

    async def history(self, upto: int) -> History:
        """Return all attempts of the job, as of the event with number `upto`."""
        from batchio.core.history import History  # few ask for it

        history, position, past = History(), 0, self._past

        def see(_: int, event: Event) -> None:
            history.apply(event)

        while position < upto:
            rows = await in_thread(partial(past.read, position, min(PORTION, upto - position)))
            for _ in in_slices(past, rows, see, self._slice, lambda *_: None):
                await give_way()
            position = rows[-1][0]
        return history

    async def _mark(self, fold: Fold) -> None:
        """Keep the fold's state as a mark, unless a mark at or after it is kept."""
        if not self._marks or self._marks[-1].position < fold.position:
            state = await in_thread(lambda: zlib.compress(dump(fold.machine), 1))
            self._marks.append(Mark(fold.position, fold.machine.at, state))


async def folded(
    fold: Fold, rows: Sequence[Row], see: Callable[[Event], bool | None] | None = None
) -> None:
    """Fold events that were read, and let the loop run between slices of time."""
    for _ in fold.fold(rows, see):
        await give_way()


def _after(fold: Fold, event: Event, moment: float) -> bool:
    return fold.position > 0 and event.at > moment

"""Looking at a job that goes on, and at its logs, blocking: `with job.live() as live`. No logic."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from batchio.api import plainly
from batchio.core.lens import ALL

if TYPE_CHECKING:
    from array import array
    from collections.abc import AsyncIterator, Iterable, Iterator

    from batchio import api
    from batchio.api import Change, LogLine
    from batchio.core.history import AttemptRow, History
    from batchio.core.lens import Order, Where
    from batchio.core.rows import FailureGroup, TaskRow
    from batchio.core.select import Filter
    from batchio.core.sending import Sending
    from batchio.core.views import JobHeader

T = TypeVar("T")


class Live:
    """A job that is watched while it goes on; mirrors `batchio.Live`."""

    def __init__(self, live: api.Live) -> None:
        self._live = live

    def __enter__(self) -> Live:
        plainly(self._live.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        plainly(self._live.__aexit__())

    @property
    def view(self) -> JobHeader:
        """The job without its tasks: values that never change, made anew after each change."""
        return self._live.view

    @property
    def position(self) -> int:
        """Number of the newest event in the state that is shown."""
        return self._live.position

    @property
    def done(self) -> bool:
        """Whether the job is closed now: no more changes will come."""
        return self._live.done

    @property
    def gone(self) -> bool:
        """Whether the job is not done, and no head has run it for GONE_AFTER_S seconds."""
        return self._live.gone

    def select(self, where: Where | Filter | str = ALL, *order: Order) -> array[int]:
        """Return the positions of the tasks that meet `where`, sorted by `order`, else by id.

        Arguments and errors: see `batchio.Live.select`.
        """
        return self._live.select(where, *order)

    def rows(self, positions: Iterable[int]) -> list[TaskRow]:
        """Return the rows of the tasks at these positions."""
        return self._live.rows(positions)

    def failures(self, *, attempts: bool = False) -> list[FailureGroup]:
        """Return the tasks that ended badly, grouped by how they ended, largest group first.

        Arguments: see `batchio.Live.failures`.
        """
        return self._live.failures(attempts=attempts)

    def why(self, task: int | None = None) -> list[str]:
        """Return plain sentences that say why the job, or the task of this id, is in its state.

        Arguments and errors: see `batchio.Live.why`.
        """
        return self._live.why(task)

    def sending(self) -> Sending | None:
        """Return how far the job's files were sent to nodes; None when none are being sent."""
        return self._live.sending()

    def attempts(self, task: int) -> list[AttemptRow]:
        """Return all attempts of the task of this id, oldest first.

        Arguments and errors: see `batchio.Live.attempts`.
        """
        return plainly(self._live.attempts(task))

    def history(self) -> History:
        """Return all attempts of the job; the first call reads the journal from its beginning."""
        return plainly(self._live.history())

    def seek(self, moment: float | None) -> None:
        """Show the job as it was at another moment.

        Arguments and errors: see `batchio.Live.seek`.
        """
        plainly(self._live.seek(moment))

    def look(self) -> Change | None:
        """Read once what is new, and return it as a change; None when nothing is new."""
        return plainly(self._live.look())

    def changes(
        self,
        *,
        at_most: float = 0.1,
        at_least: float | None = None,
        must_run: bool = False,
        timeout: float | None = None,
    ) -> Iterator[Change]:
        """Yield changes until the job is closed. Only one loop may iterate at a time.

        Arguments and errors: see `batchio.Live.changes`.
        """
        return each(
            self._live.changes(
                at_most=at_most, at_least=at_least, must_run=must_run, timeout=timeout
            )
        )


def each(items: AsyncIterator[T]) -> Iterator[T]:
    """Yield the items of an async iterator; each step blocks."""

    async def step() -> list[T]:
        async for item in items:
            return [item]
        return []

    while found := plainly(step()):
        yield found[0]


class LogPages:
    """What tasks printed, by number of the line; mirrors `batchio.LogPages`."""

    def __init__(self, pages: api.LogPages) -> None:
        self._pages = pages

    def __enter__(self) -> LogPages:
        plainly(self._pages.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        plainly(self._pages.__aexit__())

    def __len__(self) -> int:
        return len(self._pages)

    def read(self) -> float:
        """Read on; return how much of all there is was read. At 1.0 the newest lines count."""
        return plainly(self._pages.read())

    def page(self, first: int, count: int) -> list[LogLine]:
        """Return lines by time from number `first` (from 0) on, at most `count`."""
        return plainly(self._pages.page(first, count))

    def find(self, text: str, start: int = -1, *, back: bool = False) -> int | None:
        """Return the number of the next line after line `start` that has a text; None: none has.

        Arguments: see `batchio.LogPages.find`.
        """
        return plainly(self._pages.find(text, start, back=back))

    def at(self, time: float) -> int:
        """Return the number of the first line that was printed at a time or later; Unix seconds."""
        return self._pages.at(time)

"""The changes of a job that is followed, one by one, at the pace at which its store is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchio.runtime.live import Live
    from batchio.runtime.news import Change

SLOWING: Final = 1.2
"""Factor by which the pause between two reads grows while nothing happens."""


class Changes:
    """Iterator over a Live's changes; reads at the store's pace."""

    def __init__(
        self, live: Live, at_most: float, at_least: float, until: float, must_run: bool
    ) -> None:
        self._live = live
        self._at_most = at_most
        self._at_least = at_least
        self._until = until
        self._must_run = must_run
        self._told = 0.0
        self._pause = 0.0
        self._at_once = True
        """Whether to read again without a pause."""

    def __aiter__(self) -> Changes:
        return self

    async def __anext__(self) -> Change:
        live, clock = self._live, self._live._clock
        while True:
            now = clock.now()
            if not self._at_once:
                await clock.sleep(min(self._pause, self._until - now))
            moved, now = await live._step(), clock.now()
            self._at_once = live._behind or live._over
            self._slow_down(moved)
            gone = self._must_run and live.gone
            if live._over or now >= self._told + self._at_most:
                change = live._tell(empty=not gone and now >= self._told + self._at_least)
                if change is not None:
                    self._told = now
                    return change
            if live._over:
                raise StopAsyncIteration
            if gone:
                raise await live.why_gone()
            if now >= self._until:
                raise TimeoutError(f"job {live._store.id} goes on, but the time to wait is over")

    def _slow_down(self, moved: bool) -> None:
        quick, slow = self._live._store.pace.news
        self._pause = quick if moved else min(max(self._pause, quick) * SLOWING, slow)

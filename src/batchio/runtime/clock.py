"""The engine's real clock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from batchio.runtime.steady import SteadyClock

if TYPE_CHECKING:
    from collections.abc import Callable

SLICE_S: Final = 10.0
"""Longest wait of a loop's timer: a loop does not count the time that a computer sleeps."""


class RealClock(SteadyClock):
    """The engine's clock; implements `ports.Clock` under asyncio."""

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds on the running loop."""
        if seconds <= SLICE_S:
            await asyncio.sleep(max(seconds, 0.0))
            return
        over = asyncio.Event()
        timer = self.call_at(self.now() + seconds, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()

    def call_at(self, when: float, callback: Callable[[], object]) -> Call:
        """Have the running loop call `callback` at `when` (Unix seconds)."""
        return Call(self, when, callback)


class Call:
    """A call that the clock will make; implements `ports.Timer`."""

    def __init__(self, clock: RealClock, when: float, callback: Callable[[], object]) -> None:
        self._clock = clock
        self._when = when
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._wait()

    def _wait(self) -> None:
        left = max(self._when - self._clock.now(), 0.0)
        last = left <= SLICE_S
        self._handle = self._loop.call_later(
            min(left, SLICE_S), self._callback if last else self._wait
        )

    def cancel(self) -> None:
        """Cancel the call. Quiet when it was made already."""
        self._handle.cancel()

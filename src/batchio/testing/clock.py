"""A made-up clock. Waits for nothing; knows nothing of jobs."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

from anyio.to_thread import current_default_thread_limiter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

    from anyio import CapacityLimiter

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

LONGEST_S: Final = 4_000_000
"""46 days in seconds. Beyond, the loop's own tolerance of a nanosecond is lost in rounding."""


class FakeClock:
    """A clock of made-up time; implements `ports.Clock`.

    Within `run` all waiting follows it, `asyncio.sleep` and `asyncio.timeout` too: when
    nothing else can happen, the time jumps to the next deadline. Threads of `to_thread`,
    asyncio's and anyio's, are waited for; a socket or a process is not.
    """

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._start = self.booted = start
        self.boot = ""
        self.passed = 0.0
        """Seconds since the start."""
        self.idle_waiters: list[asyncio.Future[None]] = []
        self.timers: dict[_Timer, None] = {}
        """Calls that the clock will make, in the order in which they were asked for."""

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` to its end in an event loop that has this time.

        May be called again: calls that are still to be made are then made in the new loop.

        Raises:
            RuntimeError: everybody waits, and nobody for a time: it would never end.
        """
        with asyncio.Runner(loop_factory=lambda: _Loop(self)) as runner:
            for timer in self.timers:
                timer.arm(runner.get_loop())
            return runner.run(self._counting_threads(main))

    async def _counting_threads(self, main: Coroutine[Any, Any, T]) -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _Loop)
        loop.limiter = current_default_thread_limiter()
        return await main

    def now(self) -> float:
        """Return the made-up time in Unix seconds."""
        return self._start + self.passed

    def time_of(self, boot: str, booted: float, latest: float) -> float:
        """Return the made-up time: all jobs count it."""
        return self.now()

    def go_on(self, boot: str, booted: float, latest: float) -> None:
        """Do nothing: all jobs count the same time."""

    async def sleep(self, seconds: float) -> None:
        """Wait until so many seconds of made-up time have passed."""
        self._loop()
        await asyncio.sleep(max(seconds, 0.0))

    def call_at(self, when: float, callback: Callable[[], object]) -> _Timer:
        """Arrange that `callback` is called at `when`, Unix seconds."""
        timer = _Timer(self.timers, when - self._start, callback)
        timer.arm(self._loop())
        return timer

    def advance(self, seconds: float) -> None:
        """Let the time pass at once; calls that are due by then run when the loop reaches them.

        Raises:
            OverflowError: more than 46 days have passed.
        """
        self.passed += seconds
        if self.passed > LONGEST_S:
            raise OverflowError("a FakeClock is good for 46 days, and they are over")

    async def wait_idle(self) -> None:
        """Return when everybody else waits. No time passes."""
        waiter = self._loop().create_future()
        self.idle_waiters.append(waiter)
        await waiter

    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, _Loop) or loop.clock is not self:
            raise RuntimeError("this loop has another time: run the test with FakeClock.run(...)")
        return loop


class _Timer:
    """A call that the clock will make, in whichever loop it then runs; implements
    `ports.Timer`.
    """

    def __init__(
        self, pending: dict[_Timer, None], when: float, callback: Callable[[], object]
    ) -> None:
        self._pending = pending
        self._when = when
        self._callback = callback
        self._pending[self] = None

    def arm(self, loop: asyncio.AbstractEventLoop) -> None:
        """Arrange that this loop makes the call."""
        self._handle = loop.call_at(self._when, self._ring)

    def cancel(self) -> None:
        """Cancel the call. Quiet when it was made already."""
        self._pending.pop(self, None)
        self._handle.cancel()

    def _ring(self) -> None:
        self._pending.pop(self)
        self._callback()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose time is a clock's."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.busy = 0
        """Number of asyncio's threads that are still to return."""
        self.limiter: CapacityLimiter | None = None
        """The limiter of anyio's threads, which knows how many of them are still to return."""
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.clock.passed

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.busy += 1
        future.add_done_callback(self._returned)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        self.busy += 1
        await super().shutdown_default_executor()

    def _returned(self, _: asyncio.Future[Any]) -> None:
        self.busy -= 1


class _Selector(selectors.PollSelector):
    """The selector of such a loop: when nothing is ready, it lets the time jump."""

    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready, clock = super().select(0), self._loop.clock
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._loop.busy or (self._loop.limiter and self._loop.limiter.borrowed_tokens):
            return super().select(None)
        if clock.idle_waiters:
            waiters, clock.idle_waiters = clock.idle_waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        elif timeout is not None:
            clock.advance(timeout)
        elif len(self.get_map()) > 1:  # more than the loop's own pipe: something real may come
            return super().select(None)
        else:
            raise RuntimeError("everybody waits, and nobody for a time: this would never end")
        return ready

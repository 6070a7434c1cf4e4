"""The real clock and the made-up one keep the same promises; the made-up one waits for nothing."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from batchio.runtime.clock import RealClock
from batchio.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from batchio.ports import Clock

    Scene = Callable[[Clock], Coroutine[Any, Any, Any]]

TICK = 0.002
"""Seconds: what a test of the real clock may take."""

EARLY = 0.0005
"""How much sooner than asked the computer's two clocks may disagree to wake us."""


@pytest.fixture(params=["real", "fake"])
def play(request: pytest.FixtureRequest) -> Callable[[Scene], Any]:
    """Plays a scene in a loop that goes by the clock."""

    def on(scene: Scene) -> Any:
        if request.param == "real":
            return asyncio.run(scene(RealClock()))
        clock = FakeClock()
        return clock.run(scene(clock))

    return on


def test_a_sleep_lasts_as_long_as_asked(play: Callable[[Scene], Any]) -> None:
    async def scene(clock: Clock) -> float:
        before = clock.now()
        await clock.sleep(TICK)
        return clock.now() - before

    assert play(scene) >= TICK - EARLY


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_sleep_of_no_time_only_lets_others_go_first(
    play: Callable[[Scene], Any], seconds: float
) -> None:
    async def scene(clock: Clock) -> list[str]:
        order: list[str] = []
        asyncio.get_running_loop().call_soon(order.append, "other")
        await clock.sleep(seconds)
        return [*order, "us"]

    assert play(scene) == ["other", "us"]


def test_calls_come_in_the_order_of_their_times(play: Callable[[Scene], Any]) -> None:
    async def scene(clock: Clock) -> list[int]:
        called: list[int] = []
        begin = clock.now()
        for ticks in (3, 1, 2):
            clock.call_at(begin + ticks * TICK, partial(called.append, ticks))
        await clock.sleep(5 * TICK)
        return called

    assert play(scene) == [1, 2, 3]


def test_a_call_is_not_early(play: Callable[[Scene], Any]) -> None:
    async def scene(clock: Clock) -> float:
        when, called, heard = clock.now() + TICK, asyncio.Event(), list[float]()

        def ring() -> None:
            heard.append(clock.now())
            called.set()

        clock.call_at(when, ring)
        await called.wait()
        return heard[0] - when

    assert play(scene) >= -EARLY


def test_a_call_for_the_past_comes_soon_but_never_at_once(play: Callable[[Scene], Any]) -> None:
    async def scene(clock: Clock) -> tuple[bool, bool]:
        called = asyncio.Event()
        clock.call_at(clock.now() - 60, called.set)
        at_once = called.is_set()
        await called.wait()
        return at_once, called.is_set()

    assert play(scene) == (False, True)


def test_a_cancelled_call_never_comes(play: Callable[[Scene], Any]) -> None:
    async def scene(clock: Clock) -> list[str]:
        called: list[str] = []
        timer = clock.call_at(clock.now() + TICK, lambda: called.append("cancelled"))
        done = clock.call_at(clock.now(), lambda: called.append("kept"))
        timer.cancel()
        await clock.sleep(3 * TICK)
        done.cancel()
        return called

    assert play(scene) == ["kept"]


# --- only made-up time -----------------------------------------------------------------


def test_weeks_of_sleeping_take_no_time() -> None:
    clock = FakeClock()

    async def sleep() -> None:
        for _ in range(45):
            await clock.sleep(86_400.1)

    clock.run(sleep())

    assert clock.passed == pytest.approx(45 * 86_400.1)


def test_a_clock_that_is_worn_out_says_so() -> None:
    clock = FakeClock()
    with pytest.raises(OverflowError, match="46 days"):
        clock.run(clock.sleep(5e6))


def test_a_call_comes_at_exactly_its_time() -> None:
    clock = FakeClock()
    whens = [clock.now() + seconds for seconds in (0.1, 0.3, 7.7, 86_400.123, 1e6 + 0.1)]
    heard: list[float] = []

    async def listen() -> None:
        for when in whens:
            clock.call_at(when, lambda: heard.append(clock.now()))
        await clock.sleep(2e6)

    clock.run(listen())

    assert heard == whens


def test_all_waiting_in_the_loop_goes_by_the_clock() -> None:
    clock = FakeClock()

    async def wait() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        await asyncio.sleep(60)

    clock.run(wait())

    assert clock.passed == 3660


def test_advancing_rings_what_is_due_by_then_and_nothing_else() -> None:
    clock, rang = FakeClock(), list[int]()

    async def advance() -> list[int]:
        for seconds in (10, 20):
            clock.call_at(clock.now() + seconds, partial(rang.append, seconds))
        clock.advance(10)
        await clock.wait_idle()
        return list(rang)

    assert clock.run(advance()) == [10]
    assert clock.passed == 10


def test_settling_lets_everybody_else_come_to_rest_and_no_time_pass() -> None:
    clock, steps = FakeClock(), list[int]()

    async def busy() -> None:
        for step in range(100):
            await asyncio.sleep(0)
            steps.append(step)
        await clock.sleep(1)
        steps.append(-1)

    async def look() -> int:
        working = asyncio.create_task(busy())
        await clock.wait_idle()
        seen = len(steps)
        await working
        return seen

    assert clock.run(look()) == 100


def test_no_time_passes_while_a_thread_works() -> None:
    clock, go_on, rang = FakeClock(), threading.Event(), list[str]()

    async def work() -> list[str]:
        clock.call_at(clock.now() + 1, lambda: rang.append("later"))
        asyncio.get_running_loop().call_soon(threading.Timer(0.01, go_on.set).start)
        await asyncio.to_thread(go_on.wait)
        return list(rang)

    assert clock.run(work()) == []
    assert clock.passed == 0


def test_calls_that_are_still_to_come_are_not_lost_between_two_runs() -> None:
    clock, rang = FakeClock(), list[float]()

    async def ask() -> None:
        clock.call_at(clock.now() + 10, lambda: rang.append(clock.passed))
        clock.call_at(clock.now() + 15, lambda: rang.append(clock.passed)).cancel()
        await clock.sleep(5)

    clock.run(ask())
    assert rang == []
    clock.run(clock.sleep(20))

    assert (rang, clock.passed) == ([10], 25)


def test_waiting_for_what_will_never_come_is_an_error_and_not_a_hang() -> None:
    with pytest.raises(RuntimeError, match="this would never end"):
        FakeClock().run(asyncio.Event().wait())


def test_a_loop_with_another_time_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"FakeClock\.run"):
        asyncio.run(FakeClock().sleep(1))
    with pytest.raises(RuntimeError, match=r"FakeClock\.run"):
        FakeClock().run(FakeClock().sleep(1))

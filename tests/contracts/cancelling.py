"""Cancels a call at each of its steps in turn, and looks what it left behind.

A step is what an event loop does at once: each task of the call, its helpers too, is one
coroutine that goes on until it waits. Between two steps anybody may cancel.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, NamedTuple

PATIENCE_S: Final = 20.0
"""A call that was cancelled has ended long before, also on a loaded computer."""


class Ran(NamedTuple):
    """How one run of a call went."""

    steps: int
    finished: bool
    """It was not cancelled any more: there are no more steps."""


class _Counted(Coroutine[Any, Any, Any]):
    """A task's coroutine, whose steps are counted."""

    def __init__(self, inner: Coroutine[Any, Any, Any], stepped: Callable[[], None]) -> None:
        self._inner = inner
        self._stepped = stepped

    def send(self, value: Any) -> Any:
        try:
            return self._inner.send(value)
        finally:
            self._stepped()

    def throw(self, *error: Any) -> Any:
        try:
            return self._inner.throw(*error)
        finally:
            self._stepped()

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Any:
        return self._inner.__await__()


async def cancelled_at(step: int, call: Callable[[], Awaitable[Any]], *, by_timeout: bool) -> Ran:
    """Run `call`, and cancel it behind its `step`-th step, directly or by `asyncio.timeout`."""
    loop = asyncio.get_running_loop()
    steps = 0
    limit = asyncio.timeout(None)

    def stepped() -> None:
        nonlocal steps
        steps += 1
        if steps == step and not calling.done():
            if by_timeout:
                with suppress(RuntimeError):  # it was the last step
                    limit.reschedule(0)
            else:
                calling.cancel()

    async def limited() -> None:
        async with limit:
            await call()

    def counted(loop: asyncio.AbstractEventLoop, inner: Any, **more: Any) -> asyncio.Task[Any]:
        return asyncio.Task(_Counted(inner, stepped), loop=loop, **more)

    before = loop.get_task_factory()
    loop.set_task_factory(counted)
    try:
        calling = loop.create_task(limited())
        done, _ = await asyncio.wait({calling}, timeout=PATIENCE_S)
    finally:
        loop.set_task_factory(before)
    assert done, f"cancelled behind step {step}, it never ends"
    if calling.cancelled() or isinstance(calling.exception(), TimeoutError):
        return Ran(steps, finished=False)
    calling.result()
    return Ran(steps, finished=True)


async def at_each_step(
    call: Callable[[], Awaitable[Any]],
    left: Callable[[], Awaitable[object]],
    *,
    by_timeout: bool = False,
    stride: int = 1,
) -> int:
    """Cancel `call` behind its first step, its second, … until it is not cancelled any more.

    Returns how many runs were cancelled. `left` says what was left behind, and must be falsy;
    descriptors are looked at here.
    """
    await call()  # what is loaded and opened once
    open_before = descriptors()
    step = 1
    while not (ran := await cancelled_at(step, call, by_timeout=by_timeout)).finished:
        assert not (found := await left()), f"cancelled behind step {step}: {found}"
        assert await open_at_rest(open_before) <= open_before, f"cancelled behind step {step}"
        step += stride
    assert ran.steps
    return step // stride


async def open_at_rest(most: int) -> int:
    """Descriptors that are open, once what is closing is closed."""
    for _ in range(200):
        if descriptors() <= most:
            break
        await asyncio.sleep(0.01)
    return descriptors()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))

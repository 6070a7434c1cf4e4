"""Running the asyncio engine under any host: asyncio itself, trio, or no loop at all.

Under asyncio a coroutine of ours is simply awaited in the caller's loop. Under trio, and
for the sync facade, it runs in one engine thread of this process. Cancelling waits for
the engine's own cleanup, so that nothing is abandoned half-way.
"""

from __future__ import annotations

import contextvars
import functools
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from batchio.runtime.streams import Stream

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Coroutine[Any, Any, Any]]")


class _Engine:
    """One asyncio loop in one daemon thread, started when first needed."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Reset the engine in a child made by fork(), which has the loop but not the thread."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the engine's loop, which runs; start it when it is first needed."""
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="batchio-engine", daemon=True
                ).start()
            return self._loop


_ENGINE: Final = _Engine()


os.register_at_fork(after_in_child=_ENGINE.forget)


class Running(Generic[T]):
    """A coroutine that runs in the engine while this thread does something else."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self._loop, self._done = _ENGINE.loop(), threading.Event()
        self._tasks: list[asyncio.Task[T]] = []

    def start(self) -> None:
        """Begin the coroutine; Ctrl-C may come from here on."""
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._tasks.append(self._loop.create_task(self._work()))
        self._tasks[0].add_done_callback(lambda _: self._done.set())

    def cancel(self) -> None:
        """Cancel the coroutine; it cleans up first, so wait for it afterwards."""
        self._loop.call_soon_threadsafe(lambda: self._tasks[0].cancel())

    def wait(self) -> None:
        """Wait until the coroutine has ended, in whatever way."""
        self._done.wait()

    def has_ended(self) -> bool:
        """Return whether the coroutine has ended, in whatever way."""
        return self._done.is_set()

    def result(self) -> T:
        """Wait for the coroutine, and return its result or raise its error."""
        self.wait()
        return self._tasks[0].result()


def blocking(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in the engine and wait for it, blocking only this thread.

    Ctrl-C cancels it and waits for its cleanup; a second one does not wait.
    """
    running = Running(work)
    try:
        running.start()
        running.wait()
    except KeyboardInterrupt:
        running.cancel()
        running.wait()
        raise
    return running.result()


def in_trio() -> bool:
    """Return whether the caller runs under trio; imports nothing."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())


def portable(function: F) -> F:
    """Let an asyncio coroutine function be awaited under trio too; its type stays the same."""

    @functools.wraps(function)
    async def either(*args: Any, **kwargs: Any) -> Any:
        if in_trio():
            return await _from_trio(lambda: function(*args, **kwargs))
        return await function(*args, **kwargs)

    return cast("F", either)


async def _from_trio(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    import trio

    token, done = trio.lowlevel.current_trio_token(), trio.Event()
    loop, context = _ENGINE.loop(), contextvars.copy_context()
    tasks: list[asyncio.Task[T]] = []

    def begin() -> None:
        task = loop.create_task(work(), context=context)
        tasks.append(task)
        task.add_done_callback(lambda _: token.run_sync_soon(done.set))

    loop.call_soon_threadsafe(begin)
    try:
        await done.wait()
    except trio.Cancelled:
        loop.call_soon_threadsafe(lambda: tasks[0].cancel())
        with trio.CancelScope(shield=True):
            await done.wait()
        raise
    return tasks[0].result()


class EngineStream(Stream[T]):
    """A stream whose generator needs asyncio: under trio it lives in the engine.

    Under trio an item costs two switches of thread.
    """

    async def __anext__(self) -> T:
        if not in_trio():
            return await super().__anext__()
        found = await _from_trio(self._next)
        if not found:
            raise StopAsyncIteration
        return found[0]

    async def aclose(self) -> None:
        """Stop the generator, wherever it runs."""
        if self._source is not None and in_trio():
            await _from_trio(self._source.aclose)
        else:
            await super().aclose()

    async def _next(self) -> list[T]:
        """Return the next item, in a list; an empty list at the end."""
        async for item in self._opened():
            return [item]
        return []

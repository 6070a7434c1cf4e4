"""Waiting under any host, for the reading verbs: asyncio, trio, or no loop at all.

Under asyncio and trio this is anyio, loaded when it is first waited with. Without a loop,
within `plainly`, every wait just blocks: so a command of the command line needs no loop, and
`batchio.sync` no thread.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar

from batchio.runtime.bridge import in_trio
from batchio.runtime.steady import SteadyClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")

_PLAIN: Final[ContextVar[bool]] = ContextVar("batchio_plain", default=False)
"""Whether this code is driven by `plainly`, wherever it is called from."""


def plainly(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits only with this module to its end, blocking this thread.

    Works where a loop runs already (a notebook). Ctrl-C is raised where it waits.

    Raises:
        RuntimeError: it waited for a loop: it is not one of ours.
    """
    token = _PLAIN.set(True)
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        _PLAIN.reset(token)
        work.close()
    raise RuntimeError("this coroutine needs a loop: it waited for something")


def is_plain() -> bool:
    """Return whether this code is driven by `plainly`, so that it may block."""
    return _PLAIN.get()


async def in_thread(work: Callable[[], T]) -> T:
    """Run `work`, which blocks, in a thread and return its result; the loop goes on meanwhile.

    When it is cancelled it still waits for the thread, so that what `work` uses may be closed.
    """
    if _PLAIN.get():
        return work()
    import anyio.to_thread

    running = anyio.to_thread.run_sync(work)
    return await (running if in_trio() else _to_its_end(running))


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end, whether anyio or asyncio cancels the caller meanwhile."""
    import anyio

    from batchio.owned import to_its_end

    with anyio.CancelScope(shield=True):
        done = await to_its_end(work)
    return done  # noqa: RET504 - to mypy a scope may swallow an exception


async def sleep(seconds: float) -> None:
    """Wait for so many seconds."""
    if _PLAIN.get():
        time.sleep(max(seconds, 0.0))  # noqa: ASYNC251 - here there is no loop
        return
    import anyio

    await anyio.sleep(max(seconds, 0.0))


async def give_way() -> None:
    """Let the loop run other tasks that are ready."""
    if not _PLAIN.get():
        import anyio.lowlevel

        await anyio.lowlevel.checkpoint()


def lock() -> AbstractAsyncContextManager[object]:
    """Return a lock between the tasks of this host."""
    if _PLAIN.get():
        return nullcontext()
    import anyio

    return anyio.Lock()


class HostClock(SteadyClock):
    """The clock of the reading verbs; implements `ports.Waiting` under any host."""

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        await sleep(seconds)

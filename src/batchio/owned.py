"""Work that is never left half done: what it begins has an owner from its first instant."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

T = TypeVar("T")


async def owned(
    work: Coroutine[object, object, T],
    undo: Callable[[T], Awaitable[object]],
    patience: float | None = None,
) -> T:
    """Await `work`; when cancelled meanwhile, let it come to its end, undo it, then be cancelled.

    A call that begins something, and is cancelled before it could say what, would leave it to
    nobody. However often it is cancelled, this returns only when nothing is left.

    Args:
        undo: Ends what `work` began.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await to_its_end(_undone(task, undo, patience))
        raise


async def to_its_end(work: Coroutine[object, object, T]) -> T:
    """Await `work` to its end, however often the caller is cancelled; then be cancelled."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.cancelled() or task.exception()  # retrieved: nobody else asks
        raise cancelled
    return task.result()


async def _undone(
    task: asyncio.Task[T], undo: Callable[[T], Awaitable[object]], patience: float | None
) -> None:
    await asyncio.wait({task}, timeout=patience)
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled() and task.exception() is None:
        await undo(task.result())

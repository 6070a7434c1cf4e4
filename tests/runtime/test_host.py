"""Waiting under any host: what is begun in a thread is over before who waits for it goes on."""

from __future__ import annotations

import asyncio
import threading

import anyio
import anyio.to_thread
import pytest
import trio

from batchio.runtime.host import in_thread


class Work:
    """Work that goes on until it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.over = False

    def __call__(self) -> None:
        self.begun.set()
        self.let_go.wait(60)
        self.over = True


async def begun(work: Work) -> None:
    await anyio.to_thread.run_sync(work.begun.wait, 60)


def test_who_is_cancelled_by_asyncio_waits_for_the_thread() -> None:
    work = Work()

    async def scene() -> None:
        task = asyncio.create_task(in_thread(work))
        await begun(work)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.01)
        assert not task.done()
        work.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert work.over

    asyncio.run(scene())


@pytest.mark.parametrize("loop", [asyncio, trio], ids=lambda module: module.__name__)
def test_who_is_cancelled_by_a_scope_waits_for_the_thread(loop: object) -> None:
    work = Work()

    async def scene() -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(in_thread, work)
                await begun(work)
                scope.cancel()
                work.let_go.set()
        assert work.over

    anyio.run(scene, backend=getattr(loop, "__name__", ""))


def test_what_the_thread_returns_and_raises_arrives() -> None:
    def wrong() -> None:
        raise ValueError("no")

    assert asyncio.run(in_thread(lambda: 7)) == 7
    with pytest.raises(ValueError, match="no"):
        asyncio.run(in_thread(wrong))

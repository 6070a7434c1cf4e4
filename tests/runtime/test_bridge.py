"""The engine under any host: asyncio, trio, or no loop at all."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
import trio

import batchio
from batchio import api
from batchio.runtime.bridge import EngineStream, blocking, portable


@portable
async def where(*, fail: bool = False) -> str:
    await asyncio.sleep(0)
    if fail:
        raise ValueError("no")
    return asyncio.current_task().__class__.__module__


class Cleanup:
    """Waits until cancelled, and then takes its time to clean up."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cleaned = False

    async def wait(self) -> None:
        try:
            self.begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            self.cleaned = True


def in_asyncio(work: Callable[[], Any]) -> Any:
    return asyncio.run(work())


def in_trio(work: Callable[[], Any]) -> Any:
    return trio.run(work)


hosts = pytest.mark.parametrize("host", [in_asyncio, in_trio])


@hosts
def test_a_coroutine_of_ours_can_be_awaited(host: Callable[..., Any]) -> None:
    assert host(where) == "_asyncio"


@hosts
def test_what_it_raises_arrives_as_it_is(host: Callable[..., Any]) -> None:
    async def work() -> None:
        await where(fail=True)

    with pytest.raises(ValueError, match="no"):
        host(work)


def test_it_can_be_called_from_no_loop_at_all() -> None:
    assert blocking(where) == "_asyncio"


FORKED = """
import os
from batchio.runtime.bridge import blocking

async def work():
    return 42

assert blocking(work) == 42  # the engine's thread is there now, and no fork takes it along
child = os.fork()
if not child:
    os._exit(blocking(work))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_has_an_engine_of_its_own() -> None:
    child = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=True
    )

    assert child.stdout == "42\n"


def test_it_can_be_called_where_a_loop_runs_already() -> None:
    async def notebook() -> str:
        return blocking(where)

    assert asyncio.run(notebook()) == "_asyncio"


def test_ctrl_c_waits_until_the_work_has_tidied_up() -> None:
    tidied = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)  # for the main thread, which waits for us
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            tidied.append(True)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            blocking(work)
    finally:
        signal.signal(signal.SIGINT, before)
    assert tidied == [True]


def test_cancelling_under_trio_waits_for_the_cleanup() -> None:
    made: list[Cleanup] = []

    async def work() -> None:
        made.append(Cleanup())
        await made[0].wait()

    async def main() -> None:
        with trio.move_on_after(0.05):
            await portable(work)()

    trio.run(main)

    assert made[0].cleaned


@hosts
def test_a_stream_gives_its_items_in_order(host: Callable[..., Any]) -> None:
    async def count() -> AsyncGenerator[int, None]:
        for number in range(5):
            yield number

    async def work() -> list[int]:
        return [item async for item in EngineStream(count)]

    assert host(work) == [0, 1, 2, 3, 4]


@hosts
def test_a_stream_that_is_left_early_is_closed(host: Callable[..., Any]) -> None:
    closed: list[bool] = []

    async def endless() -> AsyncGenerator[int, None]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    async def work() -> None:
        async with EngineStream(endless) as stream:
            async for _ in stream:
                break

    host(work)

    assert closed == [True]


def test_public_names_of_the_front_door_are_those_of_the_api() -> None:
    assert batchio.run is api.run
    assert batchio.Job is api.Job

"""A program that ends while a command is being started ends, and leaves no process."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from batchio.transports.local import LocalTransport

SECONDS = f"8{os.getpid()}"
"""An argument of `sleep` that no other process has."""


async def _leave_after(steps: int) -> None:
    running = asyncio.create_task(LocalTransport().run(["sleep", SECONDS]))
    for _ in range(steps):
        await asyncio.sleep(0)
    assert not running.done()


def _sleeping() -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            if SECONDS.encode() in path.read_bytes():
                return True
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of asyncio's own transport, cut short
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("steps", [0, 1, 3, 5, 8, 20])
def test_asyncio_run_ends_at_whatever_step_a_command_is(steps: int) -> None:
    asyncio.run(_leave_after(steps))

    assert not _sleeping()

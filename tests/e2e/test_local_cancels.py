"""Jobs on this computer that are cancelled before they have well begun."""

import asyncio
from collections.abc import Callable

import pytest

import batchio
from tests.house.leftovers import Leftover

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]


async def test_a_job_that_is_cancelled_at_any_moment_of_its_start_ends_and_leaves_nothing(
    left_behind: Callable[[], list[Leftover]],
) -> None:
    async def one(moment: float) -> str:
        job = await batchio.run(["sleep", "60"])
        await asyncio.sleep(moment)  # any moment will do; which ones they are is not the point
        await job.cancel()
        return (await job.wait(timeout=60)).outcome

    for moment in range(12):
        assert await one(moment * 0.01) == "cancelled"
    assert left_behind() == []

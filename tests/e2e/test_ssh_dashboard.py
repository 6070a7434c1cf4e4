"""The dashboard before hosts: one dies, and that stands on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchio import api
from tests.e2e.conftest import MakeHosts, names
from tests.tui.seeing import seated

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]


async def test_a_host_that_dies_is_said_to_be_lost_wherever_one_looks(
    hosts: MakeHosts, tmp_path: Path
) -> None:
    machines = hosts(2)
    job = await api.run(
        ["sh", "-c", 'test "$BATCHIO_ATTEMPT" = 1 && exec sleep 1000; true'],
        provider="ssh",
        hosts=names(machines),
        ntasks=2,
        slots=1,
        node_timeout=2,
    )
    async with seated(job, size=(120, 24)) as seat:
        await seat.when(lambda: seat.text.count("▶ running") == 2)
        await seat.press("3")
        await seat.until(*(f"{name} " for name in names(machines)))
        machines[0].kill()
        await seat.when(lambda: "! silent" in seat.text or "· gone" in seat.text)
        await seat.press("5")
        await seat.until(f"{machines[0].name} was lost")
        await seat.press("slash")
        await seat.type("lost")
        await seat.press("enter")
        await seat.until(f"{machines[0].name} was lost")
        await job.cancel()
        await seat.until("‖ CANCELLED")

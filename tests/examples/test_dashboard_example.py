"""The example of a job in somebody's own application runs, and hears of the job."""

from __future__ import annotations

import asyncio
import runpy

import pytest

from batchio import api
from tests.house.source import ROOT

EXAMPLE = ROOT / "examples" / "7-dashboard" / "watch.py"


@pytest.mark.asyncio
@pytest.mark.usefixtures("workspace")
async def test_a_job_is_a_part_of_an_application_of_ones_own() -> None:
    watch = runpy.run_path(str(EXAMPLE))["Watch"]
    job = await api.run(["true"], ntasks=3)
    app = watch(job)

    def text() -> str:
        return "\n".join(strip.text for strip in app.screen._compositor.render_strips())

    async with asyncio.timeout(30), app.run_test(size=(80, 24), notifications=True) as pilot:
        while "nightly import: 3 of 3 done" not in text() or "SUCCEEDED" not in text():
            await pilot.pause(0.05)
        await pilot.press("R")
        while "read-only" not in text():
            await pilot.pause(0.05)
        await pilot.press("escape")
    assert app.return_code == 0

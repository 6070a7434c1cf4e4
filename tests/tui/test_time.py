"""Time travel: every screen shows the moment, says so, and lets nothing be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchio_tui.timeline import Timeline
from tests.core.stories import Story
from tests.tui.seeing import kept, seated

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio


def story() -> Story:
    """A task that failed, was tried again, and succeeded."""
    told = Story("0-1").offers("laptop").ready().start(0).end(0, code=3, tail="bad row", at=20)
    return told.requeue(0, at=21).start(0, 1, at=30).end(0, 1, at=40).close(at=50)


async def test_events_are_gone_back_one_by_one_and_t_returns_to_now(tmp_path: Path) -> None:
    job = kept(tmp_path, story())
    async with seated(job) as seat:
        await seat.until("2 of 2")
        await seat.press("t")
        await seat.until("as it was at")
        for _ in range(4):
            await seat.press("left_square_bracket")
        await seat.until("0 of 2", "running")
        assert "SUCCEEDED" not in seat.text
        await seat.press("t")
        await seat.until("2 of 2")
        assert "as it was at" not in seat.text


async def test_arrow_keys_move_in_time_and_find_what_had_failed_then(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, story())) as seat:
        await seat.press("t")
        await seat.until("as it was at")
        for _ in range(100):
            await seat.pilot.press("left")
            if "bad row" in seat.text:
                break
            await seat.pilot.pause()
        await seat.until("bad row", "as it was at")


async def test_the_past_cannot_be_changed(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, story())) as seat:
        await seat.press("t")
        await seat.until("as it was at")
        await seat.press("R")
        await seat.until("actions are off")
        assert "r retry" not in seat.lines[-1]
        await seat.press("escape")
        assert not seat.pane.is_past


async def test_each_view_shows_the_moment(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, story())) as seat:
        await seat.press("t", "5")
        await seat.until("the job is done")
        for _ in range(3):
            await seat.press("left_square_bracket")
        await seat.until("as it was at", "ended on laptop")
        assert "the job is done" not in seat.text


async def test_a_long_time_without_events_is_crossed() -> None:
    line = Timeline()
    line._begin, line._end, line._last = 0.0, 1000.0, 7
    line.at, line.position = 900.0, 7

    moments = []
    for _ in range(5):
        line.step(-1)
        moments.append(line.at)

    assert moments == sorted(moments, reverse=True)
    assert len(set(moments)) == 5

"""A person before the dashboard: presses keys, and reads what stands on the screen."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from batchio.api import Job
from batchio.core.events import encode
from batchio.stores.folder import FolderWorkspace
from batchio_tui import Dashboard
from tests.making import make

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from textual.pilot import Pilot

    from batchio_tui import JobPane
    from tests.core.stories import Story

LIMIT_S = 20.0
"""Seconds after which what was waited for will not come."""


class Seat:
    """The dashboard as a person has it before them."""

    def __init__(self, app: Dashboard, pilot: Pilot[Any]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def pane(self) -> JobPane:
        """The job that is shown."""
        pane: JobPane = self.app.screen.pane  # type: ignore[attr-defined]
        return pane

    @property
    def lines(self) -> list[str]:
        """What stands on the screen."""
        return [strip.text.rstrip() for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type a text."""
        names = {" ": "space", ":": "colon", "-": "minus", ",": "comma", "!": "exclamation_mark"}
        await self.press(*(names.get(char, char) for char in text))

    async def until(self, *texts: str) -> None:
        """Wait until all of these stand on the screen."""
        await self.when(lambda: all(text in self.text for text in texts), ", ".join(texts))

    async def when(self, held: Callable[[], object], what: str = "it") -> None:
        """Wait until something holds."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while not held():
                    await self.pilot.pause(0.02)
        except TimeoutError:
            pytest.fail(f"{what} did not come:\n{self.text}")


@asynccontextmanager
async def seated(
    job: Job | None, size: tuple[int, int] = (80, 24), **options: Any
) -> AsyncIterator[Seat]:
    """A dashboard of this size, which must end without an error."""
    app = Dashboard(job, **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        seat = Seat(app, pilot)
        if job is not None:
            await seat.when(lambda: hasattr(app.screen, "pane") and seat.pane.live is not None)
            await pilot.pause()
        yield seat
    assert app.problem is None, app.problem.read_text()


def kept(folder: Path, story: Story) -> Job:
    """A job with this past, which nobody runs, in a workspace in the folder."""
    workspace, job = FolderWorkspace(folder / "ws"), story.machine.running_job
    told = [encode(event) for event in story.events]
    make(workspace, job.id, told, name=job.spec.name)
    return Job(workspace, job.id)

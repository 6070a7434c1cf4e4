"""Whole screens as people see them, each kept beside this file: `golden/NAME.txt`.

To keep them anew, after looking at what has changed: `UPDATE_SCREENS=1 pytest` of this file.
Colours are not in them: every state is a word, too.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.core.stories import Story
from tests.tui.seeing import kept, seated

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.asyncio

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are those of UTC, wherever the tests run."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def night() -> Story:
    """A job of 24 tasks on two machines; one task in six fails alike, on one machine all do."""
    story = Story("0-23").offers("good", "bad").ready("good", slots=4).ready("bad", slots=2)
    for task in range(24):
        node, failed = int(task % 8 == 7), task % 6 == 5
        story.start(task, node=node, at=2 + task)
        code = 3 if failed else 1 if node else 0
        said = f"ValueError: bad row {task} in part-{task}.csv" if failed else "no space left"
        story.end(task, node=node, code=code, tail=said if code else "", at=4 + task)
    return story.close(at=40)


SCREENS = {
    "tasks": ((80, 24), ()),
    "failures": ((80, 24), ("2",)),
    "lanes": ((80, 24), ("3", "L")),
    "time": ((80, 24), ("t", *["left"] * 30)),
    "small": ((40, 10), ()),
    "wide": ((140, 12), ("f",)),
}


@pytest.mark.parametrize("name", SCREENS)
async def test_a_screen_is_as_it_was_looked_at(tmp_path: Path, name: str) -> None:
    size, keys = SCREENS[name]
    async with seated(kept(tmp_path, night()), size) as seat:
        live = seat.pane.live
        await seat.when(lambda: live is not None and live.reading == 1)
        seat.pane.renew(None)
        await seat.press(*keys)
        wanted = GOLDEN / f"{name}.txt"
        if os.environ.get("UPDATE_SCREENS"):
            await seat.pilot.pause(0.5)
            wanted.write_text(seat.text + "\n", "utf-8")
        kept_text = wanted.read_text("utf-8").removesuffix("\n")
        await seat.when(lambda: seat.text == kept_text, f"{name}.txt:\n{kept_text}\nit")

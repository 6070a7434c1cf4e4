"""Keys and events in any order: counts are true, every line is whole, the cursor keeps its task."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from batchio.core.events import encode
from batchio.core.task import Outcome, TaskState
from batchio.core.views import job_header
from tests.core.stories import Story
from tests.tui.seeing import kept, seated

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

STEPS = 15
MOVES = ("up", "down", "end", "home", "pagedown")
OTHERS = ("f", "s", "S", "2", "3", "5", "1", "1", "1", "L", "space")


def go_on(story: Story, dice: Random) -> None:
    """Something legal happens to a task."""
    tasks = story.machine.tasks
    at = float(len(story.events))
    by_state = {
        state: [n for n in range(tasks.count) if tasks.state[n] == state] for state in TaskState
    }
    running, pending = by_state[TaskState.RUNNING], by_state[TaskState.PENDING]
    failed = [n for n in by_state[TaskState.DONE] if tasks.outcome[n] == Outcome.FAILED]
    if running and dice.random() < 0.5:
        story.end(dice.choice(running), code=dice.choice((0, 3)), tail="bad row", at=at)
    elif failed and dice.random() < 0.5:
        story.requeue(dice.choice(failed), at=at)
    elif pending:
        story.start(dice.choice(pending), at=at)


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_happens_while_keys_are_pressed(tmp_path: Path, seed: int) -> None:
    dice, story = Random(seed), Story("0-39").offers("laptop").ready(slots=40)
    job = kept(tmp_path, story)
    journal = job._store.lead()
    async with seated(job) as seat:
        live, tasks = seat.pane.live, seat.pane.views["tasks"]
        assert live is not None
        for _ in range(STEPS):
            held, known = tasks.current, len(story.events)  # type: ignore[attr-defined]
            at_top = tasks.cursor == 0  # type: ignore[attr-defined]
            for _ in range(dice.randrange(4)):
                go_on(story, dice)
            if new := story.events[known:]:
                await journal.append([encode(event) for event in new])
            while live.position < len(story.events):
                await live.look()
            seat.pane.renew(None)
            if held in tasks._found and not at_top:  # type: ignore[attr-defined]
                assert tasks.current == held  # type: ignore[attr-defined]
            await seat.press(dice.choice(MOVES + OTHERS))
            counts = job_header(story.machine, 0.0).counts
            assert live.view.counts == counts
            assert f"{counts.done} of 40" in seat.lines[2]
            lines = seat.app.screen._compositor.render_strips()
            assert {line.cell_length for line in lines} == {80}
    await journal.close()

"""What the keys do to real jobs: confirmed before, and never to what has changed meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchio import api
from batchio_tui import doing
from batchio_tui.actions import ACTIONS, Keys
from tests.core.stories import Story, mixed
from tests.tui.seeing import kept, seated

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

FLAKY = 'test -e "$GOOD" || { echo "no such luck" >&2; exit 3; }'


@pytest.mark.usefixtures("workspace")
async def test_what_failed_is_retried_and_seen_to_succeed(tmp_path: Path) -> None:
    good = tmp_path / "good"
    job = await api.run(["sh", "-c", FLAKY], ntasks=3, env={"GOOD": str(good)})
    async with seated(job) as seat:
        await seat.until("FAILED", "no such luck")
        good.touch()
        await seat.press("R")
        await seat.until("Run all 3 tasks again")
        await seat.press("y")
        await seat.until("SUCCEEDED", "3 of 3")
        await seat.until("✓ succeeded")


@pytest.mark.usefixtures("workspace")
async def test_a_running_task_is_cancelled_alone(tmp_path: Path) -> None:
    job = await api.run(["sh", "-c", "sleep 600"], ntasks=2, slots=2)
    async with seated(job) as seat:
        await seat.until("▶ running")
        await seat.when(lambda: seat.text.count("▶ running") == 2)
        await seat.press("down", "c")
        await seat.until("End 1 task, 1 of them running: 1")
        await seat.press("enter")
        await seat.until("‖ cancelled")
        assert seat.text.count("▶ running") == 1
        await seat.press("C")
        await seat.until("End the whole job", "leave it")
        await seat.press("enter")  # the default is to leave it
        assert "End the whole job" not in seat.text
        await seat.press("C")
        await seat.press("y")
        await seat.until("CANCELLED")


async def test_a_question_says_when_it_has_become_moot_and_does_nothing(tmp_path: Path) -> None:
    """Task 8 runs when it is asked about; that it has ended stands in the journal before yes."""
    job = kept(tmp_path, mixed())
    async with seated(job) as seat:
        await seat.until("running")
        live = seat.pane.live
        await seat.press("down", "down", "down", "down", "c")
        await seat.until("End 1 task")
        assert live is not None
        live._machine.tasks.state[4] = 4  # it has ended
        await seat.until("Nothing to cancel here")
        await seat.press("y")
        assert "Nothing to cancel here" not in seat.text


async def test_marked_tasks_are_meant_before_the_one_under_the_cursor(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.until("failed")
        await seat.press("down", "down", "space", "space", "r")
        await seat.until("Run 2 tasks again: 5-6")


async def test_copying_shows_what_was_copied(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.until("failed")
        await seat.press("down", "down", "y")
        await seat.until("ValueError: bad row", "Copy")
        await seat.press("3")
        await seat.until("copied: ValueError: bad row")
        assert seat.app.clipboard == "ValueError: bad row"


@pytest.mark.usefixtures("workspace")
async def test_a_note_is_typed_and_stands_in_the_journal() -> None:
    job = await api.run(["sh", "-c", "sleep 600"])
    async with seated(job) as seat:
        await seat.until("▶ running")
        await seat.press("a")
        await seat.type("asked ops")
        await seat.press("enter", "5")
        await seat.until("note: asked ops")
    await job.cancel()


async def test_what_a_done_job_cannot_do_is_said(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, Story("0").close())) as seat:
        await seat.until("1 task")
        await seat.press("a")
        await seat.type("x")
        await seat.press("enter")
        await seat.until("writes its journal any more")


async def test_the_report_is_saved_where_one_says(tmp_path: Path) -> None:
    target = tmp_path / "r.html"
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.until("failed")
        await seat.press("p")
        await seat.until("report to: batchio-")
        seat.pane.field._input.value = str(target)
        await seat.press("enter")
        await seat.until("the report is")
        target.write_text("mine")
        await seat.press("p")
        seat.pane.field._input.value = str(target)
        await seat.until("Enter writes over it")
        await seat.press("escape")
        assert target.read_text() == "mine"


async def test_the_commands_that_run_a_task_by_hand_are_shown_and_copied(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.until("failed")
        await seat.press("down", "down", "e")
        await seat.until("export BATCHIO_TASK_ID=5", "process.py")
        await seat.press("escape")
        assert seat.app.clipboard == await seat.pane.job.reproduce(5, 1)


async def test_a_line_that_is_asked_for_gives_way_to_another(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.until("failed")
        await seat.press("a")
        await seat.until("note:")
        seat.pane.act("filter")
        await seat.until("filter:")
        await seat.type("bad")
        await seat.until("bad: 2 of 6")


async def test_read_only_offers_and_does_nothing(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, mixed()), read_only=True) as seat:
        await seat.until("failed")
        assert "retry" not in seat.lines[-1]
        await seat.press("r")
        await seat.until("read-only")


async def test_every_action_of_the_table_does_something() -> None:
    assert set(doing.DOES) == {action.name for action in ACTIONS}


async def test_no_two_actions_share_a_key_and_all_are_plain() -> None:
    keys = [key for action in ACTIONS for key in action.keys]

    assert len(keys) == len(set(keys))
    assert not [key for key in keys if "+" in key]


async def test_a_key_of_ones_own_takes_it_from_who_had_it(tmp_path: Path) -> None:
    keys = Keys({"retry": "f"})
    assert keys.shown("retry") == "f"
    assert keys.shown("failed") == ""
    async with seated(kept(tmp_path, Story("0-1")), keys={"options": "u"}) as seat:
        await seat.press("u")
        await seat.until("Value", "u Options")

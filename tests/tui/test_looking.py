"""What stands on the screen of one job: the lines above, and each view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.stories import JOB, Story, mixed
from tests.tui.seeing import kept, seated

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio


async def test_the_lines_above_tell_name_state_counts_and_what_is_urgent(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.until("UNATTENDED", "4 of 6")

        assert JOB in seat.lines[0]
        assert "process.py" in seat.lines[0]
        assert "~" not in seat.lines[2], "what nobody runs has no end"
        assert seat.lines[1].split() == ["!", "No", "process", "runs", "it", "v", "recover"]
        assert "✗2 tries" in seat.lines[2]
        assert seat.lines[-1].split() == (
            [
                "/",
                "filter",
                "f",
                "failed",
                "Enter",
                "open",
                "l",
                "logs",
                "w",
                "why",
                "r",
                "retry",
                "?",
                "help",
                "q",
                "quit",
            ]
        )


async def test_every_task_has_a_row_with_sign_and_word(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.until("✗ failed")
        rows = [line.split() for line in seat.lines if "laptop" in line or "pending" in line]

    assert rows[0][:3] == ["›", "2", "✓"]
    assert [(row[0], row[2]) for row in rows[1:]] == [
        ("4", "succeeded"),
        ("5", "failed"),
        ("6", "failed"),
        ("8", "running"),
        ("9", "pending"),
    ]


async def test_f_shows_only_what_failed_and_f_again_shows_all(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.until("succeeded")
        await seat.press("f")
        assert "bad: 2 of 6" in seat.text
        assert "succeeded" not in seat.text
        await seat.press("f")
        assert "succeeded" in seat.text


async def test_a_filter_counts_while_it_is_typed_and_escape_takes_it_back(tmp_path: Path) -> None:
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.press("slash")
        await seat.type("running")
        await seat.until("running: 1 of 6")
        await seat.press("escape")
        assert "1 of 6" not in seat.text
        await seat.press("slash")
        await seat.type("bad row")
        await seat.press("enter")
        assert "2 of 6" in seat.text


async def test_a_filter_that_makes_no_sense_is_explained_and_the_table_stays(
    tmp_path: Path,
) -> None:
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.press("slash")
        seat.pane.field._input.value = "exit:nonsense"
        await seat.until('"exit:nonsense"')
        assert "succeeded" in seat.text


async def test_enter_opens_a_task_with_its_attempts_and_escape_returns_to_its_row(
    tmp_path: Path,
) -> None:
    story = Story("0-3").offers("laptop").ready().start(0).end(0, code=3, tail="first words")
    story.requeue(0).start(0, at=6).end(0, code=4, tail="second words", at=7)
    async with seated(kept(tmp_path, story)) as seat:
        await seat.until("second words")
        await seat.press("enter")
        await seat.until("first words", "exit 3", "exit 4", "Attempts")
        await seat.press("escape")
        assert "Task▲" in seat.text
        assert seat.pane.view.current == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("key", "texts"),
    [
        ("2", ("ValueError: bad row",)),
        ("3", ("laptop", "ready")),
        ("4", ("nothing was printed yet",)),
        ("5", ("the job was submitted: 6 tasks", "laptop is ready with 2 slots")),
        ("6", ("Option", "Value", "From")),
    ],
)
async def test_a_number_shows_its_view(tmp_path: Path, key: str, texts: tuple[str, ...]) -> None:
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.press(key)
        await seat.until(*texts)


async def test_events_are_filtered_as_tasks_are_and_by_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchio_tui.events.SCANNED", 2)  # several looks, the newest events first
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.press("5")
        await seat.until("the job was submitted")
        await seat.press("f")
        await seat.until("bad: 3 events", "2 of them failed")
        assert "was submitted" not in seat.text
        await seat.press("slash", *["backspace"] * 3)
        await seat.type("greet")
        await seat.until("no event fits")
        await seat.press(*["backspace"] * 5)
        await seat.type("ready")
        await seat.press("enter")
        await seat.until("ready: 1 event", "laptop is ready with 2 slots")
        await seat.press("1")
        await seat.until("ready: 0 of 6")
        await seat.press("escape", "5")
        await seat.until("was submitted")


async def test_w_says_why_in_the_words_of_explain(tmp_path: Path) -> None:
    job = kept(tmp_path, mixed())
    told = await job.explain()
    async with seated(job) as seat:
        await seat.press("3", "w")
        await seat.until("Why job", told[0][:40])
        await seat.press("escape")
        assert "Why job" not in seat.text


async def test_the_list_of_jobs_opens_one_and_escape_returns_to_it(tmp_path: Path) -> None:
    kept(tmp_path, mixed())
    async with seated(None, workspace=str(tmp_path / "ws")) as seat:
        await seat.until(JOB, "unattended")
        await seat.press("enter")
        await seat.until("1 Tasks", "process.py")
        await seat.press("escape")
        await seat.until("1 job, 1 not done")


async def test_an_empty_workspace_says_how_to_start_a_job(tmp_path: Path) -> None:
    async with seated(None, workspace=str(tmp_path / "ws")) as seat:
        await seat.until("batchio run")


async def test_lanes_say_what_each_node_did_busiest_first_and_idlest_when_turned(
    tmp_path: Path,
) -> None:
    story = Story("0-3").offers("busy", "idle").ready("idle").ready("busy").start(0, 1, node=1)
    story.start(2, node=0, at=8).end(0, 1, at=8, node=1).end(2, at=9, code=3).close(10)
    async with seated(kept(tmp_path, story)) as seat:
        await seat.press("3", "L")
        await seat.until("Over time▼", "× failed", "█", "×")
        rows = [line.split() for line in seat.lines if "gone" in line]
        assert rows[1][0] == "idle"
        assert "×" in rows[1][-1]
        assert "█" in rows[0][-1]
        await seat.press("S")
        first = next(line for line in seat.lines if "gone" in line)
        assert first.lstrip("› ").startswith("idle")
        await seat.press("L")
        await seat.until("Disk free")


async def test_lanes_that_are_wanted_while_others_are_made_are_made_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal becomes wider while attempts are looked at, and nothing happens any more."""
    monkeypatch.setattr("batchio.core.lanes.PORTION", 1)  # a pause after each attempt
    story = Story("0-3").offers("a").ready("a", slots=4).start(0, 1, 2, 3).end(0, 1, 2, 3, at=9)
    async with seated(kept(tmp_path, story.close(10))) as seat:
        await seat.press("3", "L")
        nodes = seat.pane.view
        await seat.until("█")
        nodes._weave()  # type: ignore[attr-defined]
        assert nodes._weaving  # type: ignore[attr-defined]
        await seat.pilot.resize_terminal(120, 24)

        def filled() -> object:
            width = nodes.columns(nodes.size.width)[-1][2]  # type: ignore[attr-defined]
            return len(nodes._lanes[0].busy) == width > 60  # type: ignore[attr-defined]

        await seat.when(filled)


async def test_what_happened_to_nodes_is_among_the_events_that_a_filter_names(
    tmp_path: Path,
) -> None:
    async with seated(kept(tmp_path, mixed().lose(0, why="no answer", at=9))) as seat:
        await seat.press("5", "f")
        await seat.until("laptop was lost: no answer", "2 of them failed")
        assert "was submitted" not in seat.text

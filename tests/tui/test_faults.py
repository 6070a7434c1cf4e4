"""What goes wrong beside the dashboard is said where one looks, and takes away nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len
from textual.events import Resize
from textual.geometry import Size

from batchio import api
from batchio.core import events as ev
from batchio.core.events import encode
from batchio.errors import JournalDown, WorkspaceError
from batchio.stores.folder import FolderWorkspace
from batchio.stores.reader import SqliteReader
from batchio_tui.paint import Painted
from tests.core.stories import JOB, Story, mixed
from tests.tui.seeing import Seat, kept, seated

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

VIEWS = "123456"


def strips(seat: Seat) -> list[Any]:
    return seat.app.screen._compositor.render_strips()


def damage(folder: Path, seq: int) -> None:
    """Break one event of the job's journal."""
    path = FolderWorkspace(folder / "ws").job(JOB).folder / "journal.sqlite"
    with closing(sqlite3.connect(path)) as journal, journal:
        journal.execute("UPDATE events SET body = '[' || body WHERE seq = ?", (seq,))


async def test_an_event_that_is_damaged_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    job = kept(tmp_path, mixed())
    damage(tmp_path, 8)
    async with seated(job) as seat:
        await seat.until("a part of the journal is damaged", "✓ succeeded")
        assert "No process runs it" in seat.text, "the verdict stays"
        await seat.press("5")
        await seat.until("this event is damaged, and left out", "laptop is ready")
        await seat.press("w", "end")
        await seat.until("event 8 of the journal is damaged")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            WorkspaceError("ws/journal.sqlite cannot be read: input/output error"),
            "what is shown is",
        ),
        (JournalDown("nobody answers"), "the workspace has not answered since"),
    ],
)
async def test_a_workspace_that_cannot_be_read_leaves_what_was_read_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    broken, read = [False], SqliteReader.read

    def reading(self: SqliteReader, *args: Any) -> Any:
        if broken[0]:
            raise error
        return read(self, *args)

    monkeypatch.setattr(SqliteReader, "read", reading)
    async with seated(kept(tmp_path, mixed()), size=(120, 24)) as seat:
        await seat.until("✓ succeeded")
        broken[0] = True
        await seat.until(said, "✓ succeeded")
        await seat.press("6")
        await seat.until("Option", said)
        broken[0] = False
        await seat.until("No process runs it")


async def test_a_head_that_died_is_said_and_the_job_goes_on_by_a_key(
    tmp_path: Path, workspace: Path
) -> None:
    gate = tmp_path / "gate"
    script = 'until test -e "$GATE"; do sleep 0.05; done'
    job = await api.run(["sh", "-c", script], ntasks=2, slots=2, env={"GATE": str(gate)})
    async with seated(job) as seat:
        await seat.when(lambda: seat.text.count("▶ running") == 2)
        async with job.live() as live:
            events = await live.told(1, 100)
        [pid] = [text for _, _, text in events if "a head started" in text]
        os.kill(int(pid.partition("(process ")[2].partition(")")[0]), signal.SIGKILL)
        await seat.until("No process runs it", "v recover", "UNATTENDED")
        await seat.press("v")
        await seat.until("Go on with job")
        await seat.press("y")
        await seat.until("RUNNING")
        gate.touch()
        await seat.until("SUCCEEDED", "2 of 2")


async def test_tasks_that_end_or_are_retried_under_the_cursor_take_it_nowhere(
    tmp_path: Path,
) -> None:
    """The cursor stays on task 6, whatever becomes of it; where the filter lets it go, nearby."""
    job = kept(tmp_path, mixed())
    async with seated(job) as seat:
        await seat.press("f")
        await seat.until("bad: 2 of 6")
        await seat.press("down")
        tasks = seat.pane.views["tasks"]
        assert seat.pane.view.current == 3  # type: ignore[attr-defined]
        journal = job._store.lead()
        again = [ev.TasksRequeued(2e9, [[3, 0.0, "user"]]), ev.HeadStarted(2e9, 2, "here", 5)]
        await journal.append([encode(event) for event in again])
        await seat.until("bad: 1 of 6")
        assert tasks.current == 2  # type: ignore[attr-defined]
        await seat.press("f")
        assert tasks.count == 6  # type: ignore[attr-defined]
        await journal.close()


SIZES = [(80, 24), (40, 10), (20, 5), (20, 1), (500, 150)]


async def test_every_view_fits_every_terminal_and_a_hundred_sizes_in_a_row(tmp_path: Path) -> None:
    story = Story("0-99", name="a name 漢字 that is long" * 9).offers("laptop").ready()
    story.start(*range(50)).end(*range(25), code=3, tail="ValueError: bad row 漢 \u202e" * 20)
    dice = Random(7)
    async with seated(kept(tmp_path, story)) as seat:
        await seat.until("✗ failed")
        for size in SIZES:
            await seat.pilot.resize_terminal(*size)
            for key in "1356" if size != (40, 10) else (*VIEWS, "t", "t", "L"):
                await seat.press(key)
                shown = strips(seat)
                assert len(shown) == size[1]
                for strip in shown:
                    assert strip.cell_length == size[0] == cell_len(strip.text)
        for _ in range(100):
            seat.app.simulate_key(dice.choice((*VIEWS, "up", "end", "L", "f", "t")))
            size = Size(dice.randint(1, 200), dice.randint(1, 60))
            seat.app.post_message(Resize(size, size))
        await seat.pilot.resize_terminal(80, 24)
        await seat.until("1 Tasks", "q quit")


async def test_nothing_but_ascii_comes_to_a_terminal_without_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(Painted, "ascii", False)
    async with seated(kept(tmp_path, mixed())) as seat:
        await seat.until("x failed", "+ succeeded", "#", "> running")
        for key in (*VIEWS, "t", "t", "?"):
            await seat.press(key)
            text = seat.text
            for frame in "╭╮╰╯│─▌":  # Textual's own frames
                text = text.replace(frame, "")
            assert text.isascii(), text
        colours = {segment.style.color for strip in strips(seat) for segment in strip}
        assert all(colour is None or _is_grey(colour) for colour in colours)


def _is_grey(colour: Any) -> bool:
    return len(set(colour.get_truecolor())) == 1

"""Logs: they follow at the end, stay elsewhere, are searched both ways, and control nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import batchio_tui.logs
from batchio import api
from batchio_tui.logs import Logs
from tests.tui.seeing import seated

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]


async def done(command: str, **options: object) -> api.Job:
    """A job of one task that has ended."""
    job = await api.run(["sh", "-c", command], **options)  # type: ignore[arg-type]
    await job.wait()
    return job


async def test_the_end_is_seen_first_and_what_is_below_is_counted_elsewhere() -> None:
    job = await done("seq 1 500")
    async with seated(job) as seat:
        await seat.press("4")
        await seat.until("500", "follows")
        await seat.press("home")
        assert "499 below" in seat.text
        assert " 1\n" in seat.text + "\n" or seat.lines[6].split()[-2:-1] == ["1"]
        await seat.press("end")
        assert "follows" in seat.text


async def test_lines_that_come_are_followed_at_the_end_only(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wait = 'seq 1 50; until test -e "$GATE"; do sleep 0.05; done; seq 101 150; sleep 600'
    job = await api.run(["sh", "-c", wait], env={"GATE": str(gate)})
    async with seated(job) as seat:
        await seat.press("4")
        await seat.until(" 50 ", "follows")
        await seat.press("up")
        gate.touch()
        await seat.until("51 below")
        assert " 150 " not in seat.text
        await seat.press("end")
        await seat.until(" 150 ")
    await job.cancel()


async def test_lines_that_come_between_two_looks_take_nobody_from_where_they_went() -> None:
    job = await done("seq 1 100")
    async with seated(job) as seat:
        await seat.press("4")
        await seat.until("100", "follows")
        logs = seat.app.screen.query_one(Logs)
        await seat.press("home")
        logs._come.extend(logs.lines)
        logs.repaint()
        await seat.press("end", "home")
        await seat.until("199 below")
        assert (logs.cursor, logs.top) == (0, 0)


async def test_a_log_of_any_length_is_seen_from_its_first_line_on_and_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batchio_tui.logs, "TAIL", 100)
    job = await done("echo needle; seq 2 9000; echo needle; seq 9002 10000")
    async with seated(job) as seat:
        await seat.press("4")
        await seat.until("10000", "follows")
        assert seat.pane.view.count == 100  # type: ignore[attr-defined]
        await seat.press("home")
        await seat.when(lambda: seat.pane.view.count == 10_000)  # type: ignore[attr-defined]
        assert "9901" in next(line for line in seat.lines if "›" in line), "it stays on its line"
        await seat.press("home")
        await seat.until("9,999 below", "needle")
        await seat.press("end")
        await seat.until("follows", "10000")
        await seat.press("slash")
        await seat.type("needle")
        await seat.press("enter")
        await seat.until("999 below", "9002")
        await seat.press("N")
        await seat.until("9,999 below")
        await seat.press("N")
        await seat.until("no more lines above have needle")


async def test_lines_by_number_are_followed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batchio_tui.logs, "TAIL", 20)
    gate = tmp_path / "gate"
    wait = 'seq 1 200; until test -e "$GATE"; do sleep 0.05; done; seq 201 400; sleep 600'
    job = await api.run(["sh", "-c", wait], env={"GATE": str(gate)})
    async with seated(job) as seat:
        await seat.press("4")
        await seat.until(" 200 ", "follows")
        await seat.press("home")
        await seat.when(lambda: seat.pane.view.count == 200)  # type: ignore[attr-defined]
        await seat.press("end")
        gate.touch()
        await seat.until(" 400 ", "follows")
    await job.cancel()


async def test_a_text_is_searched_for_both_ways() -> None:
    job = await done(
        "for i in $(seq 1 90); do echo line $i; test $((i % 30)) = 5 && echo needle $i; done; true"
    )
    async with seated(job) as seat:
        await seat.press("4")
        await seat.until("line 90")
        await seat.press("slash")
        await seat.type("needle")
        await seat.press("enter")
        await seat.until("› ", "needle 65")
        await seat.press("N")
        await seat.until("needle 35")
        await seat.press("n")
        await seat.until("needle 65")
        await seat.press("n")
        await seat.until("no more lines below have needle")


async def test_only_the_logs_of_what_the_cursor_was_on_are_shown() -> None:
    job = await api.run(["sh", "-c", "echo this is task $BATCHIO_TASK_ID"], ntasks=3)
    await job.wait()
    async with seated(job) as seat:
        await seat.until("3 of 3")
        await seat.press("down", "l")
        await seat.until("this is task 1")
        assert "this is task 0" not in seat.text
        await seat.press("escape")
        assert "Task▲" in seat.text


ODD = (
    r"printf 'a\033[2Jb [red]c[/red] \000d\n'; printf 'wide 漢字 \342\200\256right\n';"
    r" head -c 3000000 /dev/zero | tr '\0' x; echo; printf 'no newline'"
)


async def test_what_tasks_print_controls_nothing_and_columns_stay() -> None:
    job = await done(ODD)
    async with seated(job) as seat:
        await seat.press("4")
        await seat.until("no newline", r"a\x1b[2Jb [red]c[/red] \x00d", r"\u202eright", "xxxx…")
        await seat.press("home", "z")
        await seat.until(r"a\x1b[2Jb")
        await seat.press("end")
        await seat.until("no newline")
        await seat.press("z", "right", "left")
        assert all(len(strip.text) for strip in seat.app.screen._compositor.render_strips())
        assert {strip.cell_length for strip in seat.app.screen._compositor.render_strips()} == {80}

"""What people read: safe, aligned, and true to the numbers."""

from __future__ import annotations

import os
import re
import time
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.cli import output
from batchio.cli.output import Column
from batchio.cli.progress import Told
from batchio.cli.terminal import visible, width
from batchio.cli.words import clock, done_of, lasted, moment, outcomes, precise, progressed, stamp
from batchio.core.views import counts, job_summary
from batchio.errors import UsageError
from tests.cli.terminal import on_a_terminal
from tests.core.stories import JOB, T0, Story, mixed

if TYPE_CHECKING:
    from tests.cli.terminal import Terminal


@pytest.mark.parametrize(
    ("environ", "option", "coloured"),
    [
        ({}, "auto", False),
        ({"FORCE_COLOR": "1"}, "auto", True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, "auto", False),
        ({"NO_COLOR": "1"}, "always", True),
        ({"FORCE_COLOR": "1"}, "never", False),
    ],
)
def test_colours_in_a_pipe_are_as_the_person_says(
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    option: str,
    coloured: bool,
) -> None:
    terminal.keep(mixed())
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert ("\x1b[" in terminal.type("--color", option, "list").out) is coloured


def test_without_colour_nothing_is_bold_on_a_terminal(terminal: Terminal) -> None:
    terminal.keep(mixed())

    assert "\x1b[" not in on_a_terminal(terminal, {"NO_COLOR": "1"}, "list")
    assert "\x1b[" not in on_a_terminal(terminal, {}, "--color", "never", "status")
    assert "\x1b[1m" in on_a_terminal(terminal, {}, "list")


def test_in_the_locale_c_a_table_is_ascii(terminal: Terminal) -> None:
    terminal.keep(mixed())

    assert on_a_terminal(terminal, {"LC_ALL": "C"}, "nodes").isascii()
    assert not on_a_terminal(terminal, {"LC_ALL": "C.UTF-8"}, "nodes").isascii()


def test_the_time_of_a_job_says_its_zone(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    terminal.keep(mixed())

    assert "submitted  2023-11-15 07:13:20 JST, " in terminal.type("status").out
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@given(st.text())
def test_nothing_invisible_is_left_in_visible_text(text: str) -> None:
    left = [char for char in visible(text) if unicodedata.category(char) in ("Cc", "Cs")]

    assert set(left) <= {"\t"}


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"])))
def test_text_without_control_characters_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_escapes_and_turned_text_are_spelled_out() -> None:
    assert visible("\x1b[31m\r\n\u202eabc") == "\\x1b[31m\\r\\n\\u202eabc"
    assert visible(os.fsdecode(b"a\xff")) == "a\\xff"


def test_wide_characters_count_as_two_columns() -> None:
    assert [width("abc"), width("日本"), width("é"), width("e\u0301")] == [3, 4, 1, 1]
    assert [width("👩\u200d🚀"), width("🎉")] == [2, 2]


def test_columns_stand_under_their_titles_whatever_their_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.table(
        (Column("Name"), Column("N", right=True), Column("Note")),
        [("日本", "1", "a"), ("x", "1000", "tab\there"), ("longer", "", "")],
    )
    output.flush()

    assert capsys.readouterr().out == (
        "Name       N  Note\n日本       1  a\nx       1000  tab here\nlonger\n"
    )


def test_a_table_longer_than_what_is_measured_is_written_to_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.table((Column("N", right=True),), ((str(n),) for n in range(2500)))
    output.flush()

    assert len(capsys.readouterr().out.splitlines()) == 2501


def test_an_empty_list_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    output.json_list([])
    output.json_list([1, {"a": "é"}])
    output.flush()

    assert capsys.readouterr().out == '[]\n[\n  1,\n  {"a": "é"}\n]\n'


@given(st.floats(0, 4e9))
def test_a_log_line_bears_its_time_to_the_microsecond(at: float) -> None:
    shown = precise(at)

    assert shown[:19] == stamp(at // 1)
    assert abs(float(f"0.{shown[20:]}") - at % 1) < 2e-6


def test_today_is_shown_as_a_time_alone() -> None:
    now = time.time()

    assert clock(now) == stamp(now)[11:]
    assert clock(T0) == stamp(T0)
    assert (clock(None), lasted(None)) == ("", "")


def test_a_moment_is_a_time_or_how_long_ago() -> None:
    assert moment("10m", 1000.0) == 400.0
    assert moment("2024-11-18T17:25:00+00:00", 0.0) == 1731950700.0
    with pytest.raises(UsageError) as caught:
        moment("yesterday", 0.0)
    assert str(caught.value) == '"yesterday" is neither a time nor a duration'


def test_counts_are_told_in_words() -> None:
    told = counts(mixed().machine)

    assert outcomes(told) == "2 succeeded, 2 failed, 1 running, 1 pending"
    assert progressed(told) == "4 of 6 tasks done, 2 failed, 1 running"
    assert done_of(told).text == "2 + 2 / 6"


def test_progress_in_a_pipe_tells_changes_and_nothing_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = Told()
    story = Story("0-1").offers("laptop")
    for _ in range(3):
        told.show(job_summary(story.machine, T0))
    told.show(job_summary(story.ready().machine, T0))
    told.show(job_summary(story.start(0, 1).end(0, 1).close().machine, T0))

    assert capsys.readouterr().err == "pending: 0 of 2 tasks done\nrunning: 0 of 2 tasks done\n"


def test_on_a_terminal_tables_are_drawn_and_colours_can_be_refused(terminal: Terminal) -> None:
    terminal.keep(mixed())

    shown = on_a_terminal(terminal, {"NO_COLOR": "1"}, "list")
    coloured = on_a_terminal(terminal, {}, "status", JOB)
    narrow = on_a_terminal(terminal, {"COLUMNS": "75"}, "status", JOB)

    assert "│ 2c4d5f6g7h │ process.py │ unattended │  2 + 2 / 6 │" in shown
    assert "\x1b[3" not in shown
    assert "\x1b[36mrunning\x1b[0m" in coloured
    lines = re.sub(r"\x1b\[\d+m", "", narrow).split("\r\n\r\n")[-1].splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["Task", "2", "4"]
    assert max(width(line) for line in lines if not line.startswith("hint:")) <= 75
    assert lines[3].endswith("ValueError: ba…")

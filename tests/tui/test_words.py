"""Times are told whatever clocks say: none of them may end the dashboard."""

from __future__ import annotations

import pytest

from batchio_tui import words
from batchio_tui.page import wrapped
from batchio_tui.paint import width_of

NOW = 1_700_000_000.0


@pytest.mark.parametrize("at", [1e12, -1e12, 1e18, float("inf"), float("nan")])
def test_a_time_that_no_calendar_has_is_a_question_mark(at: float) -> None:
    assert words.clock(at, NOW) == "?"
    assert words.minute(at, NOW) == "?"


def test_what_is_done_in_years_is_told_as_a_span() -> None:
    assert words.minute(NOW + 40 * 365 * 86400, NOW) == "14600d 00h"


def test_a_time_of_today_has_no_date_and_another_one_has() -> None:
    assert len(words.clock(NOW, NOW)) == len("01:12:09")
    assert len(words.clock(NOW - 10 * 86400, NOW)) == len("11-04 01:12:09")


def test_a_word_that_is_longer_than_a_line_is_broken_and_all_of_it_is_there() -> None:
    text = "the file some/folder/with/a/long/path/漢字漢字漢字.csv is gone"

    lines = wrapped(text, 20, "  ")

    assert max(map(width_of, lines)) <= 20
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")

"""The live line fits its terminal, tells rate and time left, and leaves nothing behind."""

from __future__ import annotations

import io

import pytest

from batchio.cli import progress
from batchio.cli.follow import label
from batchio.cli.progress import Pace, Place, job_line, left_text
from batchio.cli.terminal import width
from batchio.core.views import job_view
from tests.core.stories import T0, mixed


@pytest.mark.parametrize("room", [200, 79, 60, 39, 20, 9, 1])
def test_the_line_is_never_wider_than_the_terminal(room: int) -> None:
    line = job_line(job_view(mixed().machine, T0 + 10), 0.5, room)

    assert width(line) <= room
    if room > 20:
        assert "4/6" in line


def test_the_line_tells_rate_and_time_left() -> None:
    assert "30/min, 4s left" in job_line(job_view(mixed().machine, T0 + 10), 0.5, 120)
    assert left_text(10, 3.25) == "3.25/s, 3s left"
    assert left_text(10, None) == left_text(0, 2.0) == ""


def test_the_rate_counts_from_where_the_display_began() -> None:
    pace = Pace()

    assert pace.of(100, 5.0) is None
    assert pace.of(104, 7.0) == 2.0


def test_a_line_that_a_narrower_terminal_has_wrapped_is_removed_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    place = Place(stream)
    monkeypatch.setattr(progress, "columns", lambda _: 100)
    place.draw(["x" * 90], 99)

    monkeypatch.setattr(progress, "columns", lambda _: 40)
    place.clear()

    assert stream.getvalue().endswith("\r\x1b[2A\x1b[J")


def test_a_line_of_stderr_is_told_from_one_of_stdout() -> None:
    assert label(3, 1, stderr=True, mark=" stderr") == "(task 3 stderr)"
    assert label(3, 2) == "(task 3, attempt 2)"


def test_what_was_not_drawn_is_not_removed() -> None:
    stream = io.StringIO()
    Place(stream).clear()

    assert stream.getvalue() == ""

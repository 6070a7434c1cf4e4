"""The door to the dashboard: who cannot enter is told why in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchio.cli import dashboard
from batchio.extras import how_to_install
from tests.core.stories import JOB, mixed

if TYPE_CHECKING:
    from tests.cli.terminal import Terminal


def test_without_a_terminal_it_says_what_to_use_instead(terminal: Terminal) -> None:
    terminal.keep(mixed())

    seen = terminal.type("dashboard", JOB)

    assert seen.code == 2
    assert len(seen.err.splitlines()) == 2  # the error, and its hint
    assert "needs a terminal" in seen.err
    assert "batchio status" in seen.err


@pytest.fixture
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both streams are terminals to it."""
    monkeypatch.setattr(dashboard, "is_terminal", lambda _: True)


@pytest.mark.usefixtures("on_a_terminal")
def test_without_textual_it_says_how_to_install_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "find_spec", lambda _: None)

    seen = terminal.type("dashboard")

    assert seen.code == 2
    assert f"hint: {how_to_install('tui')}" in seen.err


@pytest.mark.usefixtures("on_a_terminal")
@pytest.mark.parametrize("job", ["zzzz", JOB[:2]])
def test_a_job_that_is_not_there_or_not_one_is_told_before_the_screen_changes(
    terminal: Terminal, job: str
) -> None:
    terminal.keep(mixed())
    terminal.keep(mixed(f"{JOB[:-1]}x"))

    seen = terminal.type("dashboard", job)

    assert seen.code == 2
    assert len(seen.err.splitlines()) <= 2
    assert "Traceback" not in seen.err

"""Format, lint and types, as tests: one command proves the whole house."""

import subprocess
import sys

import pytest

from tests.house.source import ROOT

_LONG_S = 600


def _content(*words: str) -> None:
    """Fail with all that the tool says, unless it is content."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, text=True, capture_output=True, check=False
    )
    if done.returncode:
        pytest.fail(f"{done.stdout}{done.stderr}", pytrace=False)


def test_the_code_is_formatted() -> None:
    _content("ruff", "format", "--check", "--quiet")


def test_the_linter_is_content() -> None:
    _content("ruff", "check", "--quiet", "--output-format=concise")


@pytest.mark.timeout(_LONG_S)
def test_types_are_strict() -> None:
    _content("mypy")


@pytest.mark.timeout(_LONG_S)
def test_programs_of_users_are_right_for_pyright_too() -> None:
    _content("basedpyright", "--level", "error")

"""A pytest plug-in: where everything must be there, a skipped test is a failed one.

CI sets BATCHIO_REQUIRE_TESTBED=1. A package that nobody installs then shows on the first day,
whichever test misses it, and not when somebody counts the skipped ones. What no Debian package
can bring is skipped all the same, with a reason that begins with OPTIONAL.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

OPTIONAL: Final = "NOT TESTED, and need not be: "


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test, and its fixtures."""
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole module, skipped by `importorskip` or the like."""
    return _judged((yield))


def _judged(report: Report) -> Report:
    if os.environ.get("BATCHIO_REQUIRE_TESTBED") != "1" or hasattr(report, "wasxfail"):
        return report
    if report.skipped and isinstance(report.longrepr, tuple):
        path, line, why = report.longrepr
        why = why.removeprefix("Skipped: ")
        if not why.startswith(OPTIONAL):
            report.outcome = "failed"
            report.longrepr = f"{path}:{line}: skipped, where nothing may be: {why}"
    return report

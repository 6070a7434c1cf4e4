"""pytest fixtures for tests over real SSH: `lab`, `vms`, `inside_lab`.

A pytest plug-in: tests/conftest.py says `pytest_plugins = ["tests.testbed.fixtures"]`.
Where no lab can be made the tests are skipped, and the summary says so in capitals;
with BATCHIO_REQUIRE_TESTBED=1 in the environment (CI) they fail instead (tests/house/skips.py).
"""

from collections.abc import Iterator
from typing import Any, Final, Protocol

import pytest

from batchio.runtime import bridge
from tests.testbed.client import Lab, Vm, missing
from tests.testbed.spec import VmSpec

_NO_LAB: Final = "no test bed: "


class MakeVms(Protocol):
    """What the fixture `vms` gives: `vms(2, memory_mb=128)`."""

    def __call__(self, count: int = 1, **options: Any) -> list[Vm]:
        """Start `count` equal hosts, with the fields of VmSpec as options."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """An empty lab for the module's tests. At its end nothing may run in it."""
    if reason := missing():
        pytest.skip(_NO_LAB + reason)
    with Lab() as lab:
        yield lab


@pytest.fixture
def inside_lab(lab: Lab) -> Iterator[Lab]:
    """Run the test in the lab's network, and so every process and thread it starts."""
    with lab.inside():
        bridge._ENGINE.forget()  # a thread that was started outside would stay there
        yield lab
        bridge._ENGINE.forget()


@pytest.fixture
def vms(inside_lab: Lab) -> Iterator[MakeVms]:
    """Make hosts for one test, which runs inside the lab; they are gone after it."""
    made: list[Vm] = []

    def make(count: int = 1, **options: Any) -> list[Vm]:
        fresh = inside_lab.create(*(VmSpec(**options) for _ in range(count)))
        made.extend(fresh)
        return fresh

    yield make
    inside_lab.destroy(*made)


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses a lab."""
    for item in items:
        if "lab" in getattr(item, "fixturenames", ()):
            item.add_marker("testbed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Be loud about what was not tested: a skip is easily overlooked."""
    skipped = [
        str(report.longrepr)
        for report in terminalreporter.getreports("skipped")
        if _NO_LAB in str(report.longrepr)
    ]
    if skipped:
        reason = skipped[0].rpartition(_NO_LAB)[2].removesuffix("')")
        terminalreporter.section("NOT TESTED OVER REAL SSH", sep="!", red=True)
        terminalreporter.line(f"{len(skipped)} tests were skipped: {reason}")

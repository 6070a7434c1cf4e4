"""docs/design/faults.md and the tests name the same faults."""

import re

from tests.house.source import ROOT

TEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


def test_every_fault_has_a_line_and_every_line_a_test() -> None:
    page = (ROOT / "docs/design/faults.md").read_text()
    told = set(re.findall(r"`(test_\w+)`", page))
    tests = {path: TEST.findall(path.read_text()) for path in ROOT.glob("tests/**/*.py")}
    every = {name for names in tests.values() for name in names}
    faults = [tests[path] for path in tests if path.name.startswith("test_ssh_faults")]

    assert told - every == set()
    assert set().union(*faults) - told == set()


def test_every_line_of_the_tables_names_a_test() -> None:
    page = (ROOT / "docs/design/faults.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    rows = [line for line in lines if not line.startswith(("| fault |", "| --- |"))]

    assert len(rows) > 60
    assert [line for line in rows if "`test_" not in line.rsplit(" | ", 1)[-1]] == []

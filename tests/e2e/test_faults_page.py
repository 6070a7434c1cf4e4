"""docs/design/faults.md and the tests name the same faults."""

import re

from tests.house.source import ROOT


def test_every_fault_has_a_line_and_every_line_a_test() -> None:
    page = (ROOT / "docs/design/faults.md").read_text()
    told = set(re.findall(r"`(test_\w+)`", page))
    modules = {path: path.read_text() for path in (ROOT / "tests/e2e").glob("test_*.py")}
    named = re.compile(r"^async def (test_\w+)", re.MULTILINE)
    every = {name for text in modules.values() for name in named.findall(text)}
    faults = {
        name
        for path, text in modules.items()
        if path.name.startswith("test_ssh_faults")
        for name in named.findall(text)
    }

    assert told - every == set()
    assert faults - told == set()

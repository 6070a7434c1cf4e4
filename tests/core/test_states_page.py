"""The page about states says what the tables say."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_drawn_states_are_those_of_the_tables() -> None:
    page = runpy.run_path(str(DOCS / "states.py"))["page"]

    assert (DOCS / "design" / "states.md").read_text(encoding="utf-8") == page()

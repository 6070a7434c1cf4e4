"""Every page is true: its blocks run as shown, and its links lead somewhere."""

import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.docs.blocks import parse, run
from tests.house.source import ROOT, files

PAGES: Final = [
    name
    for name in files()
    if name == "README.md" or (name.startswith("docs/") and name.endswith(".md"))
]
_LINK: Final = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([\w-]+))?\)")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(page: str, tmp_path: Path, workspace: Path) -> None:
    folder = tmp_path / "page"
    folder.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = os.environ | {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}
    for block in parse((ROOT / page).read_text()):
        lie = ""
        try:
            run(block, folder, environ)
        except AssertionError as error:
            lie = f"{page}:{block.line}: {error}"
        if lie:
            pytest.fail(lie, pytrace=False)


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    broken = []
    for target, anchor in _LINK.findall(text):
        file = (ROOT / page).parent / target if target else ROOT / page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(f"{target}#{anchor}")
    assert broken == []


def test_every_page_can_be_reached_from_the_first_one() -> None:
    reached, todo = set(), [ROOT / "docs" / "index.md"]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        links = _LINK.findall(page.read_text())
        todo += [(page.parent / target).resolve() for target, _ in links if target]
    docs = {ROOT / page for page in PAGES if page.startswith("docs/")}
    assert {str(page.relative_to(ROOT)) for page in docs - reached} == set()


def _anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}

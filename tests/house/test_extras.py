"""What only some commands need is installed by a command that works as it is printed."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import metadata
from typing import TYPE_CHECKING

import pytest

from batchio.extras import how_to_install
from tests.house.source import ROOT

if TYPE_CHECKING:
    from pathlib import Path

EXTRAS = metadata("batchio").get_all("Provides-Extra") or []


def test_there_are_extras() -> None:
    assert {"store", "tui", "report"} <= set(EXTRAS)


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_libraries_are_named_and_no_package_called_batchio_is_asked_for(extra: str) -> None:
    words = shlex.split(how_to_install(extra))

    assert words[0] in (sys.executable, "uv")
    assert any(">=" in word for word in words)
    assert not any(word.startswith("batchio") for word in words)


def test_pipx_gets_them_into_the_place_where_it_has_installed_batchio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "batchio"
    place.mkdir()
    (place / "pipx_metadata.json").touch()
    monkeypatch.setattr(sys, "prefix", str(place))

    assert how_to_install("tui").startswith("pipx inject batchio 'textual>=")


def test_without_pip_uv_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchio.extras.find_spec", lambda _: None)

    assert how_to_install("tui").startswith(f"uv pip install --python {sys.executable} 'textual>=")


def test_nothing_that_people_read_asks_an_index_for_batchio() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    for folder in ("docs", "examples", "src", "tui"):
        pages += [*(ROOT / folder).rglob("*.md"), *(ROOT / folder).rglob("*.py")]

    asking = re.compile(r"""install\s+["']?batchio\[""")
    assert [str(page) for page in pages if asking.search(page.read_text("utf-8"))] == []

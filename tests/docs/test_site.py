"""make site: every page is there, can be found, and nothing in it is broken."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.house.source import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_the_site_is_built_without_a_warning_and_has_every_page(tmp_path: Path) -> None:
    words = ["sphinx", "--quiet", "--fail-on-warning", "--keep-going", "docs", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

    contents = (tmp_path / "index.html").read_text()
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    for page in pages:
        assert (tmp_path / page.with_suffix(".html")).is_file()
        assert page.name == "index.md" or f'href="{page.with_suffix(".html")}"' in contents
    assert "not-run" not in (tmp_path / "tutorial/your-own-machines.html").read_text()
    assert "--map-over-file" in (tmp_path / "reference/options.html").read_text()
    assert (tmp_path / "searchindex.js").stat().st_size > 10_000

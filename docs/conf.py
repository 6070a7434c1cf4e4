"""The docs as a site that can be searched: make site. Sphinx reads the same pages as everybody."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchio import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "batchio"
release = __version__
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
html_theme = "furo"
html_title = f"batchio {__version__}"
html_show_copyright = False
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 4
exclude_patterns = ["_build"]
suppress_warnings = ["myst.xref_missing"]  # tests/docs/test_pages.py checks every link
highlight_language = "none"

CONTENTS: Final = {
    "Learn it": ("tutorial/first-job", "tutorial/your-own-machines", "tutorial/your-aws-account"),
    "Do something": ("how-to/*",),
    "Understand it": ("concepts/*", "glossary"),
    "Look it up": ("reference/README", "reference/*"),
    "Change it": ("design/README", "design/*"),
}
"""Chapters of the site, in the order of `index.md`."""

_FENCE: Final = re.compile(r"^(```\w+) .*$", re.MULTILINE)
"""The first line of a block that says more than its language: words for the tests."""


def setup(app: Sphinx) -> None:
    """Have Sphinx call us with the text of each page."""
    app.connect("source-read", _prepare)


def _prepare(app: Sphinx, page: str, source: list[str]) -> None:
    """Take the words for the tests out of a page, and give the first one its contents."""
    source[0] = _FENCE.sub(r"\1", source[0])
    if page == "index":
        source[0] += "".join(map(_chapter, CONTENTS))


def _chapter(name: str) -> str:
    pages = "\n".join(page for pattern in CONTENTS[name] for page in _pages(pattern))
    return f"\n```{{toctree}}\n:hidden:\n:caption: {name}\n\n{pages}\n```\n"


def _pages(pattern: str) -> list[str]:
    root = Path(__file__).parent
    found = sorted(path.relative_to(root).with_suffix("") for path in root.glob(f"{pattern}.md"))
    whole = "*" not in pattern
    return [str(page) for page in found if whole or page.name != "README"]

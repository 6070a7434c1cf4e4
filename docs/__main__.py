"""Write every file that is made from the code, so that none can disagree with it.

python -m docs           write those that are stale
python -m docs --check   name them instead, and fail
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from docs import (
    keys_page,
    keywords,
    man_pages,
    promises_page,
    python_page,
    reference_pages,
    schemas,
    states,
    task_page,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).parents[1]

MADE: Final[dict[str, Callable[[], str]]] = {
    **{f"docs/reference/{name}": page for name, page in reference_pages.PAGES.items()},
    "docs/reference/python.md": python_page.page,
    **{f"docs/reference/{name}": make for name, make in schemas.files().items()},
    "docs/reference/dashboard-keys.md": keys_page.page,
    "docs/reference/what-a-task-sees.md": task_page.page,
    "docs/reference/coiled-batch.md": promises_page.page,
    **{f"docs/man/{name}": make for name, make in man_pages.files().items()},
    "docs/design/states.md": states.page,
    "src/batchio/options/keywords.py": keywords.module,
}
"""Every such file, below ROOT, and what makes its text."""


def main(arguments: list[str]) -> int:
    """Write the files, or with --check only look at them; returns the exit code."""
    texts = {name: make() for name, make in MADE.items()}
    stale = [name for name, text in texts.items() if _text(ROOT / name) != text]
    for name in stale:
        if arguments == ["--check"]:
            sys.stderr.write(f"{name} is not as the code has it: run make docs\n")
        else:
            (ROOT / name).parent.mkdir(exist_ok=True)
            (ROOT / name).write_text(texts[name], "utf-8")
            sys.stderr.write(f"wrote {name}\n")
    return int(bool(stale) and arguments == ["--check"])


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

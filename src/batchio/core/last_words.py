"""Last words of a task, and what they mean for whoever reads them. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_MODULE: Final = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")


def explained(words: str) -> Iterator[str]:
    """Yield sentences about a task's last words: the words, and a hint where there is one."""
    if not words:
        return
    yield f'Its last words: "{words}"'
    if found := _NO_MODULE.search(words):
        name = found[1].partition(".")[0]
        yield (
            f"Python found no {name} there. If it is a file of yours, send it: "
            f"--upload {name}.py; if it is a library, install it where the task runs."
        )

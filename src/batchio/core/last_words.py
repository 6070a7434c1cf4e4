"""Last words of a task, and what they mean for whoever reads them. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_MODULE: Final = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")

_VARYING: Final = re.compile(
    r"""
    (?<![\w/])(?:/private)?/(?:tmp|var/tmp|var/folders|dev/shm|scratch)/[^\s'":,;()\[\]<>]+
    | \b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b     # a UUID
    | \b0x[0-9a-f]+\b
    | \b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{6,}\b           # a commit, an address, a digest
    | \b(?=[a-z]*\d+[a-z]+\d)[a-z0-9]{8,}\b              # an id such as 2bbw29m4kv
    | \d+(?:[.,:]\d+)*(?:e[+-]?\d+\b)?
    """,
    re.VERBOSE | re.IGNORECASE,
)


def template(words: str) -> str:
    """Return last words with # for each number, hexadecimal, id and temporary path.

    So "row 17 of /tmp/x1.csv" and "row 4 of /tmp/y7.csv" are alike: "row # of #".
    """
    return _VARYING.sub("#", words)


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

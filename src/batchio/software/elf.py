"""What a compiled file needs of the computer that loads it: read from its ELF headers.

Source of the layout: the System V ABI, chapters 4 and 5, and the Linux Standard Base
("Symbol Versioning").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MAGIC: Final = b"\x7fELF"

_VERSION: Final = re.compile(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)")


def glibc_of(path: str | Path) -> tuple[int, int] | None:
    """Return the oldest glibc that has all a compiled file uses; None: it is none, or needs none.

    The names of symbol versions stand in its table of dynamic names, each between two zeros,
    and nowhere else in that shape.
    """
    with open(path, "rb") as file:
        if file.read(4) != MAGIC:
            return None
        found = [(int(a), int(b)) for a, b in _VERSION.findall(file.read())]
    return max(found, default=None)

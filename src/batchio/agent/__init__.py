"""The program that runs on nodes: rooms here, one file when it travels.

Nothing of it is imported by the head. `source` puts the rooms one below the other, as
SQLite does with its own: the file needs no folder beside it, and all names share one
namespace (`tests/house/test_agent.py` sees to it that no two rooms use the same one).
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ROOMS", "digest", "source"]

ROOMS: Final = (
    "codec",
    "basics",
    "spool",
    "results",
    "processes",
    "spawning",
    "limits",
    "node",
    "bundle",
    "files",
    "setup",
    "attempts",
    "containers",
    "loop",
    "news",
    "children",
    "helpers",
    "preparation",
    "folders",
    "output",
    "strays",
    "endings",
    "stops",
    "launcher",
    "home",
    "wire",
    "head",
    "departure",
    "orders",
    "daemon",
    "commands",
)
"""Each uses only those before it."""

_TITLE: Final = '''\
"""The agent of batchio: runs attempts on one node, remembers how they ended.

Made of the rooms of batchio/agent/; `python -m batchio.agent` prints it.
docs/design/agent.md is its contract: the home, the commands, the frames, the messages.
"""

from __future__ import annotations
'''
_DROPPED: Final = (
    "from __future__ import ",
    "from batchio.agent.",
    "from typing import ",
    "if TYPE_CHECKING:",
)
"""How statements begin that the one file does not need."""


@functools.cache
def source() -> bytes:
    """The bytes of the file that travels."""
    folder = Path(__file__).parent
    parts = [_TITLE]
    for room in ROOMS:
        text = (folder / f"{room}.py").read_text("utf-8")
        parts += [f"\n\n# ==== {room}.py ====\n\n", *_kept(text)]
    return "".join(parts).encode()


@functools.cache
def digest() -> str:
    """SHA-256 of those bytes, in hexadecimal: which agent a node has."""
    return hashlib.sha256(source()).hexdigest()


def _kept(text: str) -> Iterator[str]:
    """The lines of a room without its dropped statements.

    A line that is not indented begins a statement, except for a closing bracket. So no
    parser is needed, which would cost more than starting the agent.
    """
    keep = True
    for line in text.splitlines(keepends=True):
        if not line.startswith((" ", ")", "\n")):
            keep = not line.startswith(_DROPPED)
        if keep:
            yield line

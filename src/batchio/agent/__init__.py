"""The program that runs on nodes: a package here, one file when it travels.

Nothing of it is imported by the head. `source` puts the modules one below the other, as
SQLite does with its own: the file needs no folder beside it, and all names share one
namespace (`tests/house/test_agent.py` sees to it that no two modules use the same one).

Two modules travel alone, because they are seldom wanted and needed beside the agent, not by
it: `fetch` brings the uploaded files from a store, `visit` opens a shell where a task runs.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["ALONE", "ROOMS", "command", "digest", "source"]

ROOMS: Final = (
    "basics",
    "door",
    "chores",
    "spool",
    "results",
    "processes",
    "spawning",
    "limits",
    "node",
    "bundle",
    "files",
    "members",
    "setup",
    "devices",
    "attempts",
    "containers",
    "loop",
    "outbox",
    "children",
    "helpers",
    "preparation",
    "folders",
    "output",
    "strays",
    "endings",
    "stops",
    "pieces",
    "uploads",
    "launcher",
    "home",
    "wire",
    "head",
    "departure",
    "orders",
    "daemon",
    "commands",
)
"""The modules of the agent; each uses only those before it."""

ALONE: Final = ("fetch", "visit")
"""The programs beside the agent, each short enough to be a word of a command line."""

_TITLE: Final = '''\
"""The agent of batchio: runs attempts on one node, remembers how they ended.

Made of the rooms of batchio/agent/; `python -m batchio.agent` prints it.
docs/design/agent.md is its contract: the home, the commands, the frames, the messages.
"""

'''
_DROPPED: Final = (
    "from __future__ import ",
    "from typing import ",
    "if TYPE_CHECKING:",
)
"""How the statements begin that the one file does not need."""


@functools.cache
def source(program: str = "agent") -> bytes:
    """Return the bytes of a program that travels: the agent, or one of those in ALONE."""
    if program != "agent":
        return _path(program).read_bytes()
    return _TITLE.encode() + joined(map(_path, ROOMS), "batchio.agent")


def joined(paths: Iterable[Path], package: str) -> bytes:
    """Return one program, made of modules that import nothing of ours but those before them.

    Args:
        package: Where they are imported from here.
    """
    dropped = (*_DROPPED, f"from {package}.")
    parts = ["from __future__ import annotations\n"]
    for path in paths:
        parts += [f"\n\n# ==== {path.name} ====\n\n", *_kept(path.read_text("utf-8"), dropped)]
    return "".join(parts).encode()


def command(python: str, program: str, *words: str) -> list[str]:
    """Return the argv that runs a program of ALONE on a node."""
    return one_line(python, source(program), *words)


def one_line(python: str, program: bytes, *words: str) -> list[str]:
    """Return the argv that runs a program on a node, whatever the login shell is.

    It is one line, because csh takes no newlines in a word.
    """
    packed = base64.b64encode(zlib.compress(program, 9)).decode()
    line = f'import base64, zlib; exec(zlib.decompress(base64.b64decode("{packed}")))'
    return [python, "-I", "-S", "-c", line, *words]


@functools.cache
def digest() -> str:
    """Return the SHA-256 of the agent's bytes, in hexadecimal: which agent a node has."""
    return hashlib.sha256(source()).hexdigest()


def _path(room: str) -> Path:
    return Path(__file__).with_name(f"{room}.py")


def _kept(text: str, dropped: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a module without its dropped statements.

    A line that is not indented begins a statement, except for a closing bracket. So no
    parser is needed, which would cost more than starting the agent.
    """
    keep = True
    for line in text.splitlines(keepends=True):
        if not line.startswith((" ", ")", "\n")):
            keep = not line.startswith(dropped)
        if keep:
            yield line

"""The user's OpenSSH configuration, without the parts that are about other hosts.

asyncssh reads every line of it anew for every host, at 25 µs a line: with each of a thousand
hosts listed there, that is a minute of CPU. So it is given a copy in which the blocks of other
hosts are empty lines.
"""

from __future__ import annotations

import functools
import os
import re
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGINS: Final = re.compile(r"\s*(host|match)(?:\s*=\s*|\s+)(.*)", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[\w.:-]+(?:\s+[\w.:-]+)*\s*", re.ASCII)
"""Names of hosts, and nothing that would have to be understood: `*`, `!`, quotes, commas."""


class _Block(NamedTuple):
    """Lines up to the next `Host` or `Match`."""

    text: str
    hosts: frozenset[str] | None
    """Who it is about, in lower case; None: perhaps everybody."""


def config_files() -> list[str]:
    """The user's OpenSSH configuration, then the computer's, as ssh reads them."""
    files = (Path("~/.ssh/config").expanduser(), Path("/etc/ssh/ssh_config"))
    return [str(path) for path in files if os.access(path, os.R_OK)]


@contextmanager
def config_for(host: str) -> Iterator[list[str]]:
    """The same as they are for one host, until the end of the `with`; line numbers stay."""
    with ExitStack() as copies:
        yield [copies.enter_context(_copy(path, host.lower())) for path in config_files()]


@contextmanager
def _copy(path: str, host: str) -> Iterator[str]:
    found = os.stat(path)
    blocks = _blocks(path, found.st_mtime_ns, found.st_size)
    text = "".join(
        block.text if block.hosts is None or host in block.hosts else "\n" * block.text.count("\n")
        for block in blocks
    )
    if all(block.hosts is None for block in blocks) or not hasattr(os, "memfd_create"):
        yield path
        return
    copy = os.memfd_create("ssh_config")
    try:
        os.write(copy, text.encode("utf-8", "surrogateescape"))
        yield f"/proc/self/fd/{copy}"
    finally:
        with suppress(OSError):
            os.close(copy)


@functools.lru_cache(maxsize=4)
def _blocks(path: str, _changed: int, _size: int) -> tuple[_Block, ...]:
    """The file in order; read once for as long as it is the same."""
    lines, hosts, blocks = list[str](), None, list[_Block]()
    for line in Path(path).read_text("utf-8", "surrogateescape").splitlines(keepends=True):
        if begins := _BEGINS.match(line):
            blocks.append(_Block("".join(lines), hosts))
            names = begins[2] if begins[1].lower() == "host" else ""
            plain = _PLAIN.fullmatch(names.rstrip("\n"))
            lines, hosts = [], frozenset(names.lower().split()) if plain else None
        lines.append(line)
    return *blocks, _Block("".join(lines), hosts)

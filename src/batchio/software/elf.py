"""What a compiled file needs of the computer that loads it: read from its ELF headers.

Source of the layout: the System V ABI, chapters 4 and 5, and the Linux Standard Base
("Symbol Versioning").
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

MAGIC: Final = b"\x7fELF"

_VERSION: Final = re.compile(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)")
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRINGS, _RPATH, _RUNPATH = 1, 5, 15, 29


class Linked(NamedTuple):
    """What a compiled file is linked to."""

    needed: tuple[str, ...]
    """Names of libraries."""
    beside: bool
    """Whether they are looked for at a place that is told from its own ($ORIGIN)."""


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


def linked(path: str | Path) -> Linked | None:
    """Return what a compiled file of 64 bits is linked to; None: it is none."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != MAGIC or data[4:5] != b"\x02":
        return None
    order = "<" if data[5:6] == b"\x01" else ">"
    try:
        return _linked(data, order)
    except struct.error:
        return None


def _linked(data: bytes, order: str) -> Linked:
    (table,) = struct.unpack_from(f"{order}Q", data, 32)
    size, count = struct.unpack_from(f"{order}HH", data, 54)
    loads, entries = [], list[tuple[int, int]]()
    for number in range(count):
        at = table + number * size
        kind, _, offset, address, _, length = struct.unpack_from(f"{order}IIQQQQ", data, at)
        if kind == _LOAD:
            loads.append((address, offset, length))
        elif kind == _DYNAMIC:
            entries = list(
                struct.iter_unpack(f"{order}QQ", data[offset : offset + length // 16 * 16])
            )
    strings = next((value for tag, value in entries if tag == _STRINGS), 0)
    start = next(
        (strings - at + offset for at, offset, length in loads if at <= strings < at + length), 0
    )

    def name(value: int) -> str:
        return data[start + value : data.index(b"\0", start + value)].decode("utf-8", "replace")

    searched = [name(value) for tag, value in entries if tag in (_RPATH, _RUNPATH)]
    return Linked(
        tuple(name(value) for tag, value in entries if tag == _NEEDED),
        any("$ORIGIN" in path or "${ORIGIN}" in path for path in searched),
    )

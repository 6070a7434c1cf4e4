"""The line of JSON that objects in a bucket begin with, and its checksum. Pure.

`"sum"`, the last of its values, is the CRC-32 of all bytes before it.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_line(header: Mapping[str, Any]) -> bytes:
    """Return the line that says this, its newline included."""
    said = json.dumps(header, separators=(",", ":")).encode()[:-1]
    return b'%b,"sum":%d}\n' % (said, zlib.crc32(said))


def read_line(line: bytes) -> dict[str, Any]:
    """Return what a line says, which is without its newline.

    Raises:
        ValueError: it is damaged.
    """
    said, _, known = line.rpartition(b',"sum":')
    if zlib.crc32(said) != int(known.rstrip(b"}") or b"-1"):
        raise ValueError("its first line is damaged")
    try:
        header = json.loads(said + b"}")
    except RecursionError:
        header = None
    if not isinstance(header, dict):
        raise ValueError("its first line makes no sense")
    return header

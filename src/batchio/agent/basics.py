"""What every room needs: a word of the agent's own, JSON, bytes for the system, small files."""

from __future__ import annotations

import errno
import json
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    Key = tuple[int, int]
    """Task and attempt."""
    Record = list[Any]
    """How an attempt ended, as the head gets it."""

loads = json.loads
dumps = json.JSONEncoder(separators=(",", ":")).encode

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def say(text: str) -> None:
    """A word of the agent's own; a full disk must not turn it into a crash."""
    try:
        sys.stderr.write("%s %s\n" % (time.strftime("%Y-%m-%dT%H:%M:%S"), text))
        sys.stderr.flush()
    except OSError:
        pass


def raw(value: Any) -> bytes:
    """What the operating system gets for a JSON value, byte for byte."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if value is None:
        return b""
    return dumps(value).encode()


def slurp(path: str) -> bytes:
    """A small file's bytes, or none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""

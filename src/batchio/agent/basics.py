"""What every room needs: a word of the agent's own, JSON, bytes for the system, small files."""

from __future__ import annotations

import errno
import json
import os
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
"""A disk takes no more."""
SHORT = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS)
"""Descriptors, processes or memory have run out, which passes."""


def say(text: str) -> None:
    """A word of the agent's own; a full disk must not turn it into a crash."""
    try:
        sys.stderr.write("%s %s\n" % (time.strftime("%Y-%m-%dT%H:%M:%S"), text))
        sys.stderr.flush()
    except OSError:
        pass


def short_of(error: BaseException) -> str:
    """Return what this node has run out of for now, or nothing when that is not the trouble."""
    if isinstance(error, MemoryError):
        return os.strerror(errno.ENOMEM)
    if isinstance(error, OSError) and error.errno in SHORT:
        return str(error.strerror)
    return ""


def raw(value: Any) -> bytes:
    """What the operating system gets for a JSON value, byte for byte.

    Raises ValueError for a text that has no bytes: with half of a pair of surrogates.
    """
    if isinstance(value, str):
        try:
            return value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise ValueError("%.80a cannot be written in UTF-8" % value) from None
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

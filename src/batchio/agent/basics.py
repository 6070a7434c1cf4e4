"""What every module needs: messages to agent.log, JSON, bytes for the system, small files."""

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
    """The number of a task and of its attempt."""
    Record = list[Any]
    """How an attempt ended, as the head is told."""

loads = json.loads
dumps = json.JSONEncoder(separators=(",", ":")).encode

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""The error numbers of a disk that has no more room."""
SHORT = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS)
"""The error numbers of a shortage, of descriptors, processes or memory, which passes."""


if hasattr(time, "CLOCK_BOOTTIME"):

    def since_boot() -> float:
        """Return the seconds since this node was booted; they go on while it sleeps."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:
    since_boot = time.monotonic

BOOTED = time.time() - since_boot()
"""When that was, by the node's clock, which is read once: setting it changes no duration."""


def clock() -> float:
    """Return the time in Unix seconds; it passes evenly."""
    return BOOTED + since_boot()


def say(text: str) -> None:
    """Write a line to agent.log; a full disk must not make the agent crash."""
    try:
        sys.stderr.write("%s %s\n" % (time.strftime("%Y-%m-%dT%H:%M:%S"), text))
        sys.stderr.flush()
    except OSError:
        pass


def short_of(error: BaseException) -> str:
    """Return the name of the shortage on this node that an error means, or "" for other errors."""
    if isinstance(error, MemoryError):
        return os.strerror(errno.ENOMEM)
    if isinstance(error, OSError) and error.errno in SHORT:
        return str(error.strerror)
    return ""


def raw(value: Any) -> bytes:
    """Return the bytes that the operating system gets for a JSON value, exactly.

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
    """Return the bytes of a small file, or none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""

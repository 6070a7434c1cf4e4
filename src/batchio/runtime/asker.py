"""Who made a request, so that a head can tell one that was left over from one that is meant.

The process that asks waits for the answer, and takes the request back when there is none. One
that was killed cannot; what it asked for must not be done by a head of days later.
"""

from __future__ import annotations

import os
import socket
from typing import Any, Final

from batchio.runtime.steady import boot_id, since_boot

STALE_S: Final = 60.0
"""Seconds after which a request that nobody waits for is not carried out any more: a head that
its process has started needs less."""


def asker() -> dict[str, Any]:
    """Return this process as a request names it."""
    return {"host": socket.gethostname(), "boot": boot_id(), "pid": os.getpid(), "at": since_boot()}


def is_left_over(by: object) -> bool:
    """Return whether a request is old and the process that made it is known to be gone."""
    if not isinstance(by, dict) or by.get("host") != socket.gethostname():
        return False
    if by.get("boot") != boot_id():
        return True
    match by:
        case {"pid": int(pid), "at": float(at)} if pid > 0:
            return since_boot() - at > STALE_S and not _lives(pid)
    return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True

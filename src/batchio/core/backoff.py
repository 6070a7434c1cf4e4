"""How long to wait before something unreliable is tried again. Pure."""

from __future__ import annotations

from typing import Final
from zlib import crc32

FIRST_S: Final = 0.5
MOST_S: Final = 30.0


def backoff(attempt: int, token: str) -> float:
    """Seconds before try number `attempt` + 1: doubling from 0.5 to 30, jitter of ±25 %.

    The jitter comes from `token` (a node's name, say) and the attempt: a hundred nodes
    that were lost together do not come back together, and a replay waits just as long.
    """
    grown = min(FIRST_S * 2.0 ** min(max(attempt - 1, 0), 16), MOST_S)
    noise = crc32(f"{token}:{attempt}".encode("utf-8", "surrogateescape")) / 0xFFFFFFFF
    return grown * (0.75 + noise / 2)

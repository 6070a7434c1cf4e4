"""The one real clock."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class RealClock:
    """Wall-clock time; implements `ports.Clock`."""

    def now(self) -> float:
        """Return the time in Unix seconds."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds on the running loop."""
        await asyncio.sleep(max(seconds, 0.0))

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.Handle:
        """Have the running loop call `callback` at `when` (Unix seconds)."""
        delay = max(when - time.time(), 0.0)
        return asyncio.get_running_loop().call_later(delay, callback)

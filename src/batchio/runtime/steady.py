"""Time that passes evenly, whatever a computer's clock is set to.

The computer's clock is read once, when a clock is made. From then on the seconds since the
boot are counted (CLOCK_BOOTTIME, see clock_gettime(2): they go on in a computer's sleep), so
that no duration is wrong because somebody, or NTP, has set the clock meanwhile.
"""

from __future__ import annotations

import time
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

since_boot: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic
)
"""Return the seconds since this computer was booted."""


@cache
def boot_id() -> str:
    """Return the id of this boot; "" where the kernel has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


class SteadyClock:
    """The time of this computer, without waiting for it: the base of the real clocks."""

    def __init__(self) -> None:
        self.boot = boot_id()
        self.booted = time.time() - since_boot()

    def now(self) -> float:
        """Return the time in Unix seconds."""
        return self.booted + since_boot()

    def time_of(self, boot: str, booted: float, latest: float) -> float:
        """Return the time as a job counts it. See the port."""
        same = bool(boot) and boot == self.boot
        return (booted if same else max(self.booted, latest - since_boot())) + since_boot()

    def go_on(self, boot: str, booted: float, latest: float) -> None:
        """Count on from here as that job does. See the port."""
        self.booted = self.time_of(boot, booted, latest) - since_boot()

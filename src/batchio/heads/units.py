"""The systemd unit that keeps a head on another computer up: started again after whatever end.

What the head itself does with it, being told by `$NOTIFY_SOCKET` and `$WATCHDOG_USEC`: it says
that it is ready, and gives signs of life (sd_notify(3), sd_watchdog_enabled(3)).
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import Final

STARTS: Final = 30
"""Number of starts within STARTS_S after which a head is given up."""

STARTS_S: Final = 900.0

WATCHDOG_S: Final = 60
"""Seconds without a sign of life after which a head is killed, and started again."""


def unit(job: str) -> str:
    """Return the text of the unit; what stands in braces is for the porter to fill in.

    It holds for one computer: homes, and with them the units of users, may be shared by many.
    The watchdog kills, since the core that an abort leaves would hold the values of secrets.
    Exit code 0 is a head that is done, or will not go on; anything else is started again.
    """
    return f"""\
[Unit]
Description=batchio: the head of job {job}
Wants=network-online.target
After=network-online.target
ConditionHost={{host}}
StartLimitIntervalSec={STARTS_S:.0f}
StartLimitBurst={STARTS + 1}

[Service]
Type=notify
ExecStart={{command}}
Restart=always
RestartSec=2
RestartPreventExitStatus=0
WatchdogSec={WATCHDOG_S}
WatchdogSignal=SIGKILL
TimeoutStartSec=150
TimeoutStopSec=10
LimitCORE=0
UMask=0077
StandardOutput=append:{{log}}
StandardError=append:{{log}}

[Install]
WantedBy={{target}}
"""


def tell(text: str) -> None:
    """Tell systemd something of this process; nothing where it was not started by a unit."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        return
    address = "\0" + place[1:] if place[0] == "@" else place
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(text.encode(), address)


def interval() -> float | None:
    """Return the seconds between two signs of life, a third of what is allowed; None: no need."""
    allowed = os.environ.get("WATCHDOG_USEC", "")
    return int(allowed) / 3e6 if allowed.isdigit() and int(allowed) else None


async def live() -> None:
    """Give signs of life until it is cancelled: this loop turns, so the head is not stuck."""
    pause = interval()
    while pause:
        tell("WATCHDOG=1")
        await asyncio.sleep(pause)

"""A long cable: `python -m tests.testbed.delay NEAR FAR ONE_WAY_MS JITTER_MS`.

Makes two TAP devices and carries frames between them, each held for the delay plus a
random part of the jitter (so frames may overtake each other). The devices exist as long
as the process. Says "ready" on standard output once they are there.
"""

import fcntl
import heapq
import os
import random
import selectors
import struct
import sys
import time
from typing import Final

from tests.testbed import kernel

_TUNSETIFF: Final = 0x4004_54CA
_TAP_WITHOUT_HEADER: Final = 0x0002 | 0x1000
_FRAME_LIMIT: Final = 65536
_BURST: Final = 64
"""Frames read from one device before the clock and the other one are looked at."""


def open_tap(name: str) -> int:
    """Make a TAP device; it lives as long as the descriptor.

    Source: kernel.org/doc/html/latest/networking/tuntap.html
    """
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22x", name.encode(), _TAP_WITHOUT_HEADER)
    fcntl.ioctl(tap, _TUNSETIFF, request)
    return tap


def carry(near: int, far: int, delay_s: float, jitter_s: float) -> None:
    """Move frames both ways, for ever."""
    selector = selectors.DefaultSelector()
    selector.register(near, selectors.EVENT_READ, far)
    selector.register(far, selectors.EVENT_READ, near)
    waiting: list[tuple[float, int, int, bytes]] = []
    count = 0
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, target, frame = heapq.heappop(waiting)
            _write(target, frame)
        patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for key, _ in selector.select(patience):
            for frame in _read(key.fd):
                count += 1
                due = time.monotonic() + delay_s + random.random() * jitter_s
                heapq.heappush(waiting, (due, count, key.data, frame))


def _read(tap: int) -> list[bytes]:
    frames: list[bytes] = []
    while len(frames) < _BURST:
        try:
            frames.append(os.read(tap, _FRAME_LIMIT))
        except OSError:  # nothing more, or the device is down
            break
    return frames


def _write(tap: int, frame: bytes) -> None:
    try:
        os.write(tap, frame)
    except OSError:  # the other end is down: as on any cable, the frame is lost
        return


def main() -> None:
    """Run until killed; ends with the daemon that started it."""
    kernel.die_with_parent()
    near, far, delay_ms, jitter_ms = sys.argv[1:]
    taps = open_tap(near), open_tap(far)
    print("ready", flush=True)  # noqa: T201
    carry(*taps, float(delay_ms) / 1000, float(jitter_ms) / 1000)


if __name__ == "__main__":
    main()

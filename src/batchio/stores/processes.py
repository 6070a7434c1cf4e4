"""Processes of this computer, so that one that died is known to be gone at once."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def this_process() -> str:
    """Return a name of this process that no other has, ever; "" where the kernel tells none.

    It is made of the boot, the namespace that numbers belong to, the number, and the instant of
    its start: see proc(5), pid_namespaces(7).
    """
    space = _space()
    return f"{space} {os.getpid()} {_started(os.getpid())}" if space else ""


def is_gone(name: str) -> bool:
    """Return whether a process of this computer is known to have ended; of others nobody knows."""
    space, _, process = name.rpartition(" ")[0].rpartition(" ")
    if not space or space != _space() or not process.isdigit():
        return False
    return _started(int(process)) != name.rpartition(" ")[2]


def _space() -> str:
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    return ""


def _started(process: int) -> str:
    """Return when a process was started, in ticks since the boot; "" when there is none."""
    with suppress(OSError):
        said = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
        if said[0] not in (b"Z", b"X"):  # else it has ended, and nobody has asked how
            return said[19].decode()
    return ""

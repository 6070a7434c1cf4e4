"""How a program ended badly, as people write it: exit codes, ranges of them, and signals.

A signal, by its name or as -N, is the 128 + N that a shell reports.
"""

from __future__ import annotations

import re
import signal

from batchio.core.retry import SHELL_SIGNAL_BASE
from batchio.errors import UsageError

_CODE = re.compile(r"(\d{1,3})(?:\s*-\s*(\d{1,3}))?", re.ASCII)


def parse_codes(text: str) -> tuple[tuple[int, int], ...]:
    """Return inclusive ranges of exit codes: "1,130-140,SIGKILL,-9"; rising.

    Raises:
        UsageError: one is neither an exit code of a failure nor a signal.
    """
    ranges = []
    for part in text.split(","):
        match = _CODE.fullmatch(part.strip())
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if number := _signal(part.strip()):
            low = high = SHELL_SIGNAL_BASE + number
        if not 1 <= low <= high <= 255:
            raise UsageError(
                f'"{part.strip()}" is not the exit code of a failure',
                hint="write exit codes from 1 to 255 or signal names, such as 1,130-140,SIGKILL",
            )
        ranges.append((low, high))
    return tuple(sorted(ranges))


def _signal(text: str) -> int | None:
    """Return the number of a signal: SIGKILL, KILL, kill, -9."""
    if text[:1] == "-":
        number = int(text[1:]) if text[1:].isascii() and text[1:].isdigit() else 0
        return number if 0 < number < signal.NSIG else None
    name = text.upper()
    known = signal.Signals.__members__
    found = known.get(name) or known.get(f"SIG{name}")
    return found.value if found else None

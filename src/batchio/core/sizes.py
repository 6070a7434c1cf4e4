"""Sizes, core counts and durations: text to numbers, and numbers to text for people.

Pure arithmetic. Memory and disk are bytes, durations are seconds, cores are a count.
Every error says what was typed; its hint names the accepted forms.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from batchio.errors import UsageError

KIB: Final = 2**10
MIB: Final = 2**20
GIB: Final = 2**30

SIZE_FORMS: Final = "write a size such as 8GiB, 8 GB, 512M, 1.5 TiB or 16GB-32GB"
CPU_FORMS: Final = "write a number of cores such as 4, 0.5 or 4-8"
DISK_FORMS: Final = "write a number of GiB such as 100, or a size such as 100GB"
DURATION_FORMS: Final = (
    "write a duration such as 90s, 30 minutes, 1h30m, 2 days or 1:30:00; a plain number is seconds"
)

DOLLAR_FORMS: Final = "write an amount in US dollars such as 5, 2.50 or $20"

CENTS_FROM: Final = 1.0
"""US dollars from which on parts of a cent are not shown."""

_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:e(\d{1,2}))?\s*([kmgtp]?)(i?)(b?)", re.I)
_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+")
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d{2}(?:\.\d+)?)")
_PART = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]+)\s*(?:,|and\b)?", re.I)
_SECONDS: Final = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
}


class Span(NamedTuple):
    """A requested range: at least `low`, at most `high`; both are equal for an exact request."""

    low: float
    high: float


def parse_bytes(text: str) -> int:
    """Return the number of bytes that "8 GiB", "8GB", "512M" or a plain number stands for.

    KB, MB, GB and K, M, G are powers of 1000; KiB, MiB, GiB powers of 1024.

    Raises:
        UsageError: not a size, or not above zero.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match[4] and not match[3]):
        raise UsageError(f'"{text}" is not a size', hint=SIZE_FORMS)
    base = 1024 if match[4] else 1000
    scale = int(10 ** int(match[2] or 0) * base ** _POWERS[match[3].lower()])
    size = int(match[1]) * scale if match[1].isdigit() else round(float(match[1]) * scale)
    if size <= 0:
        raise UsageError(f'"{text}" must be more than zero', hint=SIZE_FORMS)
    return size


def parse_memory(text: str) -> Span:
    """Return requested memory as a span of bytes: "8GiB" is exact, "16GB-32GB" a range.

    Raises:
        UsageError: not a size, a range that runs backwards, or less than 1 MiB
            (a number without its unit).
    """
    low_text, dash, high_text = text.partition("-")
    if not low_text.strip() or (dash and not high_text.strip()):
        raise UsageError(f'"{text}" is not a size', hint=SIZE_FORMS)
    low = parse_bytes(low_text)
    span = Span(low, parse_bytes(high_text) if dash else low)
    _forwards(text, span)
    if low < MIB:
        raise UsageError(
            f'"{text}" means only {format_bytes(low)}: the unit is missing',
            hint=SIZE_FORMS,
        )
    return span


def parse_cpu(text: str) -> Span:
    """Return requested cores as a span: "4" is exact, "4-8" a range; "0.5" is allowed.

    Raises:
        UsageError: not a number above zero, or a range that runs backwards.
    """
    parts = [part.strip() for part in text.split("-", 1)]
    if not all(_NUMBER.fullmatch(part) for part in parts):
        raise UsageError(f'"{text}" is not a number of cores', hint=CPU_FORMS)
    span = Span(float(parts[0]), float(parts[-1]))
    if span.low <= 0:
        raise UsageError(f'"{text}" must be more than zero', hint=CPU_FORMS)
    _forwards(text, span)
    return span


def parse_disk(text: str) -> int:
    """Return requested disk space in bytes; a plain number is GiB, as in Coiled Batch's docs.

    Raises:
        UsageError: not a size, or not above zero.
    """
    plain = text.strip()
    if _NUMBER.fullmatch(plain):
        plain = f"{plain}GiB"
    try:
        return parse_bytes(plain)
    except UsageError:
        raise UsageError(f'"{text}" is not a disk size', hint=DISK_FORMS) from None


def parse_dollars(text: str) -> float:
    """Return US dollars: "5", "$2.50", "1,200 USD".

    Raises:
        UsageError: it is no such amount.
    """
    plain = text.strip().upper().removeprefix("$").removesuffix("USD").strip().replace(",", "")
    if not _NUMBER.fullmatch(plain):
        raise UsageError(f'"{text}" is not an amount of money', hint=DOLLAR_FORMS)
    return float(plain)


def parse_duration(text: str) -> float:
    """Return the seconds that "90s", "30 minutes", "1h30m", "2 days", "1:30:00" or "600" means.

    Two clock parts are minutes and seconds ("1:30" is 90 s), as Slurm reads them.

    Raises:
        UsageError: not a duration.
    """
    plain = text.strip()
    if _NUMBER.fullmatch(plain):
        return float(plain)
    if clock := _CLOCK.fullmatch(plain):
        hours, minutes, seconds = int(clock[1] or 0), int(clock[2]), float(clock[3])
        if seconds < 60 and (clock[1] is None or minutes < 60):
            return hours * 3600 + minutes * 60 + seconds
    total, at, unit = 0.0, 0, 0.0
    while at < len(plain):
        part = _PART.match(plain, at)
        if part is None or part[2].lower() not in _SECONDS:
            if unit in (3600.0, 60.0) and plain[at:].isdecimal():  # 1h30
                return total + int(plain[at:]) * unit / 60
            break
        unit = _SECONDS[part[2].lower()]
        total += float(part[1]) * unit
        at = part.end()
    if not plain or at < len(plain):
        raise UsageError(f'"{text}" is not a duration', hint=DURATION_FORMS)
    return total


def format_bytes(size: float) -> str:
    """Write a number of bytes for people: "8 GiB" or "32 GB" when exact, else "7.5 GiB"."""
    size = round(size)
    for base, infix in ((1024, "i"), (1000, "")):
        for power, letter in ((5, "P"), (4, "T"), (3, "G"), (2, "M"), (1, "K")):
            count, rest = divmod(size, base**power)
            if rest == 0 and 0 < count < (1024 if letter == "K" else 10_000):
                return f"{count} {letter}{infix}B"
    if size < KIB:
        return f"{size} B"
    for power, letter in ((1, "K"), (2, "M"), (3, "G"), (4, "T"), (5, "P")):
        count = round(size / 1024**power, 1)
        if count < 1024 or letter == "P":
            break
    return f"{count:.1f} {letter}iB"


def format_cpu(cores: float) -> str:
    """Write a number of cores without a needless ".0"."""
    return f"{cores:g}"


def format_dollars(amount: float) -> str:
    """Write US dollars to a cent, and small amounts to a hundredth of one."""
    return f"${amount:,.2f}" if amount >= CENTS_FROM or not amount else f"${amount:.4f}"


def format_duration(seconds: float) -> str:
    """Write a number of seconds for people: "250ms", "3.2s", "1m 05s", "2h 03m", "3d 04h"."""
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if 0 < seconds < 0.9995:
        return f"{max(1, round(seconds * 1000))}ms"
    if seconds < 59.95:
        return f"{round(seconds, 1):g}s"
    whole = round(seconds)
    steps = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))
    size, unit, part, minor = next(step for step in steps if whole >= step[0])
    return f"{whole // size}{unit} {whole % size // part:02d}{minor}"


def _forwards(text: str, span: Span) -> None:
    if span.low > span.high:
        raise UsageError(f'"{text}" is not in rising order', hint="write the smaller number first")

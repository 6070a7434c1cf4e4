"""What `ps` shows of this process: its arguments, which every user of the computer may read.

Linux shows the memory where the arguments were put when the program was started, and that
memory is ours to write (proc(5): `cmdline`, `arg_start`, `arg_end`). Elsewhere, and where it
may not be written, nothing happens.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def show_as(title: str) -> None:
    """Let this process be shown by a title of its own instead of the arguments it inherited."""
    if place := _place():
        start, size = place
        # The last byte stays a NUL: else the kernel shows what lies behind, the environment.
        _write(start, os.fsencode(title)[: size - 1].ljust(size, b"\0"))


def hide_arguments(texts: Iterable[str]) -> None:
    """Show the value of each KEY=VALUE among the arguments of this process as asterisks."""
    secret = {os.fsencode(text) for text in texts if "=" in text}
    if not secret or not (place := _place()):
        return
    at = place[0]
    try:
        with open("/proc/self/cmdline", "rb") as file:
            words = file.read(place[1]).split(b"\0")
    except OSError:
        return
    for word in words:
        for text in secret:
            if word == text or word.endswith(b"=" + text):
                value = len(text) - text.index(b"=") - 1
                _write(at + len(word) - value, b"*" * value)
        at += len(word) + 1


def _place() -> tuple[int, int] | None:
    """Return the address and the size, in bytes, of the arguments; None: nobody tells."""
    try:
        with open("/proc/self/stat", "rb") as file:
            numbers = file.read().rpartition(b")")[2].split()
        start, end = int(numbers[45]), int(numbers[46])  # fields 48 and 49, the state being 3
    except (OSError, IndexError, ValueError):
        return None
    return (start, end - start) if start and end > start else None


def _write(address: int, data: bytes) -> None:
    try:
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(address)
            memory.write(data)
    except OSError:
        pass

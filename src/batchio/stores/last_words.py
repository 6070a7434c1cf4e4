"""Last words on a full disk: 64 KiB kept aside, given up to say why a head stopped.

Everything here blocks, shortly.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

RESERVE_BYTES: Final = 64 * 1024
RESERVE_FILE: Final = "reserve"
STOPPED_FILE: Final = "stopped.txt"


def keep_reserve(folder: Path) -> None:
    """Make the reserve, if there is none and there is room for one.

    Random bytes, so that no file system compresses them away.
    """
    path = folder / RESERVE_FILE
    if not path.exists():
        try:
            path.write_bytes(os.urandom(RESERVE_BYTES))
        except OSError:
            path.unlink(missing_ok=True)


def write_last_words(folder: Path, text: str) -> None:
    """Write why the head stopped before its job was done, giving up the reserve for it.

    Never fails: it is called when everything else has.
    """
    with suppress(OSError):
        (folder / RESERVE_FILE).unlink(missing_ok=True)
        with (folder / STOPPED_FILE).open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())


def read_last_words(folder: Path) -> str | None:
    """What `write_last_words` wrote; None when no head had reason to, or one took over since."""
    try:
        return (folder / STOPPED_FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def clear_last_words(folder: Path) -> None:
    """A new head took over: what the last one said is past."""
    with suppress(OSError):
        (folder / STOPPED_FILE).unlink(missing_ok=True)
    keep_reserve(folder)

"""Last words on a full disk: 64 KiB are reserved, and freed to write why a head stopped.

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
    """Write the reserve file, if there is none and there is room for one.

    Random bytes, so that no file system compresses them away.
    """
    path = folder / RESERVE_FILE
    if not path.exists():
        try:
            path.write_bytes(os.urandom(RESERVE_BYTES))
        except OSError:
            path.unlink(missing_ok=True)


def write_last_words(folder: Path, text: str) -> None:
    """Write why the head stopped before its job was done, after deleting the reserve for it.

    Never raises OSError: it is called when everything else has failed.
    """
    with suppress(OSError):
        (folder / RESERVE_FILE).unlink(missing_ok=True)
        with (folder / STOPPED_FILE).open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())


def read_last_words(folder: Path) -> str | None:
    """Return the text of `write_last_words`; None when there is none since a head took over."""
    try:
        with (folder / STOPPED_FILE).open(encoding="utf-8", errors="replace") as words:
            return words.read(RESERVE_BYTES)
    except OSError:
        return None


def clear_last_words(folder: Path) -> None:
    """Delete the last head's words, and make the reserve anew, as another head took over."""
    with suppress(OSError):
        (folder / STOPPED_FILE).unlink(missing_ok=True)
    keep_reserve(folder)

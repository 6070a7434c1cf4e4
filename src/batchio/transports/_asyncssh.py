"""Import asyncssh without the compiler that it would run, unasked, at each start.

To find two libraries that few computers have (nettle for UMAC, liboqs for a key exchange),
asyncssh calls `ctypes.util.find_library`, which runs `ldconfig`, then `gcc` and `ld` with a
temporary file, a dozen processes in all. Who was killed meanwhile left that file behind.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE: Final = Path("/etc/ld.so.cache")
"""What glibc's loader knows of libraries in the usual folders: ld.so(8)."""


def find_library(name: str) -> str | None:
    """Return the file name of a library as `ctypes.util.find_library` does, from the cache."""
    pattern = rb"[\0/](lib%s\.so[.\d]*)\0" % re.escape(name.encode())
    for found in re.finditer(pattern, CACHE.read_bytes()):
        with contextlib.suppress(OSError):  # for another kind of processor
            ctypes.CDLL(found[1].decode())
            return found[1].decode()
    return None


@contextlib.contextmanager
def _searching_quietly() -> Iterator[None]:
    usual = ctypes.util.find_library
    if os.access(CACHE, os.R_OK):  # not so on macOS, where the usual search runs nothing
        ctypes.util.find_library = find_library
    try:
        yield
    finally:
        ctypes.util.find_library = usual


with _searching_quietly():
    import asyncssh as asyncssh

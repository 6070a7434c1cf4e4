"""Whether the user's Python itself can be moved to another computer, and what of it travels.

That of python-build-standalone, which uv installs, can, and so can that of conda. One that a
distribution or pyenv has built needs libraries of the system.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from batchio.software.elf import linked
from batchio.software.items import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.software.capture import Captured

FOLDER: Final = "python"
"""Folder of an environment for an interpreter that travels."""

LIBC: Final = re.compile(
    r"(ld-linux.*|ld-musl.*|libc|libm|libdl|libpthread|librt|libutil|libresolv|libcrypt|linux-vdso)"
    r"\.so(\..*)?"
)
"""Libraries that every computer of the same kind has."""

_LEFT_OUT: Final = {"site-packages", "dist-packages", "__pycache__", "test", "idlelib", "ensurepip"}


def interpreter_files(captured: Captured) -> list[SourceFile] | None:
    """Return the files of the Python itself, below its prefix; None when it cannot be moved."""
    base = os.path.realpath(captured.base)
    executable = captured.base_executable
    if not executable.startswith(f"{base}/"):
        return None
    files = [executable, *_library(base, captured.library)]
    found: dict[str, str] = {}
    modules = [path for path in files if ".so" in os.path.basename(path)]
    waiting = [executable, *modules]  # what the executable has loaded is there for its modules
    while waiting:
        path = waiting.pop(0)
        needs = linked(path)
        for name in needs.needed if needs else ():
            if LIBC.fullmatch(name) or name in found:
                continue
            inside = os.path.join(base, "lib", name)
            if not os.path.exists(inside) or not (needs and needs.beside):
                return None
            found[name] = inside
            waiting.insert(0, inside)
    return [_file(base, path) for path in sorted({*files, *found.values()})]


def _library(base: str, library: str) -> Iterator[str]:
    for folder, below, names in os.walk(os.path.join(base, "lib", library)):
        below[:] = [
            name for name in below if name not in _LEFT_OUT and not name.startswith("config-")
        ]
        yield from (os.path.join(folder, name) for name in names)


def _file(base: str, path: str) -> SourceFile:
    found = os.stat(path)
    arrival = os.path.relpath(path, base)
    return SourceFile(arrival, path, found.st_size, found.st_mtime_ns, bool(found.st_mode & 0o111))

"""Saving a report: whole or not at all, and never over a file that nobody gave up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from batchio.core.visible import visible
from batchio.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def check(target: Path, *, force: bool) -> None:
    """Make sure, before the work, that a file can be written there.

    Raises:
        UsageError: it cannot, or something is there and `force` is not given.
    """
    shown = visible(str(target))
    if target.is_dir():
        raise UsageError(f"{shown} is a folder", hint=f"name a file: {shown}/report.html")
    if target.exists() and not target.is_file():
        raise UsageError(f"{shown} is no file", hint="name a file: report.html")
    if target.exists() and not force:
        raise UsageError(f"{shown} is there already", hint="--force writes over it")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {visible(str(target.parent))} to write {shown} into")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise UsageError(f"{shown} cannot be written: permission denied")


def save(text: str, target: Path, *, force: bool) -> None:
    """Write a page as UTF-8, whole or not at all.

    Raises:
        UsageError: it cannot be written, or somebody has made the file meanwhile.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        part.write_bytes(text.encode("utf-8", "replace"))
        if force:
            part.replace(target)
        else:
            os.link(part, target)  # fails when somebody else has made it meanwhile
            part.unlink()
    except OSError as err:
        part.unlink(missing_ok=True)
        shown = visible(str(target))
        raise UsageError(f"{shown} cannot be written: {err.strerror or err}") from None

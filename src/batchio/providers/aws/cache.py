"""What AWS said lately, kept below the user's cache folder. A file that is torn is asked anew."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def path_of(name: str) -> Path:
    """Return where something of that name is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "batchio" / name


def age_of(name: str) -> float | None:
    """Return the seconds since it was kept; None when it is not there."""
    try:
        return max(time.time() - path_of(name).stat().st_mtime, 0.0)
    except OSError:
        return None


def read(name: str, layout: int, most_s: float) -> dict[str, Any] | None:
    """Return what was kept; None when it is older than `most_s`, torn, or of another layout."""
    age = age_of(name)
    if age is None or age > most_s:
        return None
    try:
        found = json.loads(path_of(name).read_bytes())
        return found if isinstance(found, dict) and found.get("layout") == layout else None
    except (OSError, ValueError):
        return None


def write(name: str, layout: int, known: Mapping[str, Any]) -> None:
    """Keep what was asked; where that cannot be, it is asked again the next time."""
    path = path_of(name)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps({"layout": layout, **known}))
        fresh.replace(path)

"""How busy the nodes are, from their heartbeats: a file in the job's folder, for onlookers.

Never journaled and never right for long: only the newest heartbeat of each node.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

LOADS_FILE: Final = "loads.json"
WRITE_EVERY_S: Final = 2.0
"""Seconds between two writes, at least: a thousand nodes beat every five."""


class Loads:
    """Collects heartbeats, and writes them now and then."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / LOADS_FILE
        self._newest: dict[int, dict[str, Any]] = {}
        self._written = 0.0

    def heard(self, node: int, now: float, stats: dict[str, Any]) -> None:
        """A node's heartbeat; `now` is Unix seconds."""
        self._newest[node] = {**stats, "at": now}
        if now >= self._written + WRITE_EVERY_S:
            self._written = now
            draft = self._file.with_suffix(".part")
            with suppress(OSError):  # onlookers see less; the job goes on
                draft.write_text(json.dumps(self._newest))
                draft.replace(self._file)


def read_loads(folder: Path) -> dict[int, dict[str, Any]]:
    """The newest heartbeats, by node: `load`, `disk_free` in bytes, `at`, …; may be empty."""
    try:
        found = json.loads((folder / LOADS_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return {int(node): stats for node, stats in found.items()}

"""What people who look on may know of a running job: files in its folder, a fact a node.

Never journaled and never right for long: only the newest fact of each node.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.ports import Clock, Timer

LOADS: Final = "loads.json"
"""How busy nodes are, from their heartbeats: `load`, `disk_free` in bytes, …"""

PREPARING: Final = "preparing.json"
"""What nodes do before they are ready: bytes of the job's files that one has, and all of
them, `[sent, size]`; then a text."""

EVERY_S: Final = {LOADS: 2.0, PREPARING: 0.25}
"""Seconds between two writes, at least: a thousand nodes beat every five."""


class LiveStatus:
    """One such file, and what shall stand in it."""

    def __init__(self, folder: Path, name: str, clock: Clock) -> None:
        self._file = folder / name
        self._clock = clock
        self._every = EVERY_S[name]
        self._newest: dict[int, Any] = {}
        self._written = 0.0
        self._next: Timer | None = None

    def show(self, node: int, fact: Any) -> None:
        """The newest of a node; seen soon, with what others have to show meanwhile."""
        self._newest[node] = fact
        if self._next is None:
            now = self._clock.now()
            self._next = self._clock.call_at(max(now, self._written + self._every), self._write)

    def _write(self) -> None:
        self._next, self._written = None, self._clock.now()
        draft = self._file.with_suffix(".part")
        with suppress(OSError):  # onlookers see less; the job goes on
            draft.write_text(json.dumps(self._newest))
            draft.replace(self._file)


def read_live_status(folder: Path, name: str) -> dict[int, Any]:
    """The newest facts, by node; may be empty."""
    try:
        found = json.loads((folder / name).read_bytes())
    except (OSError, ValueError):
        return {}
    return {int(node): fact for node, fact in found.items()}

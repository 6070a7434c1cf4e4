"""A job's state from its journal: the newest snapshot, and what came after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio.core.machine import Machine
from batchio.core.snapshot import load
from batchio.errors import IllegalEvent, JournalCorrupt

if TYPE_CHECKING:
    from batchio.core.events import Event
    from batchio.ports import JournalReader


class Fold:
    """A machine that keeps up with a journal. Blocking; call it in a thread."""

    def __init__(self, past: JournalReader) -> None:
        self._past = past
        self.machine = Machine()
        self.position = 0
        kept = past.snapshot()
        if kept is not None and (machine := load(kept[1])) is not None:
            self.position, self.machine = kept[0], machine

    def catch_up(self) -> list[Event]:
        """Fold what is new, and return it.

        Raises:
            JournalCorrupt: an event cannot be read, or cannot have happened.
        """
        news = []
        for position, event in self._past.events(self.position):
            try:
                self.machine.apply(event)
            except IllegalEvent as err:
                raise JournalCorrupt(f"journal record {position}: {err}") from err
            self.position = position
            news.append(event)
        self.machine.recovered()
        return news

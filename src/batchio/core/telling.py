"""Telling, as it happens, what people must know of a job: each concern and each note once. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.core.concerns import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.core.views import JobHeader

MOST_TOLD: Final = 10
"""Concerns of one kind that are told with a line each; of more only the number is told."""


class Teller:
    """Who tells each concern of a job once, with a line; and each note.

    Args:
        tell: Gets each line.
        known: The job as it was when somebody began to look; its older notes are not news.
    """

    def __init__(self, tell: Callable[[str], None], known: JobHeader) -> None:
        self._tell = tell
        self._told = set[tuple[str, str]]()
        self._kinds: dict[str, int] = {}
        self._notes = len(known.notes)

    def look(self, view: JobHeader) -> None:
        """Tell what is new about the job."""
        for concern in view.concerns:
            key = concern.kind, concern.name
            if key in self._told or concern.kind == Kind.FEWER:  # said before there was a job
                continue
            self._told.add(key)
            number = self._kinds[concern.kind] = self._kinds.get(concern.kind, 0) + 1
            if number <= MOST_TOLD:
                self._tell(concern.text)
            elif number == MOST_TOLD + 1:
                self._tell(f"the same holds for more nodes; see: batchio status {view.id}")
        known = {text for _, text in view.notes[: self._notes]}
        known |= {concern.why for concern in view.concerns}
        for text in dict.fromkeys(text for _, text in view.notes[self._notes :]):
            if known.isdisjoint((text, text.partition(": ")[2])):
                self._tell(text)
        self._notes = max(self._notes, len(view.notes))

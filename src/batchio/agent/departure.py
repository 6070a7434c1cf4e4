"""Whether the agent is to end, and what it still waits for."""

from __future__ import annotations


class Departure:
    """The end of the agent: wanted by the head's `bye`, by a signal, or because no head came."""

    def __init__(self) -> None:
        self.wanted = False
        self.keep = True  # the home
        self.forced = False  # do not wait for anybody
        self.by = 0.0  # helpers have time until then

    def ask(self, keep: bool, by: float) -> None:
        self.wanted, self.keep, self.by = True, keep, by

    def force(self) -> None:
        self.wanted = self.forced = True

    def due(self, now: float, running: bool, cleaning: bool) -> bool:
        """Return whether it is time to end."""
        return self.wanted and (self.forced or not (running or (cleaning and now < self.by)))

"""Patience with a store that does not answer, for those who follow a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchio.errors import JournalDown
    from batchio.ports import Waiting

PATIENCE_S: Final = 600.0
"""Seconds for which a store may not answer before following a job ends with an error."""


class Patience:
    """How long a store has not answered by now."""

    def __init__(self, clock: Waiting) -> None:
        self._clock = clock
        self._since: float | None = None

    def answered(self) -> None:
        """Note that the store has answered."""
        self._since = None

    def bear(self, error: JournalDown) -> None:
        """Note that the store does not answer.

        Raises:
            JournalDown: `error`, when that has been so for PATIENCE_S seconds.
        """
        now = self._clock.now()
        self._since = now if self._since is None else self._since
        if now - self._since >= PATIENCE_S:
            raise error

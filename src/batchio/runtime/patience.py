"""Patience with a store that does not answer, for those who follow a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.errors import JournalDown

if TYPE_CHECKING:
    from batchio.ports import Waiting

PATIENCE_S: Final = 600.0
"""Seconds for which a store may not answer before following a job ends with an error."""


class Patience:
    """Context of what is asked of a store: swallows that it does not answer, for a while.

    Raises:
        JournalDown: it has not answered for PATIENCE_S seconds.
    """

    def __init__(self, clock: Waiting) -> None:
        self._clock = clock
        self.since: float | None = None
        """Unix seconds since when it has not answered; None: it answers."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, JournalDown):
            self.since = None
            return False
        now = self._clock.now()
        self.since = now if self.since is None else self.since
        return now - self.since < PATIENCE_S

"""What all views of a job have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from batchio_tui.paint import Painted

if TYPE_CHECKING:
    from batchio.api import Change, Live


class View(Painted):
    """One side of a job. It is told of changes while it is seen, and catches up when it is not."""

    class Renewed(Message):
        """What is said about the view has changed beside the keys."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.live: Live | None = None
        self.stale = False
        """Whether something changed while it was not seen."""

    @property
    def about(self) -> str:
        """What is shown of how much; "" for all of it."""
        return ""

    def follow(self, live: Live) -> None:
        """Show this job from here on."""
        self.live = live

    def renew(self, change: Change | None) -> None:
        """Show what has changed; None: all of it."""
        self.repaint()

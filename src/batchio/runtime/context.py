"""What everything that runs for one job shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchio.core import events as ev

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchio.core.spec import JobSpec
    from batchio.ports import Clock
    from batchio.runtime.renting import Renting


@dataclass(frozen=True, slots=True)
class JobContext:
    """One job under one head: what was asked for, by whom it is led, where news go."""

    spec: JobSpec
    job: str
    """Its id."""
    epoch: int
    """How many heads the job has had; agents obey the newest."""
    provider: Renting
    clock: Clock
    post: Callable[[ev.Event], None]
    secrets: Mapping[str, str]
    """Values for the tasks' environment; they stay in memory."""

    def note(self, text: str) -> None:
        """Leave a line for the people who look on."""
        self.post(ev.Noted(self.clock.now(), text))

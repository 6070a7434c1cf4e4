"""The context that all parts of one job's head share."""

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
    """One job under one head: its spec, its head's epoch, and where to post events."""

    spec: JobSpec
    job: str
    """The job's id."""
    epoch: int
    """Number of heads the job has had; agents obey the newest."""
    provider: Renting
    clock: Clock
    post: Callable[[ev.Event], None]
    secrets: Mapping[str, str]
    """Secret values for the tasks' environment; they stay in memory."""

    def note(self, text: str, waits: bool | None = None, node: int = -1) -> None:
        """Post a note for people; `waits` and `node` as `Noted` has them."""
        self.post(ev.Noted(self.clock.now(), text, waits, node))

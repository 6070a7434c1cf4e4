"""Whole jobs under the real head, on scripted nodes, in made-up time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from batchio.runtime.head import lead
from batchio.testing import Attempt, Ends, FakeClock, MemoryWorkspace, ScriptedProvider
from tests.mortal import MortalStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchio.core import events as ev
    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec
    from batchio.core.task import Outcome

LONGEST_S = 1000
"""Made-up seconds that no job here takes: one that never ends fails its test."""


class Job:
    """One job, its clock, its nodes, and its heads."""

    def __init__(
        self,
        root: Path,
        job: JobSpec,
        script: Callable[[Attempt], Ends] = lambda _: Ends(),
        **nodes: Any,
    ) -> None:
        self.clock = FakeClock()
        self.provider = ScriptedProvider(self.clock, script, **nodes)
        self.workspace = MemoryWorkspace(root)
        self.id = self.workspace.submit(job, self.clock.now())
        self.store = MortalStore(self.workspace.job(self.id))
        self.past = self.workspace.job(self.id).reader()
        self.asked = 0
        """How often a head wanted a provider."""

    def lead(self, *deeds: tuple[float, Callable[[], object]], limit: float = LONGEST_S) -> Outcome:
        """Be its head until it ends; meanwhile, so many seconds from now, do deeds."""

        async def scene() -> Outcome:
            for seconds, deed in deeds:
                self.clock.call_at(self.clock.now() + seconds, deed)
            async with asyncio.timeout(limit):
                return await lead(self.store.store, self._lender, clock=self.clock)

        return self.clock.run(scene())

    def _lender(self, spec: JobSpec) -> ScriptedProvider:
        self.asked += 1
        return self.provider

    @property
    def machine(self) -> Machine:
        return self.workspace.machine(self.id)

    def journaled(self, kind: type[ev.Event]) -> list[Any]:
        return [event for _, event in self.past.events() if isinstance(event, kind)]

    def ask(self, **request: Any) -> None:
        self.store.ask(request)

    @property
    def waiting(self) -> bool:
        return bool(self.store.asked())


def runs(job: Job) -> list[tuple[int, int]]:
    """Every attempt that was ever begun."""
    return sorted((attempt.task, attempt.number) for attempt in job.provider.began)

"""Whole jobs under the real head, on scripted nodes, in made-up time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from batchio.runtime.head import lead
from batchio.testing import (
    Attempt,
    Ends,
    FakeClock,
    MemoryJournal,
    MemoryPast,
    MemoryWorkspace,
    ScriptedProvider,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from batchio.core import events as ev
    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec
    from batchio.core.task import Outcome

LONGEST_S = 1000
"""Made-up seconds that no job here takes: one that never ends fails its test."""


class Crash(Exception):
    """The head is dead."""


class MortalJournal(MemoryJournal):
    """Its head dies at one write, just before it or just after."""

    def __init__(self, past: MemoryPast, workspace: MortalWorkspace) -> None:
        super().__init__(past)
        self._workspace = workspace

    async def append(self, events: Sequence[str]) -> None:
        workspace = self._workspace
        workspace.writes += 1
        fatal = workspace.fatal is not None and workspace.fatal(workspace.writes, events)
        if fatal and not workspace.written:
            raise Crash
        await super().append(events)
        if fatal:
            raise Crash


class MortalWorkspace(MemoryWorkspace):
    """Its heads die at the writes that are `fatal`."""

    fatal: Callable[[int, Sequence[str]], bool] | None = None
    written = True
    writes = 0

    def take(self, job: str) -> MemoryJournal:  # type: ignore[override]
        return MortalJournal(self.reader(job), self)


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
        self.workspace = MortalWorkspace(root)
        self.id = self.workspace.submit(job, self.clock.now())
        self.past = self.workspace.reader(self.id)
        self.asked = 0
        """How often a head wanted a provider."""

    def lead(self, *deeds: tuple[float, Callable[[], object]]) -> Outcome:
        """Be its head until it ends; meanwhile, so many seconds from now, do deeds."""

        async def scene() -> Outcome:
            for seconds, deed in deeds:
                self.clock.call_at(self.clock.now() + seconds, deed)
            async with asyncio.timeout(LONGEST_S):
                return await lead(self.workspace, self.id, self._lender, clock=self.clock)

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
        self.workspace.inbox(self.id).post(request)

    @property
    def waiting(self) -> bool:
        return self.workspace.inbox(self.id).waiting()


def runs(job: Job) -> list[tuple[int, int]]:
    """Every attempt that was ever begun."""
    return sorted((attempt.task, attempt.number) for attempt in job.provider.began)

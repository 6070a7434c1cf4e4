"""Fakes for tests, yours and ours: made-up time, journals in memory, nodes that follow a script.

They are held to the same contract suites as the real adapters (tests/contracts,
tests/runtime). No process is started and no second is waited for. Nothing else in batchio
imports this.
"""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from batchio.runtime.head import lead
from batchio.testing.agents import Attempt, Ends
from batchio.testing.clock import FakeClock
from batchio.testing.journal import MemoryEvents, MemoryJournal
from batchio.testing.memory import MemoryInputs, MemoryJobStore, MemoryWorkspace
from batchio.testing.memory_logs import MemoryLogs
from batchio.testing.nodes import ScriptedNode, ScriptedProvider, ScriptedTransport
from batchio.testing.parts import MemoryParts

if TYPE_CHECKING:
    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec

__all__ = [
    "Attempt",
    "Ends",
    "FakeClock",
    "MemoryEvents",
    "MemoryInputs",
    "MemoryJobStore",
    "MemoryJournal",
    "MemoryLogs",
    "MemoryParts",
    "MemoryWorkspace",
    "ScriptedNode",
    "ScriptedProvider",
    "ScriptedTransport",
    "run_scripted",
]


async def run_scripted(spec: JobSpec, provider: ScriptedProvider) -> Machine:
    """Run a whole job on scripted nodes, under the real head, and return how it ended.

    Raises:
        Exception: as `runtime.head.lead`.
    """
    with TemporaryDirectory(prefix="batchio-") as folder:
        workspace = MemoryWorkspace(folder)
        job = workspace.submit(spec, provider.clock.now())
        await lead(workspace.job(job), lambda _: provider, clock=provider.clock)
        return workspace.machine(job)

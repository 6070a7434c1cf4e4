"""Brings what attempts left behind, and goes on where it stopped when a node is heard again."""

from __future__ import annotations

import asyncio
import tarfile
from typing import TYPE_CHECKING, Final

from batchio.core import events as ev
from batchio.errors import Unreachable
from batchio.runtime.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchio.core.machine import Machine
    from batchio.runtime.conversation import Desk
    from batchio.runtime.session import Session

FETCHES: Final = 8
"""Attempts whose outputs are on the way at the same time."""


class Collector:
    """Outputs of a job's attempts, as far as they have come.

    Args:
        machine: Read only here: what tasks and nodes are called.
        root: Where outputs go, below the id of their task.
        session: Who speaks with a node.
    """

    def __init__(
        self, desk: Desk, machine: Machine, root: Path, session: Callable[[int], Session | None]
    ) -> None:
        self._desk = desk
        self._machine = machine
        self._root = root
        self._session = session
        self._fetching = asyncio.Semaphore(FETCHES)
        self._coming: dict[tuple[int, int], Outputs] = {}

    async def collect(self, node: int, task: int, attempt: int) -> None:
        """Bring an attempt's outputs; when the node breaks meanwhile, it is asked again.

        The machine may ask twice, around a connection that is new; once they are here,
        who waited for that has nothing to do.
        """
        key = task, attempt
        outputs = self._coming.setdefault(key, Outputs(node, self._root / self._id(task)))
        async with outputs.turn, self._fetching:
            if self._coming.get(key) is outputs:
                why = await self._bring(outputs, task, attempt)
                if why is not None:
                    self._coming.pop(key, None)
                    collected = [[task, attempt]]
                    self._desk.post(ev.TasksCollected(self._now(), node, collected, why))
            if self._coming.get(key) is not outputs:
                await outputs.clear()

    async def forget(self, node: int) -> None:
        """The node is given up, and with it what has not come from there."""
        for key, outputs in list(self._coming.items()):
            if outputs.node == node:
                del self._coming[key]
                if not outputs.turn.locked():  # else whoever is at it will see
                    await outputs.clear()

    def stop(self) -> None:
        """The head is over; the next one begins anew."""
        for outputs in self._coming.values():
            outputs.stop()

    async def _bring(self, outputs: Outputs, task: int, attempt: int) -> str | None:
        """Why they could not be saved, or ""; None when nobody is there to send the rest."""
        session = self._session(outputs.node)
        if session and outputs.size and outputs.agent != session.agent:
            await self._begin_again(outputs, task, "the agent was restarted")
        while True:
            begun = outputs.size > 0
            stream = session.fetch(task, attempt, outputs.size) if session else None
            if session is None or stream is None:
                return None
            outputs.agent = session.agent
            try:
                if await outputs.take(stream):
                    await self._place(outputs)
                    return ""
                why = "they did not arrive as they were sent"
            except Unreachable:
                return None
            except tarfile.TarError as err:
                why = str(err)
            except OSError as err:
                return _unsaved(err)
            finally:
                stream.drop()
            if not begun:
                return _unsaved(why)
            await self._begin_again(outputs, task, "they are not what they were before")

    async def _begin_again(self, outputs: Outputs, task: int, why: str) -> None:
        """What came over an earlier connection is of no use for the rest."""
        self._desk.note(f"the outputs of task {self._id(task)} are sent from the beginning: {why}")
        await outputs.clear()

    async def _place(self, outputs: Outputs) -> None:
        for path in await outputs.place(self._machine.running_job.submitted):
            self._desk.note(f"{path} was newer than the job; it is now {path}~")

    def _id(self, task: int) -> str:
        return str(self._desk.spec.tasks.at(task))

    def _now(self) -> float:
        return self._desk.clock.now()


def _unsaved(why: object) -> str:
    return f"its outputs could not be saved: {why}"

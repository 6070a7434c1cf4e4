"""Bringing attempts' output files to where they are kept; it resumes when a connection is back.

Where a node can keep them itself, it does; else they come through this computer. Files that
cannot be kept are no fault of the node or of the task: they stay on the node and are asked for
again, until there is room or a user gives them up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Final

from batchio.core import events as ev
from batchio.errors import Unreachable
from batchio.runtime.conversation import CLOCK_OFF_S
from batchio.runtime.outputs import Outputs
from batchio.runtime.placing import Refused, Unsaved
from batchio.runtime.untar import Garbled
from batchio.runtime.upload import Unstorable

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.core.machine import Machine
    from batchio.runtime.context import JobContext
    from batchio.runtime.outputs import Destination
    from batchio.runtime.session import Session

logger = logging.getLogger(__name__)

FETCHES: Final = 8
"""Number of attempts whose outputs are downloaded at the same time."""

AGAIN_S: Final = (1, 2, 4, 8, 16, 30)
"""Seconds before the next try when this computer could not keep files; the last one repeats."""

AT_ONE_NODE: Final = 4
"""Number of attempts whose outputs a node keeps itself at the same time, as it has couriers."""

UNABLE_S: Final = 600.0
"""Seconds for which a node that could not keep outputs itself is not asked to."""

NAMED: Final = 3
"""Number of files of one attempt that notes name."""

End = tuple[str, str]
"""Why outputs were not saved, and the `blame` of `TasksCollected`."""
SAVED: Final = ("", "")


class Collector:
    """The downloads of a job's output files.

    Args:
        machine: Only read here: ids of tasks, and which are being stopped.
        destination: Where outputs go.
        session: Returns the session with a node; None when there is none.
    """

    def __init__(
        self,
        job: JobContext,
        machine: Machine,
        destination: Destination,
        session: Callable[[int], Session | None],
    ) -> None:
        self._job = job
        self._machine = machine
        self._destination = destination
        self._session = session
        self._fetching = asyncio.Semaphore(FETCHES)
        self._coming: dict[tuple[int, int], Outputs] = {}
        self._storing: defaultdict[int, asyncio.Semaphore] = defaultdict(
            partial(asyncio.Semaphore, AT_ONE_NODE)
        )
        self._unable: dict[int, float] = {}
        """Until when a node is not asked to keep outputs itself."""
        self._said = False
        """Whether a note said that outputs cannot be kept, and none was kept since."""

    async def download(self, node: int, task: int, attempt: int) -> None:
        """Download an attempt's output files and post `TasksCollected`.

        When the connection breaks meanwhile, the machine asks again on the next one. It may ask
        twice; then the second call waits for the first one and finds nothing to do.
        """
        key = task, attempt
        outputs = Outputs(node, self._destination, self._id(task), key)
        outputs = self._coming.setdefault(key, outputs)
        async with outputs.turn:
            end = await self._end(outputs) if self._is_wanted(outputs) else None
            if end is not None and self._is_wanted(outputs):
                del self._coming[key]
                # Cleared before it is said: a head that dies between leaves nothing behind.
                await outputs.clear()
                self._job.post(ev.TasksCollected(self._now(), node, [[task, attempt]], *end))
            elif not self._is_wanted(outputs):
                await outputs.clear()

    async def forget(self, node: int) -> None:
        """Give up the downloads from a node that is given back, and remove their parts."""
        for key, outputs in list(self._coming.items()):
            if outputs.node == node:
                del self._coming[key]
                if not outputs.turn.locked():  # else whoever is at it will see
                    await outputs.clear()

    def stop(self) -> None:
        """Stop all downloads, as the head ends; the next head begins them anew."""
        for outputs in self._coming.values():
            outputs.stop()
        if self._coming:
            self._destination.sweep()

    def _is_wanted(self, outputs: Outputs) -> bool:
        return self._coming.get(outputs.key) is outputs

    async def _end(self, outputs: Outputs) -> End | None:
        """Download outputs, again as long as only this computer cannot keep them.

        Return why they were not saved, SAVED, or None when the connection ended.
        """
        tries = 0
        while self._is_wanted(outputs):
            try:
                if tries:
                    await outputs.look()
                if why := await self._lost(outputs):
                    return _unsaved(why)
                if await self._kept_by_node(outputs):
                    return SAVED
                async with self._fetching:
                    return await self._bring(outputs)
            except Unreachable:
                return None
            except Refused as err:
                return f"its output files were refused: {err}", ev.TASK
            except Unsaved as err:
                if await self._given_up(outputs, str(err), AGAIN_S[min(tries, len(AGAIN_S) - 1)]):
                    return _unsaved(err)
            except Exception as err:  # a fault of ours: it costs this attempt, and not the head
                logger.exception("outputs of task %d", self._id(outputs.key[0]))
                return _unsaved(f"batchio failed ({type(err).__name__}: {err})")
            tries += 1
        return None

    async def _lost(self, outputs: Outputs) -> str:
        """Return what a node has lost of an attempt's outputs; "" when all of it is there.

        Only one whose agent was restarted since is asked: after a reboot a disk in memory is
        empty, and after a power cut files are cut short that were not written down yet.

        Raises:
            Unreachable: the connection ended before the end.
        """
        node, tasks, task = self._machine.nodes[outputs.node], self._machine.tasks, outputs.key[0]
        if tasks.ended[task] > node.restarted + CLOCK_OFF_S:
            return ""
        session = self._session(outputs.node)
        upload = session.upload(*outputs.key) if session else None
        if upload is None:
            raise Unreachable("there is no connection")
        try:
            found = await upload.outputs()
        except Unstorable:
            return ""  # who asks for them will be told why
        told = tasks.files[task], tasks.coming.get(task, 0)
        has = len(found), sum(size or 0 for _, size in found)
        if has[0] < told[0]:
            return f"{node.name} had {has[0]} of {told[0]} when its agent was restarted"
        if has[1] < told[1]:
            return f"{node.name} had {has[1]} of {told[1]} bytes when its agent was restarted"
        return ""

    async def _kept_by_node(self, outputs: Outputs) -> bool:
        """Have the node keep outputs itself; return False when they have to come through here.

        Raises:
            Unreachable: the connection ended before the end.
            Refused, Unsaved: as `Destination.store`.
        """
        node, task = outputs.node, outputs.task
        direct = self._destination.direct and self._now() >= self._unable.get(node, 0.0)
        if not direct or outputs.through_here:
            return False
        async with self._storing[node]:
            session = self._session(node)
            upload = session.upload(*outputs.key) if session else None
            if upload is None:
                raise Unreachable("there is no connection")
            try:
                lacking = await self._destination.store(upload, task, outputs.key[1])
            except Unstorable as err:
                outputs.through_here = True
                if err.lasting:
                    self._unable[node] = self._now() + UNABLE_S
                name = self._machine.nodes[node].name
                self._job.note(f"{name}: outputs come through the head instead: {err}")
                return False
        self._tell(task, lacking)
        return True

    async def _bring(self, outputs: Outputs) -> End | None:
        """Download all outputs once; return None when the connection ended before the end.

        Raises:
            Refused, Unsaved: as `Outputs.receive`.
        """
        task, attempt = outputs.key
        session = self._session(outputs.node)
        if session and outputs.size and outputs.agent != session.agent:
            await self._begin_again(outputs, task, "the agent was restarted")
        while True:
            begun = outputs.size > 0
            stream = session.fetch(task, attempt, outputs.size) if session else None
            if session is None or stream is None:
                return None
            outputs.agent, outputs.stream = session.agent, stream
            try:
                if await outputs.receive(stream):
                    await self._place(outputs)
                    return SAVED
                why = "they were damaged on the way"
            except Unreachable:
                return None
            except Garbled as err:
                why = str(err)
            finally:
                stream.drop()
            if not begun:
                return _unsaved(why)
            await self._begin_again(outputs, task, "they have changed since")

    async def _given_up(self, outputs: Outputs, why: str, pause: float) -> bool:
        """Wait before outputs are asked for again; return True when the task is to end instead."""
        if not (self._said or outputs.said):
            self._said = outputs.said = True
            self._job.note(
                f"output files cannot be saved in {self._destination.where}: {why}; they stay on "
                f"their nodes, and batchio tries again; to give them up: batchio cancel "
                f"{self._job.job}",
                waits=True,
            )
        await outputs.clear()
        until = self._now() + pause
        while self._is_wanted(outputs):
            if self._now() >= until and (outputs.stream is None or outputs.stream.ended):
                return False
            if self._machine.tasks.stopping[outputs.key[0]]:
                return True
            await self._job.clock.sleep(1.0)
        return False

    async def _begin_again(self, outputs: Outputs, task: int, why: str) -> None:
        """Remove what has arrived, and wait until no more of it comes, to begin from byte 0."""
        self._job.note(f"the output files of task {self._id(task)} are sent again: {why}")
        await outputs.clear()
        while outputs.stream and not outputs.stream.ended:
            await self._job.clock.sleep(0.1)

    async def _place(self, outputs: Outputs) -> None:
        said = await outputs.place(self._machine.running_job.submitted)
        if self._said:
            self._job.note(
                f"output files are saved in {self._destination.where} again", waits=False
            )
        self._said = False
        self._tell(outputs.task, said)

    def _tell(self, task: int, said: list[str]) -> None:
        """Note what is to be said about files of a task, or about the first few of them."""
        for sentence in said[:NAMED]:
            self._job.note(sentence)
        if more := len(said[NAMED:]):
            self._job.note(f"the same of {more} more files of task {task}")

    def _id(self, task: int) -> int:
        return self._job.spec.tasks.at(task)

    def _now(self) -> float:
        return self._job.clock.now()


def _unsaved(why: object) -> End:
    return f"its output files could not be saved: {why}", ""

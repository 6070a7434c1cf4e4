"""The head's side of one node: reach it, talk to its agent, reach it again, take leave.

A session never decides and never touches the machine: what it learns it posts as events.
docs/design/faults.md says what becomes of each fault.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from batchio.core import events as ev
from batchio.core.node import SILENT_CLEANUP_LIMIT_S
from batchio.core.plan import Offer, slots_for
from batchio.errors import BatchioError, NodeError, NotAuthorised, Unfit, Unreachable
from batchio.runtime.bootstrap import bootstrap, remove
from batchio.runtime.conversation import Conversation, Desk, Fetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batchio.ports import ByteReader, ByteWriter, LogSink, Transport

FIRST_TRIES: Final = 3
"""Attempts to reach a node that has never greeted, before it is given up."""

BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before the next attempt to connect; the last one repeats."""

ANSWER_LIMIT_S: Final = 60.0
"""Seconds an agent may take to stop its tasks and say good-bye, beyond their grace."""

HOPELESS: Final = (NotAuthorised, Unfit)
"""Of a node on which no agent can run, whenever it is asked."""

BROKEN: Final = (OSError, asyncio.IncompleteReadError, TimeoutError)
"""How a connection breaks, beside `Unreachable`."""


class Session:
    """One node, from the first attempt to reach it until nothing of ours is there.

    Args:
        instance: The agent that is known already, when an earlier head has had the node.
        socket: Where that one listens.
        touched: Whether something of ours may be there already.
    """

    def __init__(
        self,
        desk: Desk,
        node: int,
        offer: Offer,
        handle: str,
        instance: str,
        sink: LogSink,
        *,
        socket: str = "",
        touched: bool = False,
    ) -> None:
        self._desk = desk
        self._node = node
        self._offer = offer
        self._handle = handle
        self._instance = instance
        self._socket = socket
        self._python = ""
        self._sink = sink
        self._talk: Conversation | None = None
        self.work: asyncio.Task[None] | None = None
        """The task in which `run` goes on; `leave` ends it."""
        self._touched = touched or bool(instance)
        self._failures = 0
        """Attempts in a row that led to no conversation."""
        self._broken_at = 0.0
        """When the connection broke; 0 while there is one."""
        self._hangs = False
        """The node was reached, and its agent did not answer."""
        self._parting = asyncio.Event()
        self._parted = False
        self._keep = False
        self._left = ""

    @property
    def home(self) -> str:
        """Name of the agent's home on the node."""
        return f"{self._desk.job}.{self._node}"

    @property
    def agent(self) -> str:
        """Which agent is there, by its instance; "" when none is known."""
        return self._instance

    # --- telling: dropped when nobody is there to hear it ----------------------

    def tell(self, message: list[Any]) -> None:
        """Send one message."""
        if self._talk is not None:
            self._talk.tell(message)

    def start(self, items: list[list[Any]]) -> None:
        """Queue attempts."""
        if self._talk is not None:
            self._talk.start(items)

    def fetch(self, task: int, attempt: int, known: int) -> Fetch | None:
        """Ask for an attempt's outputs from byte `known` on; None when nobody is there."""
        return None if self._talk is None else self._talk.fetch(task, attempt, known)

    # --- staying connected -----------------------------------------------------

    async def run(self) -> None:
        """Keep the node connected until `leave`; posts what happens to it."""
        said = ""
        while not self._parting.is_set():
            why = await self._try()
            if self._parting.is_set() or not why:
                return
            self._failures += 1
            self._broken_at = self._broken_at or self._now()
            if self._instance:
                if why != said:
                    said = why
                    self._desk.post(ev.NodeSilent(self._now(), self._node, why))
            elif self._failures >= FIRST_TRIES:
                self._lost(why, final=False)
                return
            await self._pause()

    async def _try(self) -> str:
        """One visit; why it ended, or "" when there shall be no other."""
        try:
            await self._visit()
        except (Unreachable, *BROKEN) as err:
            self._hangs = isinstance(err, TimeoutError)
            return _broke(err)
        except BatchioError as err:
            if self._instance:
                return str(err)
            self._lost(_broke(err), final=True)
        return ""

    def _lost(self, why: str, *, final: bool) -> None:
        self._desk.post(ev.NodeLost(self._now(), self._node, why, final))

    async def _pause(self) -> None:
        base = BACKOFF_S[min(self._failures, len(BACKOFF_S)) - 1]
        jitter = 0.75 + (self._node * 2654435761 + self._failures * 40503) % 1024 / 2048
        await self._desk.clock.sleep(base * jitter)

    async def _visit(self) -> None:
        """One connection, from the first byte until the agent has said good-bye."""
        async with self._reach() as transport:
            reader, writer = await self._door(transport)
            talk = Conversation(self._desk, self._node, transport.where, self._sink, reader, writer)
            try:
                facts = await talk.greet() | {"socket": self._socket}
                if not self._parting.is_set():
                    await self._make_ready(talk, facts, transport)
                self._introduce(facts)
                self._talk, self._failures, self._broken_at = talk, 0, 0.0
                self._hangs = False
                await self._converse(talk)
            finally:
                self._talk = None
                talk.close()
            self._left = self._left or talk.left
            self._parted = True

    async def _door(self, transport: Transport) -> tuple[ByteReader, ByteWriter]:
        """The agent's socket: where it was, or where a bootstrap says that it is now."""
        if self._socket:
            try:
                return await transport.open_unix(self._socket, self._python)
            except Unreachable:
                self._socket = ""
        if not self._instance:
            for name in self._desk.homes_before(self._node):
                await remove(transport, name, python=self._desk.spec.python)
        touched, self._touched = self._touched, True
        try:
            address = await bootstrap(
                transport,
                home_name=self.home,
                spool=self._sink.spool,
                python=self._desk.spec.python,
            )
        except HOPELESS:  # nothing of ours has run there
            self._touched = touched
            raise
        self._socket, self._python = address.socket, address.python
        return await transport.open_unix(self._socket, self._python)

    @asynccontextmanager
    async def _reach(self) -> AsyncIterator[Transport]:
        transport = await self._desk.provider.connect(self._handle)
        try:
            yield transport
        finally:
            await transport.close()

    async def _make_ready(
        self, talk: Conversation, facts: dict[str, Any], transport: Transport
    ) -> None:
        """Everything that must be true of a node before tasks may go there."""
        if not self._instance and (duplicate_of := self._desk.duplicate_of(self._node, facts)):
            raise NodeError(
                f"this is the same computer as {duplicate_of}; it is used once",
                where=self._offer.id,
            )
        if self._desk.files is not None:
            home = os.path.dirname(self._socket)
            python = str(facts.get("executable") or "python3")
            await self._desk.files(self._node, transport, home, python)
        if self._desk.spec.host_setup:
            self._desk.preparing(self._node, "running the host setup script")
            await talk.prepare(self._desk.spec.host_setup)
        container = self._desk.setup(self._node)["container"]
        if container and facts.get("engines") != []:  # with none, it is unfit: `slots_for`
            self._desk.preparing(self._node, f"getting the image {container['image']}")
            await talk.pull(container["image"])

    def _introduce(self, facts: dict[str, Any]) -> None:
        """Say which agent this is."""
        desk, now, instance = self._desk, self._now(), facts["instance"]
        if not self._instance:
            slots, warning = slots_for(desk.spec, self._offer, facts)
            if warning:
                desk.note(warning)
            if ahead := facts["ahead"]:
                way = "ahead" if ahead > 0 else "behind"
                desk.note(
                    f"{self._offer.id}: its clock is {abs(ahead):.0f} s {way}; times are corrected"
                )
            desk.post(ev.NodeGreeted(now, self._node, slots, facts))
        elif instance == self._instance:
            desk.post(ev.NodeHeard(now, self._node))
        else:
            desk.post(ev.NodeRestarted(now, self._node, facts))
        self._instance = instance

    async def _converse(self, talk: Conversation) -> None:
        """Listen until the good-bye, which is said when somebody asks us to leave."""

        async def part() -> None:
            await self._parting.wait()
            self._left = await talk.part(keep=self._keep)
            await self._desk.clock.sleep(ANSWER_LIMIT_S + self._desk.spec.grace)
            self._instance = ""  # it does not answer: `_tidy` ends it
            talk.close()

        listening = asyncio.create_task(talk.listen())
        pinging = asyncio.create_task(talk.ping())
        every = (listening, pinging, asyncio.create_task(part()))
        try:
            await asyncio.wait((listening, pinging), return_when=asyncio.FIRST_COMPLETED)
            (listening if listening.done() else pinging).result()
        finally:
            for task in every:
                task.cancel()
            await asyncio.gather(*every, return_exceptions=True)

    # --- leaving ---------------------------------------------------------------

    async def leave(self, *, keep: bool, come_back: bool = True) -> str:
        """Bring the last output, stop the agent, remove what it put there.

        Returns what could not be done, or "". Without `come_back` nothing is done where the
        node is not connected.
        """
        self._keep = keep
        self._parting.set()
        if self.work is not None:
            if self._talk is None:  # still on the way there, or resting: stop that
                self.work.cancel()
            await asyncio.wait([self.work])
        if come_back and not self._parted and self._touched:
            await self._come_back()
        return self._left

    async def _come_back(self) -> None:
        """Reach a node once more only to tidy up; one long out of reach is not waited for."""
        patience = min(self._desk.spec.node_timeout, SILENT_CLEANUP_LIMIT_S)
        give_up = (self._broken_at or self._now()) + patience
        why = "it does not answer"
        while not self._failures or self._hangs or self._now() < give_up:
            try:
                await self._tidy()
                return
            except HOPELESS as err:
                why = _broke(err)
                break
            except (BatchioError, *BROKEN) as err:
                why = _broke(err)
            self._failures += 1
            await self._pause()
        self._left = f"{self.home} may be left there: {why}"

    async def _tidy(self) -> None:
        if self._instance and not self._hangs:
            try:
                await self._visit()
                return
            except Unreachable:
                raise
            except (NodeError, TimeoutError):  # its agent does not start, or answer, any more
                pass
        if self._instance:
            self._instance, self._left = "", "its last output did not arrive"
        self._hangs = False
        if not self._keep:
            async with self._reach() as transport:
                await remove(transport, self.home, python=self._desk.spec.python)

    def _now(self) -> float:
        return self._desk.clock.now()


def _broke(error: Exception) -> str:
    """Why a connection is of no use any more, for people."""
    said = str(error) if isinstance(error, (BatchioError, TimeoutError)) else ""
    hint = error.hint if isinstance(error, BatchioError) else None
    return (f"{said}; {hint}" if hint else said) or "the connection broke"

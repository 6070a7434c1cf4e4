"""Nodes that tests can break: a provider, its nodes and the connections, all in memory."""

from __future__ import annotations

import asyncio
import json
from math import inf
from typing import TYPE_CHECKING, Any

from batchio.core.plan import Offer
from batchio.core.traits import Trait
from batchio.errors import NoCapacity, Unreachable
from batchio.ports import Completed, Finding, Held, Refused, Rented
from batchio.testing.agents import Attempt, Ends, Line, Script, ScriptedAgent

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence

    from batchio.core.spec import JobSpec
    from batchio.ports import ByteReader, ByteWriter, Clock, NodeOrder, Notice


class ScriptedProvider:
    """A provider that gives as many nodes as it is told to; implements `ports.Provider`.

    Args:
        clock: The nodes' clock, which is also the head's.
        script: How each attempt goes; by default all end well after a second.
        nodes: How many there may be at the same time.
        slots: How many attempts each of them runs at a time.
        offers: What it offers instead of one offer of those.
        rents: Its nodes are rented, so that they are gone only when it confirms that.
    """

    name = "scripted"

    def __init__(
        self,
        clock: Clock,
        script: Script = lambda _: Ends(),
        *,
        nodes: int = 1,
        slots: int = 1,
        offers: Sequence[Offer] = (),
        rents: bool = False,
    ) -> None:
        self.clock = clock
        self.traits = frozenset((Trait.REMOTE, Trait.RENTS) if rents else (Trait.REMOTE,))
        self.nodes: dict[str, ScriptedNode] = {}
        """Every node that ever was, by its handle: n0, n1, …"""
        self.rented: set[str] = set()
        """Handles of the nodes that were not given back."""
        self.capacity = inf
        """How many nodes there can be at a time, whatever is offered; more are refused."""
        self.unanswered = 0
        """Number of nodes that are taken next without an answer."""
        self.unconfirmed = 0
        """Number of calls of `delete` that will confirm nothing, though they are carried out."""
        self.ended: list[str] = []
        """Jobs that were done, as often as it was told."""
        self.orders: list[NodeOrder] = []
        """Every order that was placed, repeated ones too."""
        self.on_node: Callable[[ScriptedNode], object] | None = None
        """Called with each new node before anybody uses it, to arrange its faults."""
        self._script = script
        self._offers = list(offers) or [Offer(self.name, limit=nodes, slots=slots, rented=rents)]
        self._had: dict[tuple[str, int], Rented | Refused] = {}
        """The answers given, by token and node: a repeated order is answered the same."""
        self._jobs: dict[str, str] = {}
        self._errors: dict[str, list[Exception]] = {}
        self._notices: list[Notice] = []
        self._notice_told = asyncio.Event()

    @property
    def began(self) -> list[Attempt]:
        """Every attempt that was started, node by node."""
        return [attempt for node in self.nodes.values() for attempt in node.began]

    def fail(self, verb: str, *errors: Exception) -> None:
        """Make the next calls of a verb raise these errors.

        `created` is raised by a `create` that has done what was asked for.
        """
        self._errors.setdefault(verb, []).extend(errors)

    def tell(self, notice: Notice) -> None:
        """Send a notice about a node; `gone` also ends the node."""
        if notice.kind == "gone":
            self._end(notice.handle)
        self._notices.append(notice)
        self._notice_told.set()

    def vanish(self, handle: str) -> None:
        """End a node without a notice: only a look at it will show that."""
        self._end(handle)

    def forget_refusals(self) -> None:
        """Answer anew about nodes that were refused, against the contract."""
        self._had = {key: one for key, one in self._had.items() if isinstance(one, Rented)}

    async def offers(self, spec: JobSpec) -> list[Offer]:
        """Return the offers that this provider was given."""
        self._raise("offers")
        return self._offers

    async def create(self, order: NodeOrder) -> AsyncIterator[Rented | Refused]:
        """Take nodes, and yield the answers; the same ones for the same token."""
        self.orders.append(order)
        self._raise("create")
        for offer, numbers in order.lines:
            for number in numbers:
                answer = self._had.get((order.token, number))
                if answer is None:
                    answer = self._had[order.token, number] = self._rent(order, offer, number)
                    if self.unanswered:
                        self.unanswered -= 1
                        continue
                yield answer
        self._raise("created")

    def _rent(self, order: NodeOrder, offer: Offer, number: int) -> Rented | Refused:
        if len(self.rented) >= self.capacity:
            return Refused((number,), offer.id, NoCapacity("none left"))
        handle = f"n{len(self.nodes)}"
        node = self.nodes[handle] = ScriptedNode(handle, self.clock, self._script)
        self.rented.add(handle)
        self._jobs[handle] = order.job
        if self.on_node is not None:
            self.on_node(node)
        return Rented(
            number, handle, offer.id, offer.rate, offer.zone, offer.spot, self.clock.now(),
            {"host": handle},
        )  # fmt: skip

    async def connect(self, handle: str) -> ScriptedTransport:
        """Open a connection to the node. Raises Unreachable when it is gone or silent."""
        self._raise("connect")
        return self.nodes[handle].connect()

    async def delete(self, handles: Sequence[str]) -> frozenset[str]:
        """End nodes, and confirm that they are gone unless told otherwise."""
        self._raise("delete")
        for handle in handles:
            self.nodes[handle].die()
        if self.unconfirmed:
            self.unconfirmed -= 1
            return frozenset()
        self.rented.difference_update(handles)
        return frozenset(handles)

    async def end(self, job: str) -> Sequence[str]:
        """Note that the job is done; nothing was made beside its nodes."""
        self.ended.append(job)
        return ()

    async def locate(self, handles: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return the addresses of the nodes that were not given back."""
        self._raise("locate")
        return {handle: {"host": handle} for handle in handles if handle in self.rented}

    async def watch(self, job: str) -> AsyncIterator[Notice]:
        """Yield every notice of `tell`; a later caller gets all of them again."""
        self._raise("watch")
        told = 0
        while True:
            while told < len(self._notices):
                yield self._notices[told]
                told += 1
            self._notice_told = asyncio.Event()
            await self._notice_told.wait()

    async def held(self, job: str | None = None) -> AsyncIterator[Held]:
        """Yield the nodes that were not given back."""
        self._raise("held")
        for handle in sorted(self.rented):
            if job in (None, self._jobs[handle]):
                yield Held(handle, self._jobs[handle], {}, 0.0, 0.0, "running")

    async def check(self, spec: JobSpec) -> list[Finding]:
        """Return one finding: all is well."""
        self._raise("check")
        return [Finding("scripted", True, "all is well")]

    async def aclose(self) -> None:
        """Do nothing: no connection is held open here."""
        self._raise("aclose")

    def _end(self, handle: str) -> None:
        self.nodes[handle].die()
        self.rented.discard(handle)

    def _raise(self, verb: str) -> None:
        if errors := self._errors.get(verb):
            raise errors.pop(0)


class ScriptedNode(ScriptedAgent):
    """One node with its agent, and the faults that both can have."""

    def __init__(self, name: str, clock: Clock, script: Script) -> None:
        super().__init__(name, clock, script)
        self.commands: list[list[str]] = []
        """Every command that a head ran on the node, the starting of agents included."""
        self._answers = True
        self._connections: list[ScriptedTransport] = []

    def connect(self) -> ScriptedTransport:
        """Open one more connection to the node."""
        if not self._answers:
            raise Unreachable("no answer", where=self.name)
        self._connections.append(ScriptedTransport(self))
        return self._connections[-1]

    # --- what may happen -------------------------------------------------------

    def cut(self) -> None:
        """Break all connections; the agent goes on."""
        connections, self._connections = self._connections, []
        for connection in connections:
            connection.end()

    def go_silent(self) -> None:
        """Break all connections, and let none through until `come_back`."""
        self._answers = False
        self.cut()

    def come_back(self) -> None:
        """Let connections through again."""
        self._answers = True

    def restart(self) -> None:
        """Kill the agent and what it runs; the next head to connect starts a new one."""
        self.kill()
        self.cut()

    def die(self) -> None:
        """End the node for ever, with all that is on it."""
        self.kill()
        self.forget()
        self.go_silent()


class ScriptedTransport:
    """One connection to one node, whose only programs are those that batchio starts there.

    Implements `ports.Transport`.
    """

    local = False
    python = ""
    work = ""

    def __init__(self, node: ScriptedNode) -> None:
        self.where = node.name
        self._node = node
        self._lines: list[Line] = []
        self._closed = asyncio.Event()

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | AsyncIterable[bytes] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """Play the start or the end of an agent, or the unpacking of files; 127 for other
        words.
        """
        self._check()
        self._node.commands.append([*argv])
        if stdin is not None and not isinstance(stdin, bytes):
            async for _ in stdin:
                pass
        said: object = "gone"
        match argv:
            case ["/bin/sh", "-c", _, "sh", _, "batchio-agent", _, _, "up", *_]:
                said = self._node.start_agent()
            case ["/bin/sh", "-c", _, "sh", _, "batchio-agent", _, _, "down", *_]:
                self._node.remove_agent()
            case ["/bin/sh", "-c", _, "sh", _, _]:
                return Completed(0, b"", b"")
            case _:
                return Completed(127, b"", f"{argv[0]}: not found\n".encode())
        return Completed(0, b"\n@batchio python3\n@batchio agent " + json.dumps(said).encode(), b"")

    async def open_unix(self, path: str, python: str = "") -> tuple[ByteReader, ByteWriter]:
        """Connect to the agent. Raises Unreachable when it does not listen there."""
        self._check()
        if not self._node.listens(path):
            raise Unreachable(f"nothing answers at {path}", where=self.where)
        line = Line(self._node)
        self._lines.append(line)
        return line.reader, line

    async def wait_closed(self) -> None:
        """Return when the connection is closed."""
        await self._closed.wait()

    async def close(self) -> None:
        """Close the connection, and those opened through it. Repeatable."""
        self.end()

    def end(self) -> None:
        """End the connection, whoever wants that."""
        self._closed.set()
        for line in self._lines:
            line.end()

    def _check(self) -> None:
        if self._closed.is_set():
            raise Unreachable("the connection is closed", where=self.where)

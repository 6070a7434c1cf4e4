"""Nodes that one can lose: a provider, its nodes, and the ways to them, all in memory."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from batchio.core.plan import Offer
from batchio.core.traits import Trait
from batchio.errors import Unreachable
from batchio.ports import Completed
from batchio.testing.agents import Attempt, Ends, Line, Script, ScriptedAgent

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Sequence

    from batchio.core.spec import JobSpec
    from batchio.errors import BatchioError
    from batchio.ports import ByteReader, ByteWriter, Clock, NodeOrder


class ScriptedProvider:
    """Lends as many nodes as it is told to; implements `ports.Provider`.

    Args:
        clock: What the nodes live by; the head's.
        script: How each attempt goes; by default all end well after a second.
        nodes: How many there may be at the same time.
        slots: How many attempts at once each of them takes.
    """

    name = "scripted"
    traits = frozenset((Trait.REMOTE,))

    def __init__(
        self, clock: Clock, script: Script = lambda _: Ends(), *, nodes: int = 1, slots: int = 1
    ) -> None:
        self.clock = clock
        self.nodes: dict[str, ScriptedNode] = {}
        """Every node there ever was, by its handle: n0, n1, …"""
        self.rented: set[str] = set()
        """Handles of those that were not given back."""
        self.on_node: Callable[[ScriptedNode], object] | None = None
        """Called with each new node before anybody uses it: what shall be wrong with it."""
        self._script = script
        self._offer = Offer(self.name, limit=nodes, slots=slots)
        self._tokens: dict[str, str] = {}
        self._errors: dict[str, list[BatchioError]] = {}

    @property
    def began(self) -> list[Attempt]:
        """Every attempt that was begun, node by node."""
        return [attempt for node in self.nodes.values() for attempt in node.began]

    def fail(self, verb: str, *errors: BatchioError) -> None:
        """The next calls of `offers`, `create`, `connect` or `delete` raise these."""
        self._errors.setdefault(verb, []).extend(errors)

    async def offers(self, spec: JobSpec) -> list[Offer]:
        """One offer."""
        self._raise("offers")
        return [self._offer]

    async def create(self, order: NodeOrder) -> str:
        """A node; the same one for the same token."""
        self._raise("create")
        handle = self._tokens.setdefault(order.token, f"n{len(self._tokens)}")
        if handle not in self.nodes:
            node = self.nodes[handle] = ScriptedNode(handle, self.clock, self._script)
            self.rented.add(handle)
            if self.on_node is not None:
                self.on_node(node)
        return handle

    async def connect(self, handle: str) -> ScriptedTransport:
        """A way to the node. Raises Unreachable when it is gone or silent."""
        self._raise("connect")
        return self.nodes[handle].connect()

    async def delete(self, handle: str) -> None:
        """Give it back: it is gone."""
        self._raise("delete")
        self.nodes[handle].die()
        self.rented.discard(handle)

    async def aclose(self) -> None:
        """Nothing is held open."""

    def _raise(self, verb: str) -> None:
        if errors := self._errors.get(verb):
            raise errors.pop(0)


class ScriptedNode(ScriptedAgent):
    """One node with its agent, and what may happen to both."""

    def __init__(self, name: str, clock: Clock, script: Script) -> None:
        super().__init__(name, clock, script)
        self.commands: list[list[str]] = []
        """Every command that a head ran there, the starting of agents included."""
        self._answers = True
        self._ways: list[ScriptedTransport] = []

    def connect(self) -> ScriptedTransport:
        """One more way to it."""
        if not self._answers:
            raise Unreachable("no answer", where=self.name)
        self._ways.append(ScriptedTransport(self))
        return self._ways[-1]

    # --- what may happen -------------------------------------------------------

    def cut(self) -> None:
        """All connections break; the agent goes on."""
        ways, self._ways = self._ways, []
        for way in ways:
            way.end()

    def go_silent(self) -> None:
        """`cut`, and nobody gets through until `come_back`."""
        self._answers = False
        self.cut()

    def come_back(self) -> None:
        """The node can be reached again."""
        self._answers = True

    def restart(self) -> None:
        """The agent dies, and what it runs; the next head to come starts a new one."""
        self.kill()
        self.cut()

    def die(self) -> None:
        """The node is gone for ever, with all that is on it."""
        self.kill()
        self.forget()
        self.go_silent()


class ScriptedTransport:
    """One way to one node, whose only programs are those that batchio starts there.

    Implements `ports.Transport`.
    """

    local = False

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
        """Play the bootstrap of an agent, or the unpacking of files; 127 for all else."""
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
            case ["/bin/sh", "-c", _, "sh", _]:
                return Completed(0, b"", b"")
            case _:
                return Completed(127, b"", f"{argv[0]}: not found\n".encode())
        return Completed(0, b"\n@batchio python3\n@batchio agent " + json.dumps(said).encode(), b"")

    async def open_unix(self, path: str) -> tuple[ByteReader, ByteWriter]:
        """A connection to the agent. Raises Unreachable when it does not listen there."""
        self._check()
        if not self._node.listens(path):
            raise Unreachable(f"nobody answers at {path}", where=self.where)
        line = Line(self._node)
        self._lines.append(line)
        return line.reader, line

    async def wait_closed(self) -> None:
        """Return when it is."""
        await self._closed.wait()

    async def close(self) -> None:
        """Close it, and what was opened through it. Repeatable."""
        self.end()

    def end(self) -> None:
        """It is over, whoever wants that."""
        self._closed.set()
        for line in self._lines:
            line.end()

    def _check(self) -> None:
        if self._closed.is_set():
            raise Unreachable("the connection is closed", where=self.where)

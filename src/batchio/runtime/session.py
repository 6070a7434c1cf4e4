"""The head's side of one agent: connect, greet, tell, listen, reconnect.

A session never decides and never touches the machine: what it learns it posts as events.
What it is told while the connection is down is dropped, because the machine says all of it
again once the node is heard.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from batchio.core import events as ev
from batchio.core.plan import Offer, slots_for
from batchio.errors import BatchioError, NodeError, SetupFailed, Unreachable
from batchio.runtime import frames
from batchio.runtime.bootstrap import bootstrap, remove

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.core.spec import JobSpec
    from batchio.ports import ByteWriter, Clock, Provider, Transport

GREET_LIMIT_S: Final = 30.0
"""Seconds for an agent that listens to say hello."""

SETUP_LIMIT_S: Final = 3600.0
"""Seconds a host setup script may take."""

PING_EVERY_S: Final = 5.0
"""Seconds between two pings: what the head looks like to an agent's lease."""

FIRST_TRIES: Final = 3
"""Attempts to reach a node that has never greeted, before it is given up."""

BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before the next attempt to connect; the last one repeats."""

DRAIN_LIMIT_S: Final = 60.0
"""Seconds for the last logs of a node to arrive before it is given back."""


class Sink(Protocol):
    """Where a node's log bytes go."""

    spool: str | None
    """A folder of this computer that a local agent writes to itself; None: we pull."""

    def size(self) -> int:
        """Bytes that are safe already: where to go on."""
        ...

    def write(self, offset: int, data: memoryview) -> None:
        """Keep bytes that begin at `offset`; what is known already is skipped."""
        ...


@dataclass(slots=True)
class Post:
    """What a session needs of the head."""

    spec: JobSpec
    job: str
    epoch: int
    provider: Provider
    clock: Clock
    post: Callable[[ev.Event], None]
    note: Callable[[str], None]
    """A line for the people who look on."""
    secrets: dict[str, str] = field(default_factory=dict)
    setup: Callable[[int], dict[str, Any]] = lambda _: {}
    """The `setup` message for a node, as the machine sees the job now."""
    files: Callable[[Transport, str], Any] | None = None
    """Puts the uploaded files into a home; awaited before the greeting is posted."""


class Session:
    """One node's agent."""

    def __init__(
        self, head: Post, node: int, offer: Offer, handle: str, instance: str, sink: Sink
    ) -> None:
        self._head = head
        self._node = node
        self._offer = offer
        self._handle = handle
        self._instance = instance
        self._sink = sink
        self._writer: ByteWriter | None = None
        self._transport: Transport | None = None
        self._sent_setup: dict[str, Any] | None = None
        self._fetches: dict[tuple[int, int], asyncio.Queue[memoryview | None]] = {}
        self._pulled = asyncio.Event()
        self._heard = 0
        """Results that came over this connection."""
        self._bye = asyncio.Event()
        self._gone = asyncio.Event()
        self._leaving = self._keeping = False
        self.work: asyncio.Task[None] | None = None
        """The task in which `run` goes on; `leave` ends it when nobody is there to ask."""
        self.stats: dict[str, Any] = {}
        """The agent's last pong: load, running, queued, disk_free."""

    @property
    def home(self) -> str:
        """Name of the agent's home on the node."""
        return f"{self._head.job}.{self._node}"

    @property
    def transport(self) -> Transport | None:
        """The open way to the node; None while there is none."""
        return self._transport

    # --- telling -------------------------------------------------------------

    def tell(self, *messages: list[Any]) -> None:
        """Send messages, if anybody is there to hear them."""
        if self._writer is not None:
            self._writer.write(frames.pack(messages))

    def start(self, items: list[list[Any]]) -> None:
        """Queue attempts; the settings they run under go first, when they changed."""
        setup = self._head.setup(self._node)
        if setup != self._sent_setup:
            self._sent_setup = setup
            secrets = self._head.secrets
            self.tell(["setup", {**setup, "secrets": secrets} if secrets else setup])
        for at in range(0, len(items), frames.BATCH):
            self.tell(["start", items[at : at + frames.BATCH]])

    async def fetch(self, task: int, attempt: int) -> asyncio.Queue[memoryview | None]:
        """Ask for an attempt's outputs: tar bytes, then None; None at once when it broke."""
        queue: asyncio.Queue[memoryview | None] = asyncio.Queue(64)
        if self._writer is None:
            queue.put_nowait(None)
        self._fetches[task, attempt] = queue
        self.tell(["fetch", task, attempt])
        return queue

    # --- the connection ------------------------------------------------------

    async def run(self) -> None:
        """Keep the node connected until `leave`; posts what happens to it."""
        try:
            await self._stay()
        finally:
            self._gone.set()

    async def _stay(self) -> None:
        failures, greeted = 0, bool(self._instance)
        while not self._leaving:
            try:
                await self._converse()
                why = "the agent closed the connection"
            except BatchioError as err:
                why = str(err)
                if not greeted and not isinstance(err, Unreachable):
                    self._lost(why, final=True)
                    return
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as err:
                why = str(err) or "the connection broke"
            finally:
                self._drop()
            if self._leaving:
                return
            failures = 1 if self._instance and not greeted else failures + 1
            greeted = greeted or bool(self._instance)
            if greeted:
                self._head.post(ev.NodeSilent(self._now(), self._node, why))
            elif failures >= FIRST_TRIES:
                self._lost(why, final=False)
                return
            pause = BACKOFF_S[min(failures - 1, len(BACKOFF_S) - 1)]
            jitter = 0.75 + (self._node * 2654435761 + failures * 40503) % 1024 / 2048
            await self._head.clock.sleep(pause * jitter)

    def _lost(self, why: str, *, final: bool) -> None:
        self._head.post(ev.NodeLost(self._now(), self._node, why, final))

    def _drop(self) -> None:
        self._writer = None
        self._sent_setup = None
        self._heard = 0
        for queue in self._fetches.values():
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)
        self._fetches.clear()

    async def _converse(self) -> None:
        """One connection, from the first byte to the last."""
        transport = await self._head.provider.connect(self._handle)
        self._transport = transport
        try:
            address = await bootstrap(transport, home_name=self.home, spool=self._sink.spool)
            reader, writer = await transport.open_unix(address.socket)
            try:
                async with asyncio.timeout(GREET_LIMIT_S):
                    writer.write(frames.pack([["hello", self._hello()]]))
                    kind, body = await frames.read(reader)
                first = frames.messages(body) if kind == frames.MESSAGES else []
                if not first or first[0][0] != "hello":
                    why = first[0][1] if first else "it said nothing"
                    raise NodeError(f"the agent refused us: {why}", where=transport.where)
                facts = first[0][1]
                if self._head.files is not None:
                    await self._head.files(transport, address.home)
                self._writer = writer
                await self._prepare(reader, transport.where)
                for message in first[1:]:
                    self._hear(message)
                await self._welcome(facts, reader)
                async with asyncio.TaskGroup() as group:
                    pings = group.create_task(self._ping())
                    try:
                        await self._listen(reader)
                    finally:
                        pings.cancel()
                if self._bye.is_set() and not (self._keeping or transport.local):
                    await remove(transport, home_name=self.home)
            finally:
                writer.close()
        finally:
            self._transport = None
            await transport.close()

    def _hello(self) -> dict[str, Any]:
        return {"v": frames.VERSION, "job": self._head.job, "epoch": self._head.epoch}

    async def _prepare(self, reader: Any, where: str) -> None:
        """Have the host setup script run, unless this instance has run it."""
        script = self._head.spec.host_setup
        if not script:
            return
        self.tell(["prepare", script, SETUP_LIMIT_S])
        async with asyncio.timeout(SETUP_LIMIT_S + GREET_LIMIT_S):
            while True:
                kind, body = await frames.read(reader)
                for message in frames.messages(body) if kind == frames.MESSAGES else []:
                    if message[0] != "prepared":
                        self._hear(message)
                    elif message[1] == 0:
                        return
                    else:
                        raise SetupFailed(
                            f"the host setup script ended with {message[1]}: {message[2]}",
                            where=where,
                        )

    async def _welcome(self, facts: dict[str, Any], reader: Any) -> None:
        """Say which agent this is; results it still held come before that."""
        while self._heard < int(facts.get("unacked") or 0):
            kind, body = await frames.read(reader)
            for message in frames.messages(body) if kind == frames.MESSAGES else []:
                self._hear(message)
        now, instance = self._now(), facts["instance"]
        if not self._instance:
            slots, warning = slots_for(self._head.spec, self._offer, facts)
            if warning:
                self._head.note(warning)
            self._head.post(ev.NodeGreeted(now, self._node, slots, facts))
        elif instance == self._instance:
            self._head.post(ev.NodeHeard(now, self._node))
        else:
            self._head.post(ev.NodeRestarted(now, self._node, facts))
        self._instance = instance
        if self._sink.spool is None:
            self.tell(["pull", self._sink.size(), frames.LIMIT // 8])

    async def _ping(self) -> None:
        beat = 0
        while True:
            beat += 1
            self.tell(["ping", beat])
            await self._head.clock.sleep(PING_EVERY_S)

    # --- listening -----------------------------------------------------------

    async def _listen(self, reader: Any) -> None:
        while True:
            kind, body = await frames.read(reader)
            if kind == frames.MESSAGES:
                for message in frames.messages(body):
                    self._hear(message)
                if self._bye.is_set():
                    return
            elif kind == frames.LOG:
                self._keep_log(body)
            elif kind == frames.OUTPUT:
                await self._keep_output(body)

    def _hear(self, message: list[Any]) -> None:
        now = self._now()
        match message:
            case ["done", int(seq), list(records)]:
                self._heard += 1
                self._head.post(ev.TasksFinished(now, self._node, seq, records))
            case ["started", list(tasks)]:
                self._head.post(ev.TasksStarted(now, self._node, tasks))
            case ["returned", list(tasks)]:
                self._head.post(ev.TasksReturned(now, self._node, tasks))
            case ["pong", _, dict(stats)]:
                self.stats = stats
            case ["trouble", str(text)]:
                self._head.note(f"{self._offer.id}: {text}")
            case ["fetched", int(task), int(attempt), *_]:
                queue = self._fetches.pop((task, attempt), None)
                if queue is not None and not queue.full():
                    queue.put_nowait(None)
            case ["bye", *_]:
                self._bye.set()
            case _:
                pass  # a newer agent's news

    def _keep_log(self, body: bytes) -> None:
        offset, data = frames.log_chunk(body)
        self._sink.write(offset, data)
        size = self._sink.size()
        self._pulled.set()
        self.tell(["logged", size], ["pull", size, frames.LIMIT // 8])

    async def _keep_output(self, body: bytes) -> None:
        task, attempt, data = frames.output_chunk(body)
        queue = self._fetches.get((task, attempt))
        if queue is not None and data:
            await queue.put(data)

    # --- leaving -------------------------------------------------------------

    async def leave(self, log_end: int, *, keep: bool) -> str:
        """Bring the last logs, stop the agent, remove what it put there.

        Returns what could not be done, or "".
        """
        self._keeping = keep
        if self._writer is not None:
            left = await self._drain(log_end)
            self._leaving = True
            self.tell(["bye", keep])
            try:
                async with asyncio.timeout(DRAIN_LIMIT_S):
                    await self._gone.wait()
            except TimeoutError:
                left = left or "its agent did not answer"
            return left
        self._leaving = True
        if self.work is not None:
            self.work.cancel()
            await asyncio.wait([self.work])
        if keep:
            return ""
        try:
            transport = await self._head.provider.connect(self._handle)
            try:
                await remove(transport, home_name=self.home)
            finally:
                await transport.close()
        except BatchioError as err:
            return f"{self.home} may be left there: {err}"
        return ""

    async def _drain(self, log_end: int) -> str:
        if self._sink.spool is not None:
            return ""
        try:
            async with asyncio.timeout(DRAIN_LIMIT_S):
                while self._sink.size() < log_end and self._writer is not None:
                    self._pulled.clear()
                    await self._pulled.wait()
        except TimeoutError:
            return "its last output did not arrive"
        return ""

    def _now(self) -> float:
        return self._head.clock.now()

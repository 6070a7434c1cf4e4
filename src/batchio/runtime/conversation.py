"""One connection to one agent: hello, what both sides say, good-bye.

What is heard becomes events; what is told when nobody listens any more is dropped, because
the machine says all of it again once the node is heard. Nothing is decided here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from batchio.core import events as ev
from batchio.errors import BatchioError, NodeError, SetupFailed, Unreachable
from batchio.runtime import frames

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from batchio.core.spec import JobSpec
    from batchio.ports import ByteReader, ByteWriter, Clock, LogSink, Transport
    from batchio.runtime.renting import Renting

GREET_LIMIT_S: Final = 30.0
"""Seconds for an agent that listens to say hello."""

SETUP_LIMIT_S: Final = 3600.0
"""Seconds a host setup script may take."""

PING_EVERY_S: Final = 5.0
"""Seconds between two pings: what the head looks like to an agent's lease."""

UNANSWERED: Final = 6
"""Pings in a row, and not a byte from the agent since: then it hangs, for 30 seconds."""

STALL_LIMIT_S: Final = 60.0
"""Seconds without a byte after which a node's last output is given up."""

CLOCK_OFF_S: Final = 2.0
"""A node whose clock is further off than this has its times corrected."""

_AHEAD: Final = 64
"""Frames of one tar stream that may wait for the disk."""


@dataclass(slots=True)
class Desk:
    """What the head gives to those who talk to its nodes."""

    spec: JobSpec
    job: str
    epoch: int
    provider: Renting
    clock: Clock
    post: Callable[[ev.Event], None]
    note: Callable[[str], None]
    """A line for the people who look on."""
    secrets: dict[str, str] = field(default_factory=dict)
    setup: Callable[[int], dict[str, Any]] = lambda _: {}
    """The `setup` message for a node, as the machine sees the job now."""
    files: Callable[[int, Transport, str, str], Any] | None = None
    """Puts the uploaded files into a node's home; awaited before the greeting is posted."""
    duplicate_of: Callable[[int, dict[str, Any]], str] = lambda *_: ""
    """The name of another node that is the same computer, by its hello; or ""."""
    heartbeat: Callable[[int, dict[str, Any]], None] = lambda *_: None
    """How busy a node is, for people."""
    preparing: Callable[[int, str], None] = lambda *_: None
    """What a node does before it is ready, for people."""
    homes_before: Callable[[int], list[str]] = lambda _: []
    """Homes that may be left from earlier times the same host was a node of this job."""


class Fetch:
    """A tar stream on its way to us, or the rest of one. Raises Unreachable when it breaks."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[memoryview | None] = asyncio.Queue(_AHEAD)
        self._wanted = True
        self.whole: tuple[int, int] | None = None
        """Size and CRC-32 of the stream from its first byte, once all of it was sent."""
        self.ended = False
        """Whether no more of it will come, so that it may be asked for again."""

    async def put(self, data: memoryview) -> None:
        """More of it has come; waits while too much lies here unread."""
        if self._wanted and data:
            await self._chunks.put(data)

    def end(self, whole: tuple[int, int] | None = None) -> None:
        """No more will come: it was sent to its end, or the connection broke."""
        self.whole = whole
        self.ended = True
        if not self._chunks.full():
            self._chunks.put_nowait(None)
        self._wanted = False

    def drop(self) -> None:
        """Nobody reads on: what still comes is thrown away, and holds nobody up."""
        self._wanted = False
        while not self._chunks.empty():
            self._chunks.get_nowait()

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        while self._wanted or not self._chunks.empty():
            chunk = await self._chunks.get()
            if chunk is not None:
                yield chunk
        if self.whole is None:
            raise Unreachable("the outputs broke off on their way")


class _Ear:
    """Hears what the agent says; knows for how long it has said nothing."""

    def __init__(self, inner: ByteReader) -> None:
        self._inner = inner
        self._waits = False
        self._quiet = 0

    async def read(self, n: int) -> bytes:
        """At most `n` bytes; empty at the end."""
        self._waits = True
        data = await self._inner.read(n)
        self._waits, self._quiet = False, 0
        return data

    async def readexactly(self, n: int) -> bytes:
        """Exactly `n` bytes; asyncio.IncompleteReadError at the end."""
        parts: list[bytes] = []
        left = n
        while left:
            data = await self.read(left)
            if not data:
                raise asyncio.IncompleteReadError(b"".join(parts), n)
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def asked(self) -> int:
        """A ping goes out; returns how many have since the last byte came.

        While we are busy with what came before, nobody can tell whether more is there.
        """
        self._quiet += self._waits
        return self._quiet


class Conversation:
    """What is said over one connection, from `greet` on."""

    def __init__(
        self,
        desk: Desk,
        node: int,
        name: str,
        sink: LogSink,
        reader: ByteReader,
        writer: ByteWriter,
    ) -> None:
        self._desk = desk
        self._node = node
        self._name = name
        self._sink = sink
        self._ear = _Ear(reader)
        self._writer = writer
        self._sent_setup: dict[str, Any] | None = None
        self._fetches: dict[tuple[int, int], Fetch] = {}
        self._heard = 0
        """Batches of results that came over this connection."""
        self._log_end = 0
        """How far the node's log reaches, as far as we were told."""
        self._logged = asyncio.Event()
        self._bye = False
        self.left = ""
        """What the node's agent could not remove when it said good-bye, and why."""
        self._ahead = 0.0
        """Seconds by which the node's clock is ahead of ours; 0 when it is close enough."""

    # --- the beginning -------------------------------------------------------

    async def greet(self) -> dict[str, Any]:
        """Say hello; returns what the agent says of itself and its node.

        Raises:
            NodeError: the agent refused us.
            TimeoutError, OSError, asyncio.IncompleteReadError: it does not answer.
        """
        try:
            async with asyncio.timeout(GREET_LIMIT_S):
                return await self._greet()
        except TimeoutError:
            raise _unanswered(GREET_LIMIT_S) from None

    async def _greet(self) -> dict[str, Any]:
        desk, asked = self._desk, self._desk.clock.now()
        self.tell(["hello", {"v": frames.VERSION, "job": desk.job, "epoch": desk.epoch}])
        kind, body = await frames.read(self._ear)
        first: list[list[Any]] = frames.messages(body) if kind == frames.MESSAGES else [["?"]]
        if first[0][0] != "hello":
            raise NodeError(f"the agent refused us: {first[0][-1]}", where=self._name)
        facts: dict[str, Any] = first[0][1]
        self._ahead = self._clock_error(asked, facts)
        facts["ahead"] = self._ahead
        self._log_end = int(facts.get("spool") or 0)
        for message in first[1:]:
            self._hear(message)
        while self._heard < int(facts.get("unacked") or 0):
            await self._hear_frame()
        return facts

    def _clock_error(self, asked: float, facts: dict[str, Any]) -> float:
        """How far its clock is ahead; half of the round trip is not knowable."""
        answered = self._desk.clock.now()
        ahead = float(facts.get("time") or answered) - (asked + answered) / 2
        sure = CLOCK_OFF_S + (answered - asked) / 2
        return round(ahead, 3) if abs(ahead) > sure else 0.0

    async def prepare(self, script: str) -> None:
        """Have the host setup script run, unless it has run in this home.

        Raises:
            SetupFailed: it failed; its last words are in the message.
        """
        self.tell(["prepare", script, SETUP_LIMIT_S])
        async with asyncio.timeout(SETUP_LIMIT_S + GREET_LIMIT_S):
            while (answer := await self._hear_frame("prepared")) is None:
                pass
        _, code, said = answer
        if code:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise SetupFailed(
                f"the host setup script ended with {how}: {said}".rstrip(": "), where=self._name
            )

    async def pull(self, image: str) -> None:
        """Have the container image on the node.

        Raises:
            SetupFailed: there is no engine, or it could not get the image; says why.
        """
        self._send_setup()
        self.tell(["image", image])
        async with asyncio.timeout(SETUP_LIMIT_S):
            while (answer := await self._hear_frame("imaged")) is None:
                pass
        _, _, ok, said = answer
        if not ok:
            raise SetupFailed(f"no image {image}: {said}".rstrip(": "), where=self._name)

    # --- telling -------------------------------------------------------------

    def tell(self, *messages: list[Any]) -> None:
        """Send messages. When the connection is broken, whoever listens will notice."""
        try:
            self._writer.write(frames.pack(messages))
        except (BatchioError, OSError):
            return

    def start(self, items: list[list[Any]]) -> None:
        """Queue attempts; the settings they run under go first, when they changed."""
        self._send_setup()
        for at in range(0, len(items), frames.BATCH):
            self.tell(["start", items[at : at + frames.BATCH]])

    def _send_setup(self) -> None:
        setup = self._desk.setup(self._node)
        if setup != self._sent_setup:
            self._sent_setup = setup
            secrets = self._desk.secrets
            self.tell(["setup", {**setup, "secrets": secrets} if secrets else setup])

    def fetch(self, task: int, attempt: int, known: int) -> Fetch:
        """Ask for an attempt's outputs, but for the first `known` bytes of the stream."""
        self._send_setup()  # a new agent knows from it what was uploaded, and is no output
        stream = self._fetches[task, attempt] = Fetch()
        self.tell(["fetch", task, attempt, known] if known else ["fetch", task, attempt])
        return stream

    async def ping(self) -> None:
        """Let the agent know that its head lives, again and again.

        Raises:
            TimeoutError: it hangs: the connection is there, and nothing comes.
        """
        beat = 0
        while self._ear.asked() <= UNANSWERED:
            beat += 1
            self.tell(["ping", beat])
            await self._desk.clock.sleep(PING_EVERY_S)
        raise _unanswered(UNANSWERED * PING_EVERY_S)

    # --- listening -----------------------------------------------------------

    async def listen(self) -> None:
        """Hear all that comes; returns when the agent has said good-bye.

        Raises:
            Unreachable, OSError, asyncio.IncompleteReadError: the connection broke.
        """
        if self._sink.spool is None:
            self._pull()
        while not self._bye:
            await self._hear_frame()

    async def _hear_frame(self, wanted: str = "") -> list[Any] | None:
        """Take one frame; the message with the `wanted` tag is returned, not heard."""
        found = None
        kind, body = await frames.read(self._ear)
        if kind == frames.MESSAGES:
            for message in frames.messages(body):
                if message[0] == wanted:
                    found = message
                else:
                    self._hear(message)
        elif kind == frames.LOG:
            await self._sink.write(*frames.log_chunk(body))
            self._logged.set()
            self.tell(["logged", self._sink.size()])
            self._pull()
        elif kind == frames.OUTPUT:
            task, attempt, data = frames.output_chunk(body)
            if stream := self._fetches.get((task, attempt)):
                await stream.put(data)
        return found

    def _pull(self) -> None:
        self.tell(["pull", self._sink.size(), frames.LIMIT // 8])

    def _hear(self, message: list[Any]) -> None:
        now, post = self._desk.clock.now(), self._desk.post
        match message:
            case ["done", int(seq), list(records)]:
                self._heard += 1
                for record in records:
                    self._log_end = max(self._log_end, record[9])
                    record[4] -= self._ahead
                    record[5] -= self._ahead
                post(ev.TasksFinished(now, self._node, seq, records))
            case ["started", list(tasks)]:
                begun = [[task, attempt, at - self._ahead] for task, attempt, at in tasks]
                post(ev.TasksStarted(now, self._node, begun))
            case ["returned", list(tasks)]:
                post(ev.TasksReturned(now, self._node, tasks))
            case ["trouble", str(text)]:
                self._desk.note(f"{self._name}: {text}")
            case ["fetched", int(task), int(attempt), _, int(size), int(crc)]:
                if stream := self._fetches.pop((task, attempt), None):
                    stream.end((size, crc))
            case ["pong", _, dict(stats)]:
                self._desk.heartbeat(self._node, stats)
            case ["bye", *left]:
                self._bye = True
                self.left = str(left[0]) if left else ""
            case _:
                pass  # a newer agent's news

    # --- the end -------------------------------------------------------------

    async def part(self, *, keep: bool) -> str:
        """Wait for the last output and say good-bye; `listen` goes on meanwhile.

        Returns what could not be brought, or "".
        """
        left = ""
        try:
            while self._sink.spool is None and self._sink.size() < self._log_end:
                self._logged.clear()
                async with asyncio.timeout(STALL_LIMIT_S):
                    await self._logged.wait()
        except TimeoutError:
            left = "its last output did not arrive"
        self.tell(["bye", keep])
        return left

    def close(self) -> None:
        """It is over: nothing more will come."""
        self._writer.close()
        for stream in self._fetches.values():
            stream.end()
        self._fetches.clear()


def _unanswered(seconds: float) -> TimeoutError:
    return TimeoutError(f"its agent has not answered for {seconds:.0f} s")

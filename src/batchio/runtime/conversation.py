"""One connection to one agent: hello, what both sides say, good-bye.

What is heard becomes events; what is told when nobody listens any more is dropped, because
the machine says all of it again once the node is heard. Nothing is decided here.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakValueDictionary

from batchio.core import events as ev
from batchio.errors import BatchioError, NodeError, ProtocolError
from batchio.runtime import agent_messages as messages
from batchio.runtime import frames
from batchio.runtime.fetch import Fetch
from batchio.runtime.roster import Told
from batchio.runtime.silence import SilenceMeter
from batchio.runtime.upload import Upload

if TYPE_CHECKING:
    from batchio.core.reports import Ended, Facts
    from batchio.ports import ByteReader, ByteWriter, LogSink
    from batchio.runtime.context import JobContext
    from batchio.runtime.live_status import LiveStatus
    from batchio.runtime.remarks import Remarks
    from batchio.runtime.roster import Roster

T = TypeVar("T", messages.Prepared, messages.Imaged)

GREET_LIMIT_S: Final = 30.0
"""Seconds in which an agent that listens must say hello."""

PING_EVERY_S: Final = 5.0
"""Seconds between two pings, which show an agent that its head is alive."""

UNANSWERED: Final = 6
"""Number of pings without a byte from the agent, 30 seconds, after which it counts as hung."""

STALL_LIMIT_S: Final = 60.0
"""Seconds without a byte after which a node's last output is given up."""

CLOCK_OFF_S: Final = 2.0
"""Seconds that a node's clock may be wrong; times of one that is further off are corrected."""


class Conversation:
    """The exchange of messages over one connection, from `greet` on."""

    def __init__(
        self,
        job: JobContext,
        loads: LiveStatus,
        node: int,
        name: str,
        sink: LogSink,
        remarks: Remarks,
        reader: ByteReader,
        writer: ByteWriter,
    ) -> None:
        self._job = job
        self._loads = loads
        self._node = node
        self._name = name
        self._sink = sink
        self._remarks = remarks
        self._reader = SilenceMeter(reader)
        self._writer = writer
        self._told = Told()
        """What the agent knows of other nodes."""
        self._asked: dict[type[messages.Heard], asyncio.Future[Any]] = {}
        self._fetches: dict[tuple[int, int], Fetch] = {}
        self._uploads: WeakValueDictionary[tuple[int, int], Upload] = WeakValueDictionary()
        self._heard = 0
        """Number of batches of results that came over this connection."""
        self._log_end = 0
        """Number of bytes in the node's log, as far as the agent has said."""
        self._logged = asyncio.Event()
        self._no_room = False
        """Whether bytes of the log came that could not be kept here."""
        self._shift = 0
        """What is added to offsets of the spool that the agent names."""
        self._bye = False
        self.left = ""
        """What the node's agent could not remove when it said good-bye, and why."""
        self._ahead = 0.0
        """Seconds by which the node's clock is ahead of ours; 0 when it is close enough."""

    # --- the beginning -------------------------------------------------------

    async def greet(self) -> Facts:
        """Say hello; return the agent's hello.

        Raises:
            NodeError: the agent refused us.
            ProtocolError: it is no agent of ours.
            TimeoutError, OSError, asyncio.IncompleteReadError: it does not answer.
        """
        try:
            async with asyncio.timeout(GREET_LIMIT_S):
                return await self._greet()
        except TimeoutError:
            raise _unanswered(GREET_LIMIT_S) from None

    async def _greet(self) -> Facts:
        job, asked = self._job, self._job.clock.now()
        self.tell(["hello", {"v": frames.VERSION, "job": job.job, "epoch": job.epoch}])
        kind, body = await frames.read(self._reader)
        first = frames.messages(body) if kind == frames.MESSAGES else []
        answer = self._read(first[0]) if first else None
        if isinstance(answer, messages.Refused):
            raise NodeError(f"the agent refused us: {answer.why}", where=self._name)
        if not isinstance(answer, messages.Hello):
            raise ProtocolError("it does not begin with a hello")
        facts = answer.facts
        self._ahead = facts["ahead"] = self._clock_error(asked, facts)
        self._log_end = facts.get("spool", 0)
        self._shift = self._sink.shift  # results from before lie where that agent wrote them
        self._sink.begin(facts["instance"], self._log_end)
        for message in first[1:]:
            self._hear(self._read(message))
        while self._heard < facts.get("unacked", 0):
            await self._hear_frame()
        self._shift = self._sink.shift
        return facts

    def _clock_error(self, asked: float, facts: Facts) -> float:
        """Return the seconds by which the node's clock is ahead; 0 when it is close enough.

        Half of the round trip cannot be known.
        """
        answered = self._job.clock.now()
        ahead = facts.get("time", answered) - (asked + answered) / 2
        sure = CLOCK_OFF_S + (answered - asked) / 2
        return round(ahead, 3) if abs(ahead) > sure else 0.0

    # --- telling -------------------------------------------------------------

    def tell(self, *said: list[Any]) -> None:
        """Send messages. When the connection is broken, `listen` notices it."""
        try:
            self._writer.write(frames.pack(said))
        except (BatchioError, OSError):
            return

    def start(self, items: list[list[Any]], roster: Roster) -> None:
        """Queue attempts on the agent, after telling it which nodes came and went."""
        members, self._told = roster.news(self._told)
        if members is not None:
            self.tell(["members", members])
        for at in range(0, len(items), frames.BATCH):
            self.tell(["start", items[at : at + frames.BATCH]])

    def fetch(self, task: int, attempt: int, known: int) -> Fetch:
        """Ask for an attempt's outputs, from byte `known` of the stream on."""
        stream = self._fetches[task, attempt] = Fetch()
        self.tell(["fetch", task, attempt, known] if known else ["fetch", task, attempt])
        return stream

    def upload(self, task: int, attempt: int) -> Upload:
        """Return what gives orders about storing an attempt's outputs; it has given none yet."""
        upload = self._uploads[task, attempt] = Upload(task, attempt, self.tell)
        return upload

    async def ask(self, message: list[Any], kind: type[T]) -> T:
        """Send a message and return the answer of this kind; `listen` goes on meanwhile."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asked[kind] = answer
        try:
            self.tell(message)
            return await answer
        finally:
            del self._asked[kind]

    async def ping(self) -> None:
        """Send a ping every PING_EVERY_S seconds, so that the agent knows that its head lives.

        Raises:
            TimeoutError: the agent hangs: the connection is there, and nothing comes.
        """
        beat = 0
        while self._reader.count_ping() <= UNANSWERED:
            beat += 1
            self.tell(["ping", beat])
            if self._no_room:  # there may be some again
                self._no_room = False
                self._pull()
            await self._job.clock.sleep(PING_EVERY_S)
        raise _unanswered(UNANSWERED * PING_EVERY_S)

    # --- listening -----------------------------------------------------------

    async def listen(self) -> None:
        """Handle all messages of the agent; return when it has said good-bye.

        Raises:
            Unreachable, OSError, asyncio.IncompleteReadError: the connection broke.
            ProtocolError: what comes is not what an agent of ours says.
        """
        if self._sink.spool is None:
            self._pull()
        while not self._bye:
            await self._hear_frame()

    async def _hear_frame(self) -> None:
        kind, body = await frames.read(self._reader)
        if kind == frames.MESSAGES:
            for message in frames.messages(body):
                self._hear(self._read(message))
        elif kind == frames.LOG:
            await self._keep_log(*frames.log_chunk(body))
        elif kind == frames.OUTPUT:
            task, attempt, data = frames.output_chunk(body)
            if stream := self._fetches.get((task, attempt)):
                await stream.put(data)

    async def _keep_log(self, offset: int, data: memoryview) -> None:
        """Keep what was printed, and ask for more; while there is no room the node keeps it."""
        try:
            await self._sink.write(offset, data)
        except OSError as err:
            self._no_room = True
            why = err.strerror or type(err).__name__
            self._remarks.hold(
                f"{self._name}: the output of its tasks cannot be saved here for now: {why}"
            )
            return
        self._remarks.go_on(f"{self._name}: the output of its tasks is saved again")
        self._logged.set()
        self.tell(["logged", self._sink.safe()])
        self._pull()

    def _read(self, message: object) -> messages.Heard | None:
        return messages.read(message, len(self._job.spec.tasks))

    def _pull(self) -> None:
        self.tell(["pull", self._sink.size(), frames.LIMIT // 8])

    def _hear(self, message: messages.Heard | None) -> None:
        now, post, node = self._job.clock.now(), self._job.post, self._node
        match message:
            case messages.Done(seq, records):
                self._heard += 1
                self._log_end = max([self._log_end, *(record.log_to for record in records)])
                post(ev.TasksFinished(now, node, seq, self._corrected(records, now)))
            case messages.Started(tasks):
                begun = [[task, attempt, self._ours(at, now)] for task, attempt, at in tasks]
                post(ev.TasksStarted(now, node, begun))
            case messages.Returned(tasks):
                post(ev.TasksReturned(now, node, tasks))
            case messages.Trouble(text, waits):
                self._remark(f"{self._name}: {text}", waits)
            case messages.Fetched(task, attempt, _, size, crc):
                if stream := self._fetches.pop((task, attempt), None):
                    stream.end((size, crc))
            case messages.Listed() | messages.PiecesStored() | messages.Unstored():
                if upload := self._uploads.get((message.task, message.attempt)):
                    upload.hear(message)
            case messages.Pong(_, stats):
                self._loads.show(node, stats)
            case messages.Bye(left):
                self._bye = True
                self.left = left
            case messages.Prepared() | messages.Imaged():
                answer = self._asked.get(type(message))
                if answer is not None and not answer.done():
                    answer.set_result(message)
            case messages.Refused(why):  # asked again, it would refuse again, for ever
                raise ProtocolError(f"it refuses what it is told: {why}")
            case messages.Hello() | None:
                pass

    def _remark(self, text: str, waits: bool | None) -> None:
        if waits:
            self._remarks.hold(text)
        elif waits is False:
            self._remarks.go_on(text)
        else:
            self._remarks.add(text)

    def _corrected(self, records: list[Ended], now: float) -> list[Ended]:
        """Return the records with times by the head's clock instead of the node's."""
        ours, shift = self._ours, self._shift
        return [
            r._replace(
                started=ours(r.started, now),
                ended=ours(r.ended, now),
                log_from=r.log_from + shift,
                log_to=r.log_to + shift,
            )
            for r in records
        ]

    def _ours(self, at: float, now: float) -> float:
        """Return a node's time by our clock; none lies ahead of us, even if its clock was set."""
        return min(max(at - self._ahead, 0.0), now + CLOCK_OFF_S)

    # --- the end -------------------------------------------------------------

    async def say_goodbye(self, *, keep: bool) -> str:
        """Wait for the last log bytes and say good-bye; `listen` goes on meanwhile.

        Returns what did not arrive, or "".
        """
        left = ""
        try:
            while self._sink.spool is None and self._sink.size() < self._log_end:
                self._logged.clear()
                async with asyncio.timeout(STALL_LIMIT_S):
                    await self._logged.wait()
        except TimeoutError:
            left = "its last lines of output did not arrive"
        with suppress(TimeoutError):  # what is kept here is copied by a later head
            async with asyncio.timeout(STALL_LIMIT_S):
                await self._sink.settle()
        self.tell(["bye", keep])
        return left

    def close(self) -> None:
        """Close the connection, and end the downloads and uploads over it."""
        self._writer.close()
        for stream in self._fetches.values():
            stream.end()
        self._fetches.clear()
        for upload in list(self._uploads.values()):
            upload.end()


def _unanswered(seconds: float) -> TimeoutError:
    return TimeoutError(f"its agent has not answered for {seconds:.0f} s")

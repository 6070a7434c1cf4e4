"""What every agent must do, the one that runs programs and the one that tests are made of."""

from __future__ import annotations

import asyncio
import io
import tarfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from batchio.runtime import frames
from batchio.runtime.bootstrap import bootstrap, remove
from batchio.runtime.clock import RealClock
from batchio.testing import Attempt, Ends, ScriptedNode
from batchio.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from batchio.ports import ByteReader, ByteWriter, Transport

    Scene = Callable[["Node"], Coroutine[Any, Any, None]]
    Play = Callable[[Scene], None]

HOME = "j.0"
PATIENCE_S = 20.0
LONG = "sleep 1000"

PROGRAM = f"""
case $BATCHIO_TASK_ID in
  0) echo hello ;;
  1) echo oh no >&2; exit 3 ;;
  2) echo kept > a.txt ;;
  *) exec {LONG} ;;
esac
"""


def script(attempt: Attempt) -> Ends:
    """What PROGRAM does."""
    match attempt.task:
        case 0:
            return Ends(seconds=0, stdout=b"hello\n")
        case 1:
            return Ends(exit=3, seconds=0, stdout=b"oh no\n")
        case 2:
            return Ends(seconds=0, leaves={"a.txt": b"kept\n"})
        case _:
            return Ends(seconds=1000)


@dataclass
class Talk:
    """A head's end of one connection."""

    reader: ByteReader
    writer: ByteWriter
    others: list[list[Any]] = field(default_factory=list)
    """Messages that nobody has waited for yet."""
    records: dict[int, list[Any]] = field(default_factory=dict)
    log: bytes = b""
    tar: bytes = b""

    def say(self, *messages: list[Any]) -> None:
        self.writer.write(frames.pack(messages))

    def start(self, *tasks: int, slots: int = 2, **setup: Any) -> None:
        self.say(["setup", {"argv": [PROGRAM], "shell": True, "slots": slots, "grace": 5, **setup}])
        self.say(["start", [[task, 1, task, None] for task in tasks]])

    async def hear(self, tag: str) -> list[Any]:
        """The next message with this tag."""
        while True:
            for message in self.others:
                if message[0] == tag:
                    self.others.remove(message)
                    return message
            kind, body = await frames.read(self.reader)
            if kind == frames.MESSAGES:
                self.others += frames.messages(body)
            elif kind == frames.LOG:
                self.log += bytes(frames.log_chunk(body)[1])
            else:
                self.tar += bytes(frames.output_chunk(body)[2])

    async def hello(self, epoch: int = 1) -> dict[str, Any]:
        self.say(["hello", {"v": frames.VERSION, "job": "j", "epoch": epoch}])
        facts: dict[str, Any] = (await self.hear("hello"))[1]
        return facts

    async def done(self, task: int) -> list[Any]:
        """The next record of this task."""
        while task not in self.records:
            _, _, records = await self.hear("done")
            self.records |= {record[0]: record for record in records}
        return self.records.pop(task)

    async def quiet(self) -> None:
        """All that was said before is obeyed, and all that was answered is here."""
        self.say(["ping", 1])
        await self.hear("pong")

    async def ended(self) -> bool:
        """Whether the other side hangs up."""
        with pytest.raises(asyncio.IncompleteReadError):
            await self.hear("nothing")
        return True


class Node:
    """A way to a node, and its agent."""

    def __init__(self, way: Transport, base: str) -> None:
        self.way = way
        self.base = base
        self.talks: list[Talk] = []

    async def connect(self) -> Talk:
        address = await bootstrap(self.way, home_name=HOME, base=self.base)
        self.talks.append(Talk(*await self.way.open_unix(address.socket)))
        return self.talks[-1]

    async def greeted(self, epoch: int = 1) -> Talk:
        talk = await self.connect()
        await talk.hello(epoch)
        return talk


@pytest.fixture(params=["real", "scripted"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Plays a scene with an agent, and takes it away."""

    async def whole(scene: Scene) -> None:
        way: Transport = LocalTransport()
        if request.param == "scripted":
            way = ScriptedNode("n0", RealClock(), script).connect()
        node = Node(way, str(tmp_path))
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scene(node)
        finally:
            for talk in node.talks:
                talk.writer.close()
            await remove(way, HOME, base=str(tmp_path))
            await way.close()

    return lambda scene: asyncio.run(whole(scene))


def test_it_says_hello_with_what_a_head_must_know(play: Play) -> None:
    async def scene(node: Node) -> None:
        facts = await (await node.connect()).hello(3)
        kinds = {key: type(facts[key]) for key in FACTS}
        assert kinds == FACTS
        assert (facts["v"], facts["epoch"], facts["unacked"], facts["spool"]) == (
            frames.VERSION,
            3,
            0,
            0,
        )

    play(scene)


FACTS = {
    "v": int, "instance": str, "pid": int, "epoch": int, "python": str, "hostname": str,
    "cpus": int, "memory": int, "gpus": int, "address": str, "boot_id": str, "namespace": int,
    "arch": str, "time": float, "spool": int, "unacked": int, "limits": dict,
}  # fmt: skip


def test_an_attempt_ends_with_a_record_of_thirteen_fields(play: Play) -> None:
    async def scene(node: Node) -> None:
        talk = await node.greeted()
        talk.start(0, 1)
        good, bad = await talk.done(0), await talk.done(1)
        assert [len(good), len(bad)] == [13, 13]
        assert [good[:4], bad[:4]] == [[0, 1, 0, ""], [1, 1, 3, ""]]
        assert good[4] <= good[5]
        assert [good[12], bad[12]] == ["", "oh no"]

    play(scene)


def test_what_it_printed_is_pulled(play: Play) -> None:
    async def scene(node: Node) -> None:
        talk = await node.greeted()
        talk.say(["pull", 0, 1 << 20])
        talk.start(0)
        record = await talk.done(0)
        while len(talk.log) < record[9]:
            talk.say(["pull", len(talk.log), 1 << 20])
            await talk.quiet()
        assert talk.log[record[8] : record[9]][20:] == b"hello\n"

    play(scene)


def test_what_it_left_is_fetched(play: Play) -> None:
    async def scene(node: Node) -> None:
        talk = await node.greeted()
        talk.start(2)
        record = await talk.done(2)
        assert record[10:12] == [1, 5]
        talk.say(["fetch", 2, 1])
        _, *what, size, _ = await talk.hear("fetched")
        assert (what, size) == ([2, 1, 1], len(talk.tar))
        with tarfile.open(fileobj=io.BytesIO(talk.tar)) as tar:
            assert tar.getnames() == ["a.txt"]

    play(scene)


@pytest.mark.parametrize("known", [1, 512, 700, -1, 0, 5000])
def test_of_what_was_fetched_before_only_the_rest_is_sent(play: Play, known: int) -> None:
    async def scene(node: Node) -> None:
        talk = await node.greeted()
        talk.start(2)
        await talk.done(2)
        talk.say(["fetch", 2, 1])
        fetched, whole = await talk.hear("fetched"), talk.tar
        talk.writer.close()

        again, had = await node.greeted(), known if known > 0 else len(whole) + known
        again.say(["fetch", 2, 1, had])
        assert await again.hear("fetched") == fetched
        assert again.tar == whole[had:]
        again.say(["fetch", 2, 1])
        assert await again.hear("fetched") == fetched
        assert again.tar == whole[had:] + whole
        assert fetched[4:] == [len(whole), zlib.crc32(whole)]

    play(scene)


def test_what_runs_and_what_waits_is_stopped_with_the_reason(play: Play) -> None:
    async def scene(node: Node) -> None:
        talk = await node.greeted()
        talk.start(7, 8, slots=1)
        await talk.hear("started")
        talk.say(["stop", [[8, 1], [7, 1]], "cancelled"])
        records = [await talk.done(8), await talk.done(7)]
        assert [record[:4] for record in records] == [
            [8, 1, -15, "cancelled"], [7, 1, -15, "cancelled"],
        ]  # fmt: skip

    play(scene)


def test_what_waits_is_given_back_and_what_runs_is_not(play: Play) -> None:
    async def scene(node: Node) -> None:
        talk = await node.greeted()
        talk.start(7, 8, slots=1)
        await talk.hear("started")
        talk.say(["recall", [[7, 1], [8, 1], [9, 1]]])
        assert await talk.hear("returned") == ["returned", [[8, 1]]]

    play(scene)


def test_a_task_that_is_out_of_time_says_so(play: Play) -> None:
    async def scene(node: Node) -> None:
        talk = await node.greeted()
        talk.start(7, timeout=0.05)
        assert (await talk.done(7))[2:4] == [-15, "timed_out"]

    play(scene)


def test_a_known_attempt_is_not_run_again(play: Play) -> None:
    async def scene(node: Node) -> None:
        talk = await node.greeted()
        talk.start(7)
        started = await talk.hear("started")
        talk.start(0, 7)
        assert started[1][0] in (await talk.hear("started"))[1]
        first = await talk.done(0)
        talk.start(0)
        assert await talk.done(0) == first

    play(scene)


def test_results_are_said_again_until_they_are_acknowledged(play: Play) -> None:
    async def scene(node: Node) -> None:
        talk = await node.greeted()
        talk.start(0)
        record = await talk.done(0)
        talk.writer.close()

        talk = await node.connect()
        assert (await talk.hello())["unacked"] == 1
        _, seq, records = await talk.hear("done")
        assert records == [record]
        talk.say(["ack", seq])
        await talk.quiet()
        talk.writer.close()

        assert (await (await node.connect()).hello())["unacked"] == 0

    play(scene)


def test_what_runs_goes_on_when_the_connection_breaks(play: Play) -> None:
    async def scene(node: Node) -> None:
        talk = await node.greeted()
        talk.start(7)
        await talk.hear("started")
        talk.writer.close()

        again = await node.greeted()
        again.say(["start", [[7, 1, 7, None]]])
        assert (await again.hear("started"))[1][0][:2] == [7, 1]

    play(scene)


def test_a_newer_head_takes_over_and_an_older_one_is_refused(play: Play) -> None:
    async def scene(node: Node) -> None:
        old, new = await node.greeted(1), await node.greeted(2)
        assert await old.ended()
        late = await node.connect()
        late.say(["hello", {"v": frames.VERSION, "job": "j", "epoch": 1}])
        assert (await late.hear("refused"))[0] == "refused"
        assert await late.ended()
        await new.quiet()

    play(scene)


def test_told_to_leave_it_stops_all_and_is_another_one_afterwards(
    play: Play,
) -> None:
    async def scene(node: Node) -> None:
        talk = await node.connect()
        before = (await talk.hello())["instance"]
        talk.start(7)
        await talk.hear("started")
        talk.say(["bye", True])
        assert (await talk.done(7))[2:4] == [-15, "bye"]
        await talk.hear("bye")
        assert await talk.ended()

        facts = await (await node.connect()).hello(2)
        assert facts["instance"] != before
        assert facts["unacked"] == 1

    play(scene)


def test_a_host_setup_script_is_answered(play: Play) -> None:
    async def scene(node: Node) -> None:
        talk = await node.greeted()
        talk.say(["prepare", "true", 10])
        assert (await talk.hear("prepared"))[1] == 0

    play(scene)

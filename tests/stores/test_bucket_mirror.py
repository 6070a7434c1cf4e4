"""What tasks print reaches whoever looks on from elsewhere, whole and once, and at what cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.errors import JournalDown
from batchio.stores import bucket_mirror
from batchio.stores.bucket_logs import BucketLogs
from batchio.stores.bucket_mirror import BucketSink, Mirror
from batchio.stores.head_words import HeadWords, said
from batchio.stores.log_records import HEADER, STDOUT
from batchio.stores.logs import LINES, RAW, LogFollower, all_printed, last_lines, node_printed
from tests.effort import examples
from tests.stores.moody import JOB, MOODS, Mood, MoodyBucket, bucket_with_job
from tests.stores.spools import texts

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.buckets.blocking import Bucket

NOW = 18 * 10**14


class Head:
    """One head on a computer, which pulls from agents whose spools are kept in memory."""

    def __init__(
        self, bucket: Bucket, copy: Path, epoch: int, spools: dict[int, bytearray]
    ) -> None:
        self.mirror = Mirror(bucket, JOB, copy, epoch)
        self._folder = copy / "logs"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.spools = spools
        self.sinks: dict[int, BucketSink] = {}

    def sink(self, node: int) -> BucketSink:
        if node not in self.sinks:
            self.sinks[node] = BucketSink(self.mirror, node, self._folder / str(node), local=False)
            self.sinks[node].begin("an agent", len(self.spools[node]))
        return self.sinks[node]

    def pull(self, node: int, most: int | None = None) -> None:
        start = self.sink(node).size()
        stop = None if most is None else start + most
        data = memoryview(bytes(self.spools[node][start:stop]))
        asyncio.run(self.sink(node).write(start, data))


def record(task: int, text: bytes, time: int = NOW) -> bytes:
    return HEADER.pack(len(text), task, 1, STDOUT, 0, time) + text


def printed(bucket: Bucket, folder: Path, node: int) -> bytes:
    logs = BucketLogs(bucket, JOB, folder)
    return b"".join(piece.data for piece in node_printed(logs, RAW, node))


ACTIONS = ("print", "pull", "part", "flush", "seal", "again", "elsewhere", "close", "look")


@examples(150)
@given(seed=st.integers(0, 10**9))
def test_whoever_dies_and_wherever_heads_run_each_line_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    dice, root, bucket = Random(seed), tmp_path_factory.mktemp("copies"), bucket_with_job()
    spools = {node: bytearray() for node in range(3)}
    wanted = {node: b"" for node in spools}
    epoch = count = 1
    head = Head(bucket, root / "0", epoch, spools)
    follower, seen = LogFollower(BucketLogs(bucket, JOB, root / "f"), LINES), list[str]()
    for _ in range(dice.randrange(60)):
        node = dice.randrange(3)
        match dice.choice(ACTIONS):
            case "print":
                text, count = b"%d\n" % count, count + 1
                wanted[node] += text
                spools[node] += record(node, text)
            case "pull":
                head.pull(node)
            case "part":
                head.pull(node, dice.randrange(40))
            case "flush":
                head.mirror.flush()
            case "seal":
                head.mirror.seal()
            case "close":
                head.mirror.close()
            case "again":
                epoch += 1
                head = Head(bucket, root / str(dice.randrange(3)), epoch, spools)
            case "elsewhere":
                epoch += 1
                head = Head(bucket, root / f"new {epoch}", epoch, spools)
            case "look":
                seen += texts(follower.poll())
    for node in spools:
        assert head.sink(node).safe() <= head.sink(node).size() <= len(spools[node])
        head.pull(node)
    head.mirror.close()

    for node in spools:
        assert head.sink(node).safe() == len(spools[node])
        assert printed(bucket, root / "r", node) == wanted[node]
    lines = sorted(text for data in wanted.values() for text in data.decode().split())
    assert sorted(seen + texts(follower.poll())) == lines
    assert sorted(texts(all_printed(BucketLogs(bucket, JOB, root / "r"), LINES))) == lines
    assert bucket.keys(f"jobs/{JOB}/live/") == []


@pytest.mark.parametrize("mood", MOODS)
def test_no_line_is_lost_or_doubled_whatever_becomes_of_an_answer(
    tmp_path: Path, mood: Mood
) -> None:
    bucket = bucket_with_job()
    moody = MoodyBucket(bucket)
    asked = 0

    def every_second(verb: str, key: str) -> Mood:
        nonlocal asked
        asked += 1
        return mood if asked % 2 else "well"

    spools = {0: bytearray()}
    head = Head(cast("Bucket", moody), tmp_path / "copy", 1, spools)
    moody.mood = every_second
    for n in range(20):
        spools[0] += record(0, b"%d\n" % n)
        head.pull(0)
        for _ in range(10):
            try:
                head.mirror.flush()
                if n % 5 == 4:
                    head.mirror.seal()
            except JournalDown:
                continue
            break
    moody.mood = lambda verb, key: "well"
    head.mirror.close()

    assert printed(bucket, tmp_path / "r", 0).split() == [b"%d" % n for n in range(20)]


class Cut(Exception):
    """The head's process has ended in the middle of a request."""


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_a_head_that_dies_while_it_seals_loses_nothing(
    tmp_path: Path, *, carried_out: bool
) -> None:
    fatal, died = 0, True
    while died:
        fatal, died, asked = fatal + 1, False, 0
        bucket = bucket_with_job()
        moody = MoodyBucket(bucket)
        spools = {0: bytearray()}
        head = Head(cast("Bucket", moody), tmp_path / f"{fatal}", 1, spools)
        for n in range(4):
            spools[0] += record(0, b"%d\n" % n)
            head.pull(0)
            head.mirror.flush()
            if n == 1:
                head.mirror.seal()

        def mood(verb: str, key: str, fatal: int = fatal) -> Mood:
            nonlocal asked
            asked += 1
            if asked > fatal or (asked == fatal and not carried_out):
                raise Cut
            return "well"

        moody.mood = mood
        try:
            head.mirror.close()
            died = asked >= fatal
        except Cut:
            died = True
        read = printed(bucket, tmp_path / "r", 0)
        later = Head(bucket, tmp_path / f"{fatal} later", 2, spools)
        later.pull(0)
        later.mirror.close()

        assert read == printed(bucket, tmp_path / "r", 0) == b"0\n1\n2\n3\n"
        assert bucket.keys(f"jobs/{JOB}/live/") == []

    assert fatal > 3, "sealing asks the bucket for several things"


@pytest.mark.parametrize("before", [False, True], ids=["first look", "later look"])
def test_who_reads_while_logs_are_sealed_misses_no_line(tmp_path: Path, *, before: bool) -> None:
    moment, asked = 1, 1
    while moment <= asked:
        bucket, folder = bucket_with_job(), tmp_path / str(moment)
        spools = {0: bytearray(record(0, b"one\n"))}
        head, moody = Head(bucket, folder / "here", 1, spools), MoodyBucket(bucket)
        logs = BucketLogs(cast("Bucket", moody), JOB, folder / "there")
        if before:
            logs.catch_up()
        moody.requests.clear()
        head.pull(0)
        head.mirror.flush()

        def seal(*_: str, head: Head = head, moody: MoodyBucket = moody, at: int = moment) -> Mood:
            if len(moody.requests) == at:
                head.mirror.seal()
            return "well"

        moody.mood = seal
        logs.catch_up(over=True)
        asked = len(moody.requests)
        assert texts(all_printed(logs, LINES)) == ["one"], f"sealed at request {moment}"
        moment += 1

    assert moment > 3


@pytest.mark.asyncio
async def test_an_agent_is_told_to_forget_only_what_is_in_the_bucket(tmp_path: Path) -> None:
    moody = MoodyBucket(bucket_with_job())
    spools = {0: bytearray(record(0, b"a line\n"))}
    head = Head(cast("Bucket", moody), tmp_path, 1, spools)
    sink = head.sink(0)
    await sink.write(0, memoryview(bytes(spools[0])))
    assert (sink.size(), sink.safe()) == (len(spools[0]), 0)

    asked = asyncio.Event()

    def down(verb: str, key: str) -> Mood:
        asyncio.run_coroutine_threadsafe(_set(asked), loop)
        return "down"

    loop = asyncio.get_running_loop()
    moody.mood = down
    waiting = asyncio.create_task(sink.settle())
    await asked.wait()
    assert sink.safe() == 0
    moody.mood = lambda verb, key: "well"
    await waiting

    assert sink.safe() == len(spools[0])


async def _set(event: asyncio.Event) -> None:
    event.set()


def test_a_record_that_is_being_written_waits_for_its_rest(tmp_path: Path) -> None:
    bucket, line = bucket_with_job(), record(0, b"whole\n")
    head = Head(bucket, tmp_path, 1, {0: bytearray(line + line[:-3])})
    head.pull(0)
    head.mirror.flush()
    assert head.sink(0).safe() == len(line)

    head.spools[0] += line[-3:]
    head.pull(0)
    head.mirror.flush()
    assert texts(all_printed(BucketLogs(bucket, JOB, tmp_path), LINES)) == ["whole", "whole"]


# --- what it costs -----------------------------------------------------------


def asked(moody: MoodyBucket) -> Counter[str]:
    """The requests since the last time, by verb."""
    found = Counter(verb for verb, _ in moody.requests)
    moody.requests.clear()
    return found


def a_thousand(tmp_path: Path) -> tuple[MoodyBucket, Head]:
    moody = MoodyBucket(bucket_with_job())
    spools = {node: bytearray() for node in range(1000)}
    return moody, Head(cast("Bucket", moody), tmp_path / "copy", 1, spools)


def print_all(head: Head, turn: int) -> None:
    for node, spool in head.spools.items():
        spool += record(node, b"turn %d of %d\n" % (turn, node), NOW + turn * 1000 + node)
        folder = head._folder / str(node)
        folder.mkdir(exist_ok=True)
        (folder / f"{0:020d}").write_bytes(spool)


def test_what_a_thousand_nodes_print_is_one_object_a_flush_and_few_to_read(tmp_path: Path) -> None:
    moody, head = a_thousand(tmp_path)
    for turn in range(2):
        print_all(head, turn)
        head.mirror.flush()
        head.mirror.flush()
    assert asked(moody) == {"put_new": 2}

    logs = BucketLogs(cast("Bucket", moody), JOB, tmp_path)
    assert len(list(all_printed(logs, LINES))) == 2000
    assert sum(asked(moody).values()) <= 7
    head.mirror.close()
    assert asked(moody) == {"put": 1, "delete": 1}

    shown = last_lines(BucketLogs(cast("Bucket", moody), JOB, tmp_path), 100)
    assert texts(shown) == [f"turn 1 of {node}" for node in range(900, 1000)]
    assert sum(asked(moody).values()) <= 6


def test_a_follower_asks_once_a_look_and_gives_a_sign_now_and_then(tmp_path: Path) -> None:
    moody, head = a_thousand(tmp_path)
    follower = LogFollower(BucketLogs(cast("Bucket", moody), JOB, tmp_path), LINES)
    assert follower.poll() == []
    asked(moody)
    for _ in range(5):
        follower.poll([1, 2, 3])

    assert asked(moody) == {"get": 5, "put": 1}
    head.mirror._looked = -1000.0
    assert head.mirror._followed(0.0)


def test_live_objects_are_sealed_when_there_are_many_bytes_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_mirror, "SEAL_BYTES", 3000)
    bucket = bucket_with_job()
    head = Head(bucket, tmp_path / "copy", 1, {0: bytearray()})
    follower = LogFollower(BucketLogs(bucket, JOB, tmp_path), LINES)
    seen = []
    for n in range(300):
        head.spools[0] += record(0, b"line %d\n" % n)
        head.pull(0)
        head.mirror.flush()
        seen += texts(follower.poll() if n % 50 == 49 else [])
    head.mirror.close()

    assert 3 <= len(bucket.keys(f"jobs/{JOB}/logs/")) <= 20
    assert seen == [f"line {n}" for n in range(300)]
    assert texts(all_printed(BucketLogs(bucket, JOB, tmp_path), LINES)) == seen


# --- the head's own words ----------------------------------------------------


def test_what_heads_said_is_read_in_their_order_from_anywhere(tmp_path: Path) -> None:
    bucket, here, there = bucket_with_job(), tmp_path / "here", tmp_path / "there"
    for copy, epoch in ((here, 1), (there, 2), (here, 3)):
        copy.mkdir(exist_ok=True)
        with (copy / "head.log").open("a") as log:
            log.write(f"head {epoch} begins\n")
        words = HeadWords(bucket, JOB, copy, epoch)
        words.copy()
        with (copy / "head.log").open("a") as log:
            log.write("and ends\n")
        words.copy(last=True)
        words.copy(last=True)

    told = "".join(f"head {epoch} begins\nand ends\n" for epoch in (1, 2, 3))
    assert said(bucket, JOB, here) == said(bucket, JOB, tmp_path / "nowhere") == told
    with (here / "head.log").open("a") as log:
        log.write("no head could begin\n")
    assert said(bucket, JOB, here) == f"{told}no head could begin\n"

"""Logs are followed to the end of the job, and quiet nodes are left alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core import events as ev
from batchio.core.plan import Offer
from batchio.errors import HeadGone, JournalDown
from batchio.stores.log_records import HEADER, STDOUT
from batchio.stores.logs import LINES, LogLine
from batchio.tasklogs import LOOK_S, Lines, follow
from batchio.testing import FakeClock, MemoryLogs, MemoryWorkspace
from tests.core.builders import record, spec

if TYPE_CHECKING:
    from pathlib import Path

T0 = 1_800_000_000.0
NODES = 3


class Scene:
    """A job with a task on each node, led by nobody but this test."""

    def __init__(self, root: Path, clock: FakeClock) -> None:
        self.clock = clock
        workspace = MemoryWorkspace(root)
        self.store = workspace.job(workspace.submit(spec(NODES), T0))
        self.past = self.store.reader()
        self.logs: MemoryLogs = self.store.logs()
        self.journal = self.store.lead()
        self.seen: list[LogLine] = []
        self.gone: HeadGone | None = None
        offers = [Offer("o", limit=NODES, slots=1).to_json()]
        told: list[ev.Event] = [ev.HeadStarted(T0, 1, "here", 1), ev.OffersListed(T0, offers)]
        told.append(ev.NodesOrdered(T0, 0, [["o", NODES, 1]]))
        for node in range(NODES):
            told += [ev.NodeCreated(T0, node, f"h{node}")]
            told += [ev.NodeGreeted(T0, node, 1, {"hostname": f"n{node}", "instance": "i"})]
            told += [ev.TasksAssigned(T0, node, [[node, 1]])]
            told += [ev.TasksStarted(T0, node, [[node, 1, T0]])]
        self.write(*told)

    def write(self, *events: ev.Event) -> None:
        self.past.keep([ev.encode(event) for event in events])

    def print(self, node: int, data: bytes) -> int:
        """Print on a node; returns where that ends."""
        row = self.logs.rows.setdefault(node, {}).setdefault(0, bytearray())
        row += HEADER.pack(len(data), node, 1, STDOUT, 0, int(self.clock.now() * 1e6)) + data
        return len(row)

    def end(self, node: int, log_to: int) -> None:
        ended = record(node, at=self.clock.now())._replace(log_to=log_to)
        self.write(ev.TasksFinished(self.clock.now(), node, 1, [ended]))

    async def follow(self, **which: Any) -> None:
        try:
            async for line in follow(self.store, Lines(**which), LINES, self.clock):
                self.seen.append(line)
        except HeadGone as err:
            self.gone = err

    @property
    def texts(self) -> list[str]:
        return [line.text for line in self.seen]


@pytest.fixture
def play(tmp_path: Path) -> Any:
    clock = FakeClock(T0)

    async def begun(scene: Any) -> None:
        await scene(Scene(tmp_path, clock))

    return lambda scene: clock.run(begun(scene))


def test_what_is_printed_is_soon_told_however_long_it_was_quiet(play: Any) -> None:
    async def scene(s: Scene) -> None:
        s.print(0, b"before\n")
        following = asyncio.create_task(s.follow())
        for quiet in (0.1, 30.0, 600.0):
            await s.clock.sleep(quiet)
            s.print(1, b"after %d\n" % quiet)
            await s.clock.sleep(2 * s.store.pace.news[1])
            assert s.texts[-1] == f"after {quiet:.0f}"
        following.cancel()

    play(scene)


def test_the_last_words_of_an_attempt_are_told_once_all_of_it_has_come(play: Any) -> None:
    async def scene(s: Scene) -> None:
        following = asyncio.create_task(s.follow())
        end = s.print(0, b"no newline")
        await s.clock.sleep(1)
        assert s.texts == []
        s.end(0, end + HEADER.size + len(b" at all"))  # more of it is still on its way
        await s.clock.sleep(1)
        assert s.texts == []
        s.print(0, b" at all")
        s.print(2, b"begun")
        await s.clock.sleep(1)
        assert s.texts == ["no newline at all"]
        s.write(ev.JobClosed(s.clock.now(), "failed"))
        await following
        assert s.texts == ["no newline at all", "begun"]

    play(scene)


def test_a_quiet_node_is_looked_at_ever_less_often_and_one_without_a_task_not_at_all(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[tuple[float, int]] = []
    whole = MemoryLogs.end

    async def scene(s: Scene) -> None:
        def counted(self: MemoryLogs, node: int) -> int:
            looks.append((s.clock.now(), node))
            return whole(self, node)

        monkeypatch.setattr(MemoryLogs, "end", counted)
        for node in range(NODES):
            s.print(node, b"hello\n")
        s.end(2, len(s.logs.rows[2][0]))
        following = asyncio.create_task(s.follow())
        await s.clock.sleep(100)
        slow = max(s.store.pace.news[1], NODES * LOOK_S)
        late = [node for at, node in looks if at > T0 + 50]
        assert 2 not in late
        assert 50 / slow / 2 <= late.count(0) <= 50 / slow + 1
        following.cancel()

    play(scene)


def test_who_follows_from_the_last_lines_sees_those_and_all_that_comes(play: Any) -> None:
    async def scene(s: Scene) -> None:
        s.print(0, b"a\nb\nc\n")
        following = asyncio.create_task(s.follow(tail=2))
        await s.clock.sleep(1)
        s.print(0, b"d\n")
        await s.clock.sleep(1)
        assert s.texts == ["b", "c", "d"]
        following.cancel()

    play(scene)


def test_following_a_job_that_nobody_runs_says_so(play: Any) -> None:
    async def scene(s: Scene) -> None:
        s.print(0, b"all there is\n")
        await s.journal.close()
        await s.follow()
        assert s.texts == ["all there is"]
        assert s.gone is not None

    play(scene)


@pytest.mark.parametrize("verb", ["read", "end", "catch_up"])
def test_no_line_is_lost_or_told_twice_when_the_store_does_not_answer_for_a_while(
    play: Any, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    whole = getattr(MemoryLogs, verb)
    silent_from, calls = 10**9, 0

    async def scene(s: Scene) -> None:
        nonlocal silent_from

        def unanswered(self: MemoryLogs, *args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= silent_from:
                raise JournalDown("nobody answers")
            return whole(self, *args, **kwargs)

        monkeypatch.setattr(MemoryLogs, verb, unanswered)
        following = asyncio.create_task(s.follow())
        said = []
        for round_ in range(6):
            for node in range(NODES):
                s.print(node, b"%d on %d, " % (round_, node) + b"and so on\n")
                said.append(f"{round_} on {node}, and so on")
            silent_from = calls + round_  # each time after another number of answers
            await s.clock.sleep(60)
            silent_from = 10**9
            await s.clock.sleep(2 * s.store.pace.news[1])
        assert sorted(s.texts) == sorted(said)
        following.cancel()

    play(scene)

"""The wheel: first the journal, then the deed; many events, one write; never late, never early."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core import dispatch
from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.machine import Machine
from batchio.core.plan import Offer
from batchio.core.snapshot import load
from batchio.core.task import Outcome
from batchio.errors import JournalFull, LeaseHeld, WorkspaceError
from batchio.runtime.loop import EngineLoop
from batchio.testing import Ends, FakeClock, MemoryEvents, MemoryJournal
from tests.core.at_once import AtOnce
from tests.core.machines import fingerprint, replay, spec
from tests.runtime.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from batchio.core.spec import JobSpec


class Turning:
    """A wheel with one node, in a world that answers each effect at once.

    What `deeds` says of a kind of effect is done instead.
    """

    def __init__(self, clock: FakeClock, job: JobSpec, slots: int = 2) -> None:
        self.clock = clock
        self.past = MemoryEvents("j1", [])
        self.past.keep([ev.encode(ev.JobSubmitted(clock.now(), "j1", job.to_json()))])
        self.machine = replay([body for _, body in self.past.read()])
        self.wheel = EngineLoop(self.machine, MemoryJournal(self.past), clock)
        self.performed: list[tuple[int, ef.Effect]] = []
        """Each effect, and how many batches were journaled before it."""
        self.deeds: dict[type[ef.Effect], Callable[[Any], None]] = {}
        self.world = AtOnce([Offer("host", slots=slots)], slots)

    async def run(self, perform: Callable[[ef.Effect], None] | None = None) -> None:
        first = [ev.HeadStarted(self.clock.now(), 1, "here", 1)]
        await self.wheel.run(perform or self.perform, first)

    def perform(self, effect: ef.Effect) -> None:
        self.performed.append((len(self.past.batches), effect))
        self.deeds.get(type(effect), self.answer)(effect)

    def answer(self, effect: ef.Effect) -> None:
        for fact in self.world.answer(effect, self.clock.now()):
            self.wheel.post(fact)

    def end(self, node: int, pairs: list[list[int]], code: int = 0, reason: str = "") -> None:
        self.wheel.post(self.world.ended(node, pairs, self.clock.now(), code, reason))

    def journaled(self, kind: type[ev.Event]) -> list[Any]:
        return [event for _, event in self.past.events() if isinstance(event, kind)]


def turn(job: JobSpec, scene: Callable[[Turning], Coroutine[Any, Any, None]]) -> Turning:
    """Play a scene with a wheel, in made-up time."""
    clock = FakeClock()
    turning = Turning(clock, job)
    clock.run(scene(turning))
    return turning


def tags(past: MemoryEvents) -> list[list[str]]:
    return [[json.loads(body)[0] for body in batch] for batch in past.batches]


# --- first the journal -----------------------------------------------------------------


def test_what_happened_and_what_was_decided_are_written_together() -> None:
    turning = turn(spec(2), Turning.run)

    assert tags(turning.past) == [
        ["job"],
        ["head"],
        ["offers", "order"],
        ["created"],
        ["greeted", "a"],
        ["f", "released"],
        ["deleted", "closed"],
    ]


def test_nothing_is_begun_before_all_that_led_to_it_is_in_the_journal() -> None:
    async def scene(turning: Turning) -> None:
        turning.past.seconds = 0.01

        def perform(effect: ef.Effect) -> None:
            written = replay([body for _, body in turning.past.read()])
            assert fingerprint(written) == fingerprint(turning.machine)
            turning.perform(effect)

        await turning.run(perform)

    turning = turn(spec(5, max_retries=1), scene)

    assert turning.machine.outcome is Outcome.SUCCEEDED
    assert len(turning.performed) > 6


def test_whoever_looks_on_is_told_after_the_journal_and_before_the_deed() -> None:
    async def scene(turning: Turning) -> None:
        told: list[list[str]] = []

        def watch(batch: list[ev.Event]) -> None:
            told.append([ev.encode(event) for event in batch])
            assert turning.past.batches[1:] == told

        def perform(effect: ef.Effect) -> None:
            assert turning.past.batches[1:] == told
            turning.perform(effect)

        first = [ev.HeadStarted(turning.clock.now(), 1, "here", 1)]
        await turning.wheel.run(perform, first, [watch])
        assert len(told) > 3

    turn(spec(2), scene)


def refuse(past: MemoryEvents) -> None:
    past.full = True


@pytest.mark.parametrize(
    ("refuse", "error"), [(refuse, JournalFull), (MemoryEvents.take_over, LeaseHeld)]
)
def test_when_the_journal_refuses_nothing_is_begun_that_it_does_not_tell(
    refuse: Callable[[MemoryEvents], None], error: type[WorkspaceError]
) -> None:
    whole = turn(spec(2), Turning.run)

    for most in range(2, len(whole.past.batches)):

        async def scene(turning: Turning, most: int = most) -> None:
            def perform(effect: ef.Effect) -> None:
                turning.perform(effect)
                if len(turning.past.batches) == most:
                    refuse(turning.past)

            with pytest.raises(error):
                await turning.run(perform)

        cut = turn(spec(2), scene)
        assert cut.past.batches == whole.past.batches[:most]
        assert cut.performed == [one for one in whole.performed if one[0] <= most]


# --- many events, one write --------------------------------------------------------------


def test_all_that_comes_during_a_write_is_one_write() -> None:
    async def scene(turning: Turning) -> None:
        turning.past.seconds = 1.0
        running = asyncio.create_task(turning.run(lambda _: None))
        await turning.clock.sleep(0.5)
        for n in range(1000):
            turning.wheel.post(ev.Noted(turning.clock.now(), str(n)))
        await turning.clock.sleep(1.0)
        assert [len(batch) for batch in turning.past.batches] == [1, 1]
        await turning.clock.sleep(1.0)
        running.cancel()

    turning = turn(spec(2), scene)

    assert [len(batch) for batch in turning.past.batches] == [1, 1, 1000]
    assert [note.text for note in turning.journaled(ev.Noted)] == [str(n) for n in range(1000)]


def test_news_that_change_nothing_are_not_written() -> None:
    async def scene(turning: Turning) -> None:
        def twice(effect: ef.ConnectNode) -> None:
            turning.answer(effect)
            turning.answer(effect)

        turning.deeds[ef.ConnectNode] = twice
        await turning.run()

    assert len(turn(spec(2), scene).journaled(ev.NodeGreeted)) == 1


# --- at the right time -------------------------------------------------------------------


def test_a_job_is_timed_out_at_exactly_its_time() -> None:
    async def scene(turning: Turning) -> None:
        turning.deeds[ef.StartTasks] = lambda _: None
        await turning.run()

    turning = turn(spec(2, job_timeout=3600.5), scene)
    [greeted], [over] = turning.journaled(ev.NodeGreeted), turning.journaled(ev.JobTimedOut)

    assert over.at == greeted.at + 3600.5
    assert turning.machine.outcome is Outcome.TIMED_OUT


def test_a_retry_goes_out_when_its_pause_is_over() -> None:
    async def scene(turning: Turning) -> None:
        def fail_once(effect: ef.StartTasks) -> None:
            [[task, number]] = effect.tasks
            turning.end(effect.node, [[task, number]], code=1 if number < 3 else 0)

        turning.deeds[ef.StartTasks] = fail_once
        await turning.run()

    turning = turn(spec(1, max_retries=2, retry_delay=30.0), scene)
    due = [not_before for q in turning.journaled(ev.TasksRequeued) for _, not_before, _ in q.tasks]
    sent = [assigned.at for assigned in turning.journaled(ev.TasksAssigned)]

    assert sent[1:] == due
    assert turning.clock.passed > 60


def test_a_silent_node_is_given_up_at_exactly_its_time() -> None:
    async def scene(turning: Turning) -> None:
        def fall_silent(effect: ef.StartTasks) -> None:
            turning.wheel.post(ev.NodeSilent(turning.clock.now(), effect.node, "gone"))
            del turning.deeds[ef.StartTasks]

        turning.deeds[ef.StartTasks] = fall_silent
        await turning.run()

    turning = turn(spec(1, node_timeout=90.0), scene)
    [silent], [lost] = turning.journaled(ev.NodeSilent), turning.journaled(ev.NodeLost)

    assert lost.at == silent.at + 90.0
    assert turning.machine.outcome is Outcome.SUCCEEDED


def test_a_wheel_without_news_or_times_sleeps() -> None:
    async def scene(turning: Turning) -> None:
        running = asyncio.create_task(turning.run(lambda _: None))
        await turning.clock.sleep(86_400)
        assert len(turning.past.batches) == 2
        running.cancel()

    turn(spec(1), scene)


# --- snapshots ---------------------------------------------------------------------------


@pytest.mark.parametrize(("tasks", "positions"), [(3, [2002, 4002]), (150_000, [3002])])
def test_snapshots_are_made_now_and_then_and_less_often_for_large_jobs(
    tasks: int, positions: list[int]
) -> None:
    async def scene(turning: Turning) -> None:
        running = asyncio.create_task(turning.run(lambda _: None))
        for _ in range(50):
            for _ in range(100):
                turning.wheel.post(ev.Noted(turning.clock.now(), "n"))
            await turning.clock.wait_idle()
        running.cancel()

    turning = turn(spec(tasks), scene)

    assert [position for position, _ in turning.past.snapshots] == positions


def test_a_job_that_is_over_leaves_a_snapshot_of_its_end() -> None:
    turning = turn(spec(2), Turning.run)
    [(position, state)] = turning.past.snapshots
    loaded = load(state)

    assert position == len(turning.past.read())
    assert isinstance(loaded, Machine)
    assert fingerprint(loaded) == fingerprint(turning.machine)


# --- a journal whose writes take long ------------------------------------------------------


@pytest.mark.parametrize(("seconds", "sooner", "fewer"), [(0.0, 1.0, 1.0), (0.05, 0.9, 0.8)])
def test_where_writes_take_long_short_tasks_are_sent_ahead_and_fewer_are_written(
    tmp_path: Path, seconds: float, sooner: float, fewer: float
) -> None:
    def took(horizon_s: float) -> tuple[float, int]:
        job = Job(tmp_path / str(horizon_s), spec(200), lambda _: Ends(seconds=0.25), slots=4)
        job.past.seconds = seconds
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dispatch, "LONGEST_HORIZON_S", horizon_s)
            began = job.clock.now()
            assert job.lead() is Outcome.SUCCEEDED
        return job.clock.now() - began, len(job.past.batches)

    (before_s, before), (after_s, after) = took(0.2), took(5.0)

    assert after <= fewer * before
    assert after_s <= sooner * before_s + 0.001

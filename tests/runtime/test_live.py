"""Looking on: all that is appended is seen once, and a head is missed only when it is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core import events as ev
from batchio.errors import HeadGone, JournalDown
from batchio.runtime.attendance import GONE_AFTER_S
from batchio.runtime.cards import START_LIMIT_S
from batchio.runtime.head import lead
from batchio.runtime.live import Live
from batchio.runtime.patience import PATIENCE_S
from batchio.testing import (
    Ends,
    FakeClock,
    MemoryJobStore,
    MemoryJournal,
    MemoryWorkspace,
    ScriptedProvider,
)
from tests.core.machines import spec
from tests.mortal import MortalStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    Play = Callable[[Callable[["Scene"], Coroutine[Any, Any, None]]], None]


SLOW_S = MemoryJobStore.pace.news[1]


class Scene:
    """A job that nobody runs yet, and somebody who looks on."""

    def __init__(self, root: Path, clock: FakeClock) -> None:
        self.clock = clock
        self.workspace = MemoryWorkspace(root)
        self.job = self.workspace.submit(spec(3), clock.now())
        self.store = self.workspace.job(self.job)
        self.seen: list[ev.Event] = []
        self.gone: HeadGone | None = None

    async def watch(self, at_least: float | None = None) -> None:
        """Look on until the job is done, or its head is gone."""
        async with Live(self.store, self.clock, whole=True) as live:
            self.live = live
            try:
                async for change in live.changes(at_most=0.0, at_least=at_least, must_run=True):
                    self.seen += change.events
            except HeadGone as err:
                self.gone = err

    async def begin(self) -> MemoryJournal:
        """Be its head, so far as that one word is written."""
        journal = self.store.lead()
        await self.write(journal, ev.HeadStarted(self.clock.now(), journal.epoch, "here", 1))
        return journal

    async def write(self, journal: MemoryJournal, *events: ev.Event) -> None:
        await journal.append([ev.encode(event) for event in events])


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays a scene in made-up time."""
    clock = FakeClock()
    return lambda scene: clock.run(scene(Scene(tmp_path, clock)))


def test_whoever_follows_sees_the_whole_job_once_and_in_order(play: Play) -> None:
    async def scene(s: Scene) -> None:
        watching = asyncio.create_task(s.watch())
        provider = ScriptedProvider(s.clock, lambda _: Ends(seconds=20))
        await lead(s.store, lambda _: provider, clock=s.clock)
        await watching
        assert s.gone is None
        assert s.seen == [event for _, event in s.store.reader().events()]

    play(scene)


def test_what_is_appended_is_soon_seen_even_after_a_long_silence(play: Play) -> None:
    async def scene(s: Scene) -> None:
        journal = await s.begin()
        watching = asyncio.create_task(s.watch())
        for quiet in (0.1, 600.0):
            await s.clock.sleep(quiet)
            note = ev.Noted(s.clock.now(), f"after {quiet:g} s")
            await s.write(journal, note)
            await s.clock.sleep(SLOW_S)
            assert s.seen[-1] == note
        watching.cancel()

    play(scene)


def test_a_head_that_has_nothing_to_say_is_not_missed(play: Play) -> None:
    async def scene(s: Scene) -> None:
        await s.begin()
        watching = asyncio.create_task(s.watch())
        await s.clock.sleep(600)
        assert not watching.done()
        watching.cancel()

    play(scene)


def test_a_head_that_is_gone_is_missed_after_a_moment(play: Play) -> None:
    async def scene(s: Scene) -> None:
        journal = await s.begin()
        watching = asyncio.create_task(s.watch())
        await s.clock.sleep(600)
        await journal.close()
        gone = s.clock.now()
        await watching
        assert GONE_AFTER_S <= s.clock.now() - gone <= GONE_AFTER_S + 2 * SLOW_S
        assert str(s.gone) == f"job {s.job} is not done, but no process runs it"
        assert s.gone is not None
        assert s.gone.hint == f"to continue it: batchio recover {s.job}"

    play(scene)


@pytest.mark.parametrize("whole", [False, True])
def test_a_head_that_ends_its_job_while_somebody_looks_who_leads_is_not_missed(
    play: Play, whole: bool
) -> None:
    async def scene(s: Scene) -> None:
        journal = await s.begin()
        store = Ending(s.store, journal, s.clock)
        async with Live(store.store, s.clock, whole=whole) as live:
            while not live.done:
                assert not [each.kind for each in live.view.concerns]
                await live.look()

    play(scene)


class Ending(MortalStore):
    """A store whose job ends, and whose head leaves, just as somebody asks who leads."""

    def __init__(self, real: MemoryJobStore, journal: MemoryJournal, clock: FakeClock) -> None:
        super().__init__(real)
        self._journal: MemoryJournal | None = journal
        self._clock = clock

    def leader(self) -> None:
        """Return that nobody leads, from now on."""
        if self._journal is not None:
            now, journal, self._journal = self._clock.now(), self._journal, None
            for step in (
                journal.append(
                    [
                        ev.encode(ev.TasksAbandoned(now, "no node was available")),
                        ev.encode(ev.JobClosed(now, "lost")),
                    ]
                ),
                journal.close(),
            ):
                with pytest.raises(StopIteration):
                    step.send(None)


def test_a_head_that_said_why_it_stopped_is_quoted(play: Play) -> None:
    async def scene(s: Scene) -> None:
        journal = await s.begin()
        s.store.say_last_words("the disk is full\nmake room\n")
        await journal.close()
        await s.watch()
        assert s.gone is not None
        assert str(s.gone).endswith("no process runs it: the disk is full")
        assert s.gone.hint == "make room"

    play(scene)


def test_another_head_that_comes_in_time_is_as_good(play: Play) -> None:
    async def scene(s: Scene) -> None:
        journal = await s.begin()
        watching = asyncio.create_task(s.watch())
        for _ in range(10):
            await s.clock.sleep(10)
            await journal.close()
            await s.clock.sleep(GONE_AFTER_S / 2)
            journal = await s.begin()
        await s.clock.sleep(10)
        assert not watching.done()
        watching.cancel()

    play(scene)


def test_a_new_job_may_wait_a_while_for_its_first_head(play: Play) -> None:
    async def scene(s: Scene) -> None:
        watching = asyncio.create_task(s.watch())
        await s.clock.sleep(START_LIMIT_S - 1)
        assert not watching.done()
        await s.begin()
        await s.clock.sleep(60)
        assert not watching.done()
        watching.cancel()

    play(scene)


def test_a_new_job_that_no_head_ever_takes_is_told_to_have_none(play: Play) -> None:
    async def scene(s: Scene) -> None:
        begin = s.clock.now()
        await s.watch()
        assert s.gone is not None
        assert START_LIMIT_S <= s.clock.now() - begin <= START_LIMIT_S + GONE_AFTER_S + SLOW_S

    play(scene)


@pytest.mark.parametrize("every", [None, SLOW_S / 2, SLOW_S])
def test_whoever_wants_a_change_at_each_look_is_told_that_the_head_is_gone(
    play: Play, every: float | None
) -> None:
    async def scene(s: Scene) -> None:
        journal = await s.begin()
        watching = asyncio.create_task(s.watch(every))
        await s.clock.sleep(60)
        await journal.close()
        await s.clock.sleep(GONE_AFTER_S + 3 * SLOW_S)
        watching.cancel()
        assert s.gone is not None

    play(scene)


def test_a_job_that_is_over_needs_no_head_to_be_looked_at(play: Play) -> None:
    async def scene(s: Scene) -> None:
        await lead(s.store, lambda _: ScriptedProvider(s.clock), clock=s.clock)
        await s.clock.sleep(3600)
        before = s.clock.now()
        await s.watch()
        assert (s.gone, s.live.done) == (None, True)
        assert s.clock.now() == before

    play(scene)


def test_whoever_follows_goes_on_when_the_store_has_not_answered_for_minutes(play: Play) -> None:
    async def scene(s: Scene) -> None:
        journal = await s.begin()
        watching = asyncio.create_task(s.watch())
        await s.clock.sleep(1.0)
        s.store.reader().silent = True
        await s.clock.sleep(PATIENCE_S - 10.0)
        s.store.reader().silent = False
        await s.write(journal, ev.Noted(s.clock.now(), "all is well"))
        await s.clock.sleep(SLOW_S * 2)
        assert isinstance(s.seen[-1], ev.Noted)
        assert s.gone is None
        watching.cancel()

    play(scene)


def test_whoever_follows_a_store_that_never_answers_again_is_told_so_in_the_end(
    play: Play,
) -> None:
    async def scene(s: Scene) -> None:
        await s.begin()
        watching = asyncio.create_task(s.watch())
        await s.clock.sleep(1.0)
        s.store.reader().silent = True
        with pytest.raises(JournalDown):
            await watching

    play(scene)

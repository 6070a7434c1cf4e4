"""Looking at a job from the loop that follows it: whole, frozen, at any moment of its life."""

from __future__ import annotations

import asyncio
from dataclasses import FrozenInstanceError, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core import events as ev
from batchio.core.lens import Order, Where
from batchio.core.machine import Machine
from batchio.core.plan import Offer
from batchio.core.snapshot import dump
from batchio.core.views import job_header
from batchio.errors import UsageError
from batchio.runtime import seeking
from batchio.runtime.live import Live
from batchio.testing import FakeClock, MemoryJobStore, MemoryWorkspace
from tests.core.builders import record, spec

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

T0 = 1_800_000_000.0
TASKS = 200


def story(tasks: int = TASKS) -> list[ev.Event]:
    """A job that nodes of 10 slots run, ten tasks a node; each third task fails once."""
    told: list[ev.Event] = [
        ev.HeadStarted(T0, 1, "here", 4),
        ev.OffersListed(T0, [Offer("o", limit=99, slots=10).to_json()]),
    ]
    for node in range(tasks // 10):
        told += [ev.NodeWanted(T0, node, "o"), ev.NodeCreated(T0, node, f"h{node}")]
        told.append(ev.NodeGreeted(T0, node, 10, {"hostname": f"n{node}", "instance": "i"}))
    for attempt in (1, 2):
        for first in range(0, tasks, 10):
            node, at = first // 10, T0 + attempt * 1000 + first
            some = [t for t in range(first, first + 10) if attempt == 1 or t % 3 == 0]
            told.append(ev.TasksAssigned(at, node, [[t, attempt] for t in some]))
            told.append(ev.TasksStarted(at, node, [[t, attempt, at] for t in some]))
            bad = {t for t in some if attempt == 1 and t % 3 == 0}
            records = [record(t, attempt, int(t in bad), at=at + 5) for t in some]
            told.append(ev.TasksFinished(at + 5, node, attempt, records))
            if bad:
                told.append(ev.TasksRequeued(at + 5, [[t, 0.0, "program"] for t in sorted(bad)]))
    return told


class Scene:
    """A job whose journal is written by hand."""

    def __init__(self, root: Path, clock: FakeClock) -> None:
        self.clock = clock
        workspace = MemoryWorkspace(root)
        self.store: MemoryJobStore = workspace.job(workspace.submit(spec(TASKS), T0))
        self.past = self.store.reader()

    def write(self, *events: ev.Event) -> None:
        self.past.keep([ev.encode(event) for event in events])

    def live(self, **options: Any) -> Live:
        return Live(self.store, self.clock, **options)

    def machine(self, upto: int | None = None) -> Machine:
        """The job as of an event, folded in one go."""
        machine = Machine()
        for _, body in self.past.read(0, upto):
            machine.apply(ev.decode(body))
        return machine


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[Scene], Coroutine[Any, Any, None]]], None]:
    clock = FakeClock(T0)
    return lambda scene: clock.run(scene(Scene(tmp_path, clock)))


Play = "Callable[[Callable[[Scene], Coroutine[Any, Any, None]]], None]"


def test_while_it_is_folded_the_loop_turns_and_every_look_is_at_a_whole_state(play: Any) -> None:
    async def scene(s: Scene) -> None:
        looks = []
        async with s.live(slice_s=0.0) as live:
            s.write(*story())
            looking = asyncio.create_task(live.look())
            while not looking.done():
                counts = live.view.counts
                states = counts.pending + counts.assigned + counts.running + counts.done
                assert states == counts.total == TASKS
                whole = job_header(s.machine(live.position), s.clock.now())
                assert (live.view.counts, live.view.nodes) == (whole.counts, whole.nodes)
                live.rows(range(10))
                looks.append(live.position)
                await asyncio.sleep(0)
            await looking
        assert sorted(looks) == looks
        assert len(set(looks)) > 50, "the loop turned between events"

    play(scene)


def test_nothing_that_is_handed_out_changes(play: Any) -> None:
    async def scene(s: Scene) -> None:
        s.write(*story()[:70])
        async with s.live() as live:
            view, rows = live.view, live.rows(range(20))
            before = repr((view, rows))
            s.write(*story()[70:])
            change = await live.look()
            assert change is not None
            assert repr((view, rows)) == before
            assert live.view != view
            for thing in (view, view.counts, view.nodes[0], rows[0]):
                with pytest.raises(FrozenInstanceError):
                    setattr(thing, fields(thing)[0].name, None)
            values = [getattr(view, item.name) for item in fields(view)]
            assert not any(isinstance(value, list | dict | set | Machine) for value in values)

    play(scene)


def test_a_change_names_the_tasks_and_nodes_to_look_at_again(play: Any) -> None:
    async def scene(s: Scene) -> None:
        told = story()
        s.write(*told[:62])
        async with s.live() as live:
            assert await live.look() is None
            s.write(*told[62:65])
            change = await live.look()
            assert change is not None
            assert (change.tasks, change.nodes, change.job) == (
                frozenset(range(10)), frozenset([0]), False,
            )  # fmt: skip
            assert (list(change.events), change.upto) == (told[62:65], live.position)
            s.write(ev.Noted(T0 + 9, "a word"))
            change = await live.look()
            assert change is not None
            assert (change.tasks, change.job, live.view.notes) == (
                frozenset(), True, ((T0 + 9, "a word"),),
            )  # fmt: skip
            s.write(ev.CancelRequested(T0 + 10, None, "enough"))
            change = await live.look()
            assert change is not None
            assert change.tasks == range(TASKS)

    play(scene)


def test_changes_come_at_most_so_often_and_end_with_the_job(play: Any) -> None:
    async def scene(s: Scene) -> None:
        journal = s.store.lead()
        s.write(ev.HeadStarted(T0, 1, "here", 1))

        async def happen() -> None:
            for n in range(100):
                await s.clock.sleep(0.05)
                s.write(ev.Noted(s.clock.now(), str(n)))
            s.write(ev.JobClosed(s.clock.now(), "succeeded"))

        happening = asyncio.create_task(happen())
        times, notes = [], 0
        async with s.live() as live:
            async for change in live.changes(at_most=1.0):
                times.append(s.clock.now())
                notes += sum(isinstance(event, ev.Noted) for event in change.events)
        await happening
        await journal.close()
        assert notes == 100
        assert all(b - a >= 1.0 for a, b in pairwise(times[:-1]))
        assert len(times) <= 7
        assert live.view.state == "done"

    play(scene)


def test_where_nothing_happens_an_empty_change_tells_that_time_has_passed(play: Any) -> None:
    async def scene(s: Scene) -> None:
        journal = s.store.lead()
        s.write(ev.HeadStarted(T0, 1, "here", 1))
        async with s.live() as live:
            changes, before = live.changes(at_least=2.0), live.view.duration
            for _ in range(5):
                change = await anext(aiter(changes))
                assert (change.tasks, change.events) == (frozenset(), ())
            assert 8.0 <= live.view.duration - before <= 11.0
        await journal.close()

    play(scene)


def test_a_wait_with_a_limit_ends_by_the_clock_it_was_given(play: Any) -> None:
    async def scene(s: Scene) -> None:
        journal = s.store.lead()
        s.write(ev.HeadStarted(T0, 1, "here", 1))
        async with s.live() as live:
            begun = s.clock.now()
            with pytest.raises(TimeoutError):
                async for _ in live.changes(timeout=30.0):
                    pass
            assert s.clock.now() - begun == pytest.approx(30.0)
        await journal.close()

    play(scene)


@pytest.mark.parametrize("every", [10_000, 7])
def test_any_moment_is_shown_as_it_was(
    play: Any, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    monkeypatch.setattr(seeking, "EVERY", every)

    async def scene(s: Scene) -> None:
        s.write(*story(), ev.JobClosed(T0 + 9000, "succeeded"))
        last = len(s.past.read())
        async with s.live() as live:
            whole = live.view
            for number in (last // 2, 5, last - 3, last // 3, last // 2, 1):
                await live.seek(number)
                then = s.machine(number)
                assert live.position == number
                assert live.rows(range(TASKS)) == live_rows(then, live)
                assert live.view.counts == job_header(then, 0.0).counts
            for moment in (T0 + 1100.0, T0 + 2050.5, T0 + 1000.0, T0 - 5.0, T0 + 99_999.0):
                await live.seek(moment)
                events = [event for _, event in s.past.events()]
                later = next((n for n, e in enumerate(events) if n and e.at > moment), last)
                assert live.position == max(later, 1)
            await live.seek(None)
            assert (live.position, live.view.counts) == (last, whole.counts)

    play(scene)


def live_rows(machine: Machine, live: Live) -> list[Any]:
    from batchio.core.lens import window

    return window(machine, range(TASKS), live._machine.at)


def test_a_past_moment_stands_still_while_the_job_goes_on_and_now_is_whole_again(
    play: Any,
) -> None:
    async def scene(s: Scene) -> None:
        told = story()
        s.write(*told[:100])
        async with s.live(at=30) as live:
            assert (live.position, live.view.attended) == (30, None)
            s.write(*told[100:])
            assert await live.look() is None
            assert live.position == 30
            await live.seek(40)
            change = await live.look()
            assert change is not None
            assert (change.tasks, change.upto, change.events) == (range(TASKS), 40, ())
            assert await live.look() is None
            await live.seek(None)
            change = await live.look()
            assert change is not None
            assert (change.tasks, live.position) == (range(TASKS), len(s.past.read()))
            assert live.view.counts.succeeded == TASKS

    play(scene)


def test_all_attempts_of_a_task_are_there_also_those_that_come_and_of_then(play: Any) -> None:
    async def scene(s: Scene) -> None:
        told = story()
        s.write(*told[:-1])
        async with s.live() as live:
            numbers = [(row.attempt, row.exit_code) for row in await live.attempts(0)]
            assert numbers == [(1, 1), (2, 0)]
            assert [(row.attempt, row.stopped) for row in await live.attempts(198)][1:] == [
                (2, None)
            ]
            s.write(told[-1])
            await live.look()
            assert [row.exit_code for row in await live.attempts(198)] == [1, 0]
            await live.seek(T0 + 1500.0)
            assert [row.exit_code for row in await live.attempts(198)] == [1]
            with pytest.raises(UsageError, match="no task 200"):
                await live.attempts(TASKS)

    play(scene)


def test_a_snapshot_saves_the_folding_and_hides_nothing(play: Any) -> None:
    async def scene(s: Scene) -> None:
        s.write(*story()[:100])
        s.past.snapshots.append((len(s.past.read()), dump(s.machine())))
        s.write(*story()[100:])
        async with s.live() as live:
            assert live.rows(range(TASKS)) == live_rows(s.machine(), live)
            assert [row.attempt for row in await live.attempts(0)] == [1, 2]
            await live.seek(40)
            assert live.rows(range(TASKS)) == live_rows(s.machine(40), live)

    play(scene)


def test_tasks_are_chosen_and_sorted_by_columns_and_explained(play: Any) -> None:
    async def scene(s: Scene) -> None:
        s.write(*story()[:100])
        async with s.live() as live:
            bad = live.select(Where(exits=frozenset([1])), Order("id", backwards=True))
            assert [row.id for row in live.rows(bad[:3])] == [
                row.id for row in live.rows(sorted(bad)[::-1][:3])
            ]
            assert live.why()[0].startswith("The job ")
            assert live.why(0)[0].startswith("Task 0 ")
            with pytest.raises(UsageError):
                live.why(TASKS)

    play(scene)


def test_what_is_damaged_is_left_out_and_everything_else_is_shown(play: Any) -> None:
    async def scene(s: Scene) -> None:
        s.write(*story()[:50])
        async with s.live() as live:
            position = live.position
            s.write(ev.NodeSilent(T0, 99, "no such node"))
            s.past.keep(['["nonsense"]'])
            s.write(ev.Noted(T0, "after it"))
            await live.look()
            assert live.position == position + 3
            assert live.view.counts.total == TASKS
            assert "journal record" in str(live.damage)
            which = f"events {position + 1}, {position + 2} of the journal are damaged"
            assert [text for _, text in live.view.notes][-2:] == [
                f"{which} and left out here",
                "after it",
            ]

    play(scene)

"""A snapshot changes nothing: loaded, and the rest of the journal folded, it is the machine."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from batchio.core import events as ev
from batchio.core.machine import Machine
from batchio.core.plan import Offer
from batchio.core.snapshot import LAYOUT, PLAIN, dump, load
from batchio.core.task import Outcome
from tests.core.machines import World, fingerprint, replay, spec
from tests.core.stories import Story, mixed
from tests.effort import examples

if TYPE_CHECKING:
    from types import FrameType

    from _typeshed import TraceFunction

KEPT_APART = {
    "job", "tasks", "nodes", "offers", "trouble", "queue", "notes", "taken", "idle",
    "quarantined", "unsettled", "maybe_free", "_timers", "orders", "ending", "endings",
}  # fmt: skip
PAST = {"_effects"}

STEPS = ("answer", "turn", "turn", "drop", "die", "restart", "crash", "cancel", "later")


def step(world: World, what: str, pick: int) -> None:
    """Let one thing happen in the world."""
    nodes, handles = list(world.links), list(world.agents)
    match what:
        case "answer":
            world.answer(lambda key: (key[0] + key[1] + pick) % 3)
        case "turn":
            world.turn()
        case "drop" if nodes:
            world.drop(nodes[pick % len(nodes)])
        case "die" if handles:
            world.die(handles[pick % len(handles)])
        case "restart" if handles:
            world.restart(handles[pick % len(handles)])
        case "crash":
            world.crash()
        case "cancel":
            world.post(ev.CancelRequested(world.now, [pick % world.machine.tasks.count], "enough"))
        case "later":
            world.now += pick
        case _:
            pass


def fold(machine: Machine | None, journal: list[str]) -> Machine:
    assert machine is not None
    for line in journal:
        machine.apply(ev.decode(line))
    machine.recovered()
    return machine


def decisions(machine: Machine, now: float) -> list[str]:
    """What it would do now, and when its timers ring."""
    return [ev.encode(event) for when in (now, now + 1e6) for event in machine.decide(when)]


@examples(60)
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 20)), max_size=40),
    st.sampled_from([
        {}, {"max_retries": 3}, {"max_retries": 2, "retry_delay": 0.0}, {"job_timeout": 30.0},
        {"task_on_scheduler": True, "max_retries": 9},
    ]),
    st.integers(0, 40),
)  # fmt: skip
def test_from_any_snapshot_the_rest_of_the_journal_leads_to_the_same_machine(
    steps: list[tuple[str, int]], options: dict[str, Any], cut: int
) -> None:
    world = World(spec(6, **options), [Offer("a", limit=2), Offer("b", slots=3)])
    while_running = [(len(world.journal), dump(world.machine))]
    for what, pick in steps:
        step(world, what, pick)
        if what == "turn" and not world.machine.unsettled:
            while_running.append((len(world.journal), dump(world.machine)))
    journal = world.journal
    whole = replay(journal)

    for position, snapshot in while_running:
        assert fingerprint(fold(load(snapshot), journal[position:])) == fingerprint(whole)

    cut = min(cut, len(journal))
    from_cut = fold(load(dump(replay(journal[:cut]))), journal[cut:])
    assert fingerprint(from_cut) == fingerprint(whole)
    assert decisions(from_cut, world.now) == decisions(whole, world.now)


def test_a_loaded_machine_is_dumped_to_the_same_bytes() -> None:
    for story in (mixed(), Story(task_on_scheduler=True).offers("a", "b").ready().lose()):
        machine = story.requeue(2, until=50).machine if story.seq else story.machine
        once = dump(machine)
        again = load(once)
        assert again is not None
        assert dump(again) == once


def test_an_empty_machine_survives() -> None:
    machine = load(dump(Machine()))

    assert machine is not None
    assert machine.job is None
    assert dump(machine) == dump(Machine())


def test_words_that_are_no_valid_text_survive() -> None:
    story = Story().offers("a").ready().start(0).end(0, code=1, tail="bad \udcff byte")

    machine = load(dump(story.machine))

    assert machine is not None
    assert machine.tasks.tails == {0: "bad \udcff byte"}


def test_every_attribute_of_the_machine_is_kept_or_known_to_be_past() -> None:
    assert set(vars(Machine())) == set(PLAIN) | KEPT_APART | PAST


def test_what_was_written_with_another_layout_is_not_loaded() -> None:
    data = dump(mixed().machine)
    other = data.replace(LAYOUT.encode(), LAYOUT.replace("state:B1", "state:b1").encode())

    assert len(other) == len(data)
    assert load(data) is not None
    assert load(other) is None


def test_what_is_cut_or_garbage_is_not_loaded() -> None:
    data = dump(mixed().machine)

    for damaged in (b"", b"x", data[:-1], data[:100], data + b"x", b"\0" * 100):
        assert load(damaged) is None
    assert load(b"\7\0\0\0\0\0\0\0" + json.dumps([1, 2]).encode()) is None


def _lines_to_load(count: int) -> int:
    """Lines of Python that loading a job of `count` tasks runs."""
    machine = replay([ev.encode(ev.JobSubmitted(1.0, "j", spec(count).to_json()))])
    machine.tasks.set_outcome(count - 1, Outcome.LOST)
    data, lines = dump(machine), 0

    def seen(frame: FrameType, what: str, _: object) -> TraceFunction:
        nonlocal lines
        lines += what == "line"
        return seen

    before = sys.gettrace()
    sys.settrace(seen)
    try:
        loaded = load(data)
    finally:
        sys.settrace(before)
    assert loaded is not None
    assert loaded.tasks.outcome[count - 1] == Outcome.LOST
    return lines


def test_loading_looks_at_no_task_alone_so_a_million_cost_as_many_steps_as_ten() -> None:
    assert _lines_to_load(1_000_000) == _lines_to_load(10)

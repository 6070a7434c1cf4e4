"""What nodes cost, counted from the journal alone, and never too little."""

from __future__ import annotations

import pytest

from batchio.core.cost import ABANDONED_S, LEAST_S, Cost, cost
from batchio.core.plan import Offer
from batchio.core.snapshot import dump, load
from batchio.core.views import job_summary, job_view
from tests.core.machines import World, replay, spec
from tests.core.stories import T0, Story


def world(rate: float = 3.6, nodes: int = 2) -> World:
    """Nodes that were ordered and not answered, at a tenth of a cent a second."""
    w = World(spec(nodes), [Offer("a", limit=nodes, slots=1, rented=True, rate=rate)])
    w.list_offers()
    w.turn()
    return w


def seconds(w: World, so_many: float) -> Cost:
    found = cost(w.machine, w.now + so_many)
    assert found is not None
    return found


def test_a_job_whose_nodes_are_free_has_no_cost() -> None:
    w = world(rate=0.0)
    w.go(3)

    assert cost(w.machine, w.now) is None
    assert job_summary(w.machine, w.now).cost is None


def test_what_is_not_answered_is_reserved_from_the_order_on() -> None:
    w = world()

    found = seconds(w, 100.0)

    assert found == pytest.approx((0.0, 0.2, 0.2 + 2 * ABANDONED_S * 1e-3, 7.2, 0.0), abs=1e-4)


def test_a_node_costs_until_it_is_confirmed_to_be_gone() -> None:
    w = world(nodes=1)
    w.create(0)
    w.turn()
    w.connect(0)
    w.turn()
    began = w.machine.nodes[0].rented
    w.now += 100.0
    w.settle()
    [gone] = (node.ended_at for node in w.machine.nodes)

    assert seconds(w, 1e6).spent == pytest.approx((gone - began) * 1e-3)
    assert seconds(w, 1e6).worst == seconds(w, 0.0).spent
    assert job_summary(w.machine, w.now).cost == pytest.approx(seconds(w, 0.0).spent)


def test_a_delete_that_is_not_confirmed_goes_on_to_cost() -> None:
    w = world(nodes=1)
    w.go(4)
    while 0 not in w.deletes:
        w.go()
    w.delay([0])
    w.turn()

    assert seconds(w, 1000.0).spent > 1.0


def test_a_node_that_vanished_costs_no_more() -> None:
    w = world(nodes=1)
    w.create(0)
    w.turn()
    w.vanish("h-j1-0")
    w.turn()

    assert seconds(w, 1e6).spent == pytest.approx(LEAST_S * 1e-3)


def test_a_replay_has_the_same_cost() -> None:
    w = world()
    w.go(5)

    assert cost(replay(w.journal), w.now) == cost(w.machine, w.now)


def rented(tasks: str = "0-3") -> Story:
    """A node with two slots at $3.60 an hour: a slot costs a twentieth of a cent a second."""
    return Story(tasks).offers("big", rate=3.6).ready("big", slots=2)


def test_a_node_costs_a_minute_at_least() -> None:
    story = rented().close(at=9)

    paid = cost(story.machine, T0 + 1e6)

    assert paid is not None
    assert paid.spent == pytest.approx(60 * 1e-3)
    assert paid.hourly == 0.0


def test_an_attempt_costs_its_share_of_the_node_while_it_runs() -> None:
    story = rented().start(0, 1).end(0, at=12)
    first, second, third, _ = job_view(story.machine, T0 + 22).tasks()

    assert first.cost == pytest.approx(10 * 0.5e-3)
    assert second.cost == pytest.approx(20 * 0.5e-3)
    assert third.cost is None


def test_attempts_that_failed_or_were_lost_or_run_again_are_counted_as_wasted() -> None:
    story = rented().start(0, 1, 2)
    story.end(0, code=3, at=12).requeue(0, at=12).end(1, at=22).requeue(1, at=9000).lose(at=32)
    story.requeue(2, cause="infra", at=32)
    view = job_view(story.machine, T0 + 10_000)
    lost = [10 * 0.5e-3, 20 * 0.5e-3, 30 * 0.5e-3, 0.0]

    assert [row.cost or 0.0 for row in view.tasks()] == pytest.approx(lost)
    assert view.wasted == pytest.approx(sum(lost))


def test_a_snapshot_keeps_what_was_wasted() -> None:
    machine = rented().start(0).end(0, code=1, at=12).machine
    loaded = load(dump(machine))

    assert loaded is not None
    assert cost(loaded, T0 + 20) == cost(machine, T0 + 20)
    assert loaded.endings.wasted == {0: pytest.approx(10 * 0.5e-3)}


def test_a_node_says_what_it_costs_and_a_free_one_does_not() -> None:
    [paid] = job_view(rented().machine, T0 + 1801).nodes
    [free] = job_view(Story().offers("laptop").ready().machine, T0 + 1801).nodes

    assert paid.rate == 3.6
    assert paid.cost == pytest.approx(1.8)
    assert (free.rate, free.cost) == (None, None)
    assert job_view(Story().ready().start(0).machine, T0 + 9).task(0).cost is None

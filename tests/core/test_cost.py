"""What nodes cost, counted from the journal alone, and never too little."""

from __future__ import annotations

import pytest

from batchio.core.cost import ABANDONED_S, Cost, cost
from batchio.core.plan import Offer
from batchio.core.views import job_summary
from tests.core.machines import World, replay, spec


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

    assert seconds(w, 100.0) == pytest.approx((0.0, 0.2, 0.2 + 2 * ABANDONED_S * 1e-3), abs=1e-4)


def test_a_node_costs_until_it_is_confirmed_to_be_gone() -> None:
    w = world(nodes=1)
    w.create(0)
    w.turn()
    w.connect(0)
    w.turn()
    began = w.machine.nodes[0].rented
    w.settle()
    [gone] = (node.ended_at for node in w.machine.nodes)

    assert seconds(w, 1e6).spent == pytest.approx((gone - began) * 1e-3)
    assert seconds(w, 1e6).worst == seconds(w, 0.0).spent
    assert job_summary(w.machine, w.now).cost == seconds(w, 0.0).spent


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

    assert seconds(w, 1e6).spent < 0.01


def test_a_replay_has_the_same_cost() -> None:
    w = world()
    w.go(5)

    assert cost(replay(w.journal), w.now) == cost(w.machine, w.now)

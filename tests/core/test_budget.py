"""--max-cost: never more is rented than it pays for, and the job ends when it is used up."""

from __future__ import annotations

import pytest

from batchio.core import events as ev
from batchio.core.budget import reserve
from batchio.core.cost import cost
from batchio.core.node import NodeState
from batchio.core.plan import Offer
from batchio.core.task import Outcome
from tests.core.machines import World, replay, spec


def world(tasks: int = 40, *, rate: float = 1.0, max_cost: float = 6.0, **more: object) -> World:
    """Nodes of one slot at a dollar an hour: each has 75 cents in reserve."""
    offer = Offer("a", limit=100, slots=1, rented=True, rate=rate)
    w = World(spec(tasks, max_cost=max_cost, **more), [offer])
    w.list_offers()
    w.turn()
    return w


def worst(w: World) -> float:
    paid = cost(w.machine, w.now)
    return paid.worst if paid else 0.0


def test_half_of_the_money_may_be_reserved_for_nodes() -> None:
    w = world(max_cost=6.0)

    assert len(w.machine.nodes) == 4
    assert worst(w) == pytest.approx(4 * reserve(1.0), abs=0.01)


def test_no_node_is_ordered_that_would_pass_what_is_left() -> None:
    w = world(max_cost=6.0)
    w.open()
    w.wait(1000.0)
    spent = worst(w) - 4 * reserve(1.0)
    w.vanish("h-j1-0")
    w.go(2, lambda key: None)

    assert spent > 1.0
    assert len([node for node in w.machine.nodes if node.alive]) == 3
    assert len(w.machine.nodes) == 4


def test_the_job_ends_like_a_timeout_before_it_can_cost_more() -> None:
    w = world(max_cost=6.0)
    w.open()
    w.go(1, lambda key: 0 if key[0] < 2 else None)
    w.wait(1000.0)
    early = w.machine.running_job.timed_out
    m = w.settle(lambda key: None)
    paid = cost(m, w.now)

    assert not early
    assert (m.outcome, m.tasks.by_outcome[Outcome.SUCCEEDED]) == (Outcome.TIMED_OUT, 2)
    assert m.running_job.why.startswith("the job reached its --max-cost of $6.00: $3.")
    assert paid is not None
    assert paid.spent < 6.0
    assert {node.state for node in m.nodes} == {NodeState.GONE}


def test_a_job_that_cannot_pay_for_one_node_ends_and_says_so() -> None:
    m = world(max_cost=1.0).settle()

    assert (m.nodes, m.outcome) == ([], Outcome.TIMED_OUT)
    assert "the job reached its --max-cost of $1.00: $0.00 spent" in m.running_job.why


@pytest.mark.parametrize("free", [True, False])
def test_a_node_that_only_leads_does_not_wait_for_one_that_cannot_be_paid(free: bool) -> None:
    offers = [Offer("free"), Offer("dear", rented=True, rate=9.0)]
    rented = [Offer("a", limit=2, rented=True, rate=1.0)]
    job = spec(2, max_cost=2.0, task_on_scheduler=False)
    w = World(job, offers if free else rented)
    w.open()
    began = w.now
    m = w.settle()

    assert m.running_job.timed_out
    assert w.now - began < 60.0


def test_a_rented_node_without_a_price_is_not_paid_for() -> None:
    assert world(rate=0.0).settle().nodes == []


def test_hosts_that_are_free_are_not_bounded() -> None:
    w = World(spec(9, max_cost=0.01), [Offer("a", limit=3, slots=1)])

    assert w.settle().outcome is Outcome.SUCCEEDED
    assert len(w.machine.nodes) == 3


def test_what_is_given_back_pays_for_others() -> None:
    w = world(4, max_cost=3.0)
    w.open()
    before = len(w.machine.nodes)
    m = w.settle()

    assert (before, m.outcome) == (2, Outcome.SUCCEEDED)


def test_a_new_head_knows_when_the_money_will_be_gone() -> None:
    w = world(max_cost=6.0)
    w.open()
    w.wait(500.0)
    w.crash()
    w.settle(lambda key: None)

    [gone] = [e for e in map(ev.decode, w.journal) if isinstance(e, ev.MoneyGone)]
    assert gone.at < 1000.0 + 3600.0
    assert replay(w.journal).outcome is Outcome.TIMED_OUT

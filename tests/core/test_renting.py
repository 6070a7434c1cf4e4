"""No node too many and none for nothing: orders, surplus, refusals, notices, ends."""

from __future__ import annotations

from typing import Any

import pytest

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.dispatch import FAR_S
from batchio.core.news import event_view
from batchio.core.node import PREEMPT_GRACE_S, NodeState
from batchio.core.plan import RENTED_PATIENCE_S, Offer
from batchio.core.task import Outcome
from tests.core.machines import World, replay, spec


def rented(tasks: int, limit: int, slots: int = 1, **options: Any) -> World:
    """A job on rented nodes of one kind, which were ordered."""
    seconds = options.pop("seconds", 1.0)
    offer = Offer("m", limit=limit, slots=slots, rented=True, rate=1.0)
    w = World(spec(tasks, **options), [offer], seconds=seconds)
    w.list_offers()
    w.turn()
    return w


def states(w: World) -> list[str]:
    return [str(node.state) for node in w.machine.nodes]


def orders(w: World) -> list[ev.NodesOrdered]:
    events = map(ev.decode, w.journal)
    return [event for event in events if isinstance(event, ev.NodesOrdered)]


# --- orders -----------------------------------------------------------------------------------


def test_a_thousand_tasks_over_nodes_of_32_slots_order_32_nodes_with_one_event() -> None:
    w = rented(1000, 1000, 32)

    assert [order.rows for order in orders(w)] == [[["m", 32, 32]]]
    assert w.machine.due() == [ef.PlaceOrder(0, [("m", 32)], "j1-0")]


def test_an_order_is_shown_with_named_rows() -> None:
    [order] = orders(rented(1000, 1000, 32))

    shown = event_view(order)
    assert (shown["event"], shown["first"]) == ("nodes_ordered", 0)
    assert shown["rows"] == [{"offer": "m", "nodes": 32, "slots": 32}]


def test_an_order_is_due_whole_as_long_as_one_of_its_nodes_is_not_answered() -> None:
    w = rented(4, 4)
    w.create(1)
    w.turn()
    w.create(2, works=False)
    w.turn()

    orders = [effect for effect in replay(w.journal).due() if isinstance(effect, ef.PlaceOrder)]
    assert orders == [ef.PlaceOrder(0, [("m", 4)], "j1-0")]


def test_an_order_of_an_old_journal_is_an_order_of_one() -> None:
    w = World(spec(9), [Offer("m", limit=9, slots=4)])
    w.list_offers()
    w.machine.apply(w.inbox.pop())
    w.machine.apply(ev.NodeWanted(w.now, 0, "m"))

    assert w.machine.capacity == 4
    assert w.machine.due() == [ef.PlaceOrder(0, [("m", 1)], "j1-0")]


def test_when_nodes_have_fewer_slots_than_expected_more_are_ordered() -> None:
    w = rented(8, 8, 4)
    for node in (0, 1):
        w.create(node)
        w.agents[f"h-j1-{node}"].slots = 2
    w.turn()
    w.connect(0)
    w.connect(1)
    w.turn()

    assert w.machine.capacity == 2 + 2 + 4
    assert [order.rows for order in orders(w)] == [[["m", 2, 4]], [["m", 1, 4]]]


def test_when_a_node_has_more_slots_than_expected_those_still_on_their_way_are_released() -> None:
    w = World(spec(100), [Offer("host", limit=100)], slots=32)
    w.list_offers()
    w.turn()
    for node in range(50):
        w.create(node)
    w.turn()
    w.connect(0)
    w.turn()

    count = states(w).count
    assert (count("ready"), count("wanted"), count("unwanted")) == (1, 19, 31)
    assert count("booting") == 49
    assert w.machine.capacity == 100


def test_of_idle_nodes_those_with_no_use_are_released_while_tasks_run() -> None:
    w = rented(4, 4)
    w.go(3, lambda key: None)
    w.go(2, lambda key: 0 if key[0] < 2 else None)

    assert sorted(states(w)) == ["draining", "draining", "ready", "ready"]


def test_nothing_is_ordered_again_for_what_was_released() -> None:
    w = rented(40, 40, 1, max_retries=2, retry_delay=1.0)

    w.settle(lambda key: int(key[1] == 1 and key[0] % 3 == 0))

    assert w.machine.outcome is Outcome.SUCCEEDED
    assert sum(row[1] for order in orders(w) for row in order.rows) == 40


# --- refusals -----------------------------------------------------------------------------------


def test_an_answer_ten_nodes_short_is_one_failure() -> None:
    w = rented(13, 13)
    for node in range(3):
        w.create(node)
    for node in range(3, 13):
        w.create(node, works=False)
    w.turn()

    assert w.machine.trouble["m"].failures == 1
    assert not w.machine.trouble["m"].hopeless


def test_eight_spot_nodes_that_are_reclaimed_at_once_do_not_end_a_job() -> None:
    w = rented(8, 8)
    w.go(3, lambda key: None)
    for number in range(8):
        w.vanish(f"h-j1-{number}")
    w.turn()

    assert not w.machine.running_job.cut_short
    w.settle()
    assert w.machine.outcome is Outcome.SUCCEEDED


def test_the_loss_of_the_only_node_that_a_quota_has_room_for_is_no_fault_of_its_offer() -> None:
    w = rented(1, 1)
    w.go(3, lambda key: None)
    w.vanish("h-j1-0")
    w.turn()

    assert not w.machine.trouble
    w.settle()
    assert w.machine.outcome is Outcome.SUCCEEDED


def test_a_job_whose_rented_offer_refuses_is_lost_only_after_a_quarter_of_an_hour() -> None:
    w = rented(1, 1)
    began = w.now
    while not w.machine.running_job.closed:
        for node in list(w.creates):
            w.create(node, works=False)
        w.turn()
        w.now = max(w.now, w.machine.next_wake() or 0.0)

    assert w.machine.outcome is Outcome.LOST
    assert w.now - began > RENTED_PATIENCE_S


def test_an_offer_whose_provider_does_not_answer_is_not_ordered_from_twice() -> None:
    w = rented(1, 5)
    for _ in range(30):
        w.delay(list(w.creates))
        w.wait(59.0)

    assert states(w) == ["unwanted"]
    w.create(0)
    w.turn()
    w.settle()
    assert w.machine.outcome is Outcome.SUCCEEDED


# --- backoffs ------------------------------------------------------------------------------------


def test_no_rented_node_is_kept_through_a_long_backoff_and_one_is_ordered_in_time() -> None:
    w = rented(1, 1, max_retries=1, retry_delay=300.0)
    w.go(5, lambda key: 1)
    due = w.machine.queue.next_due() or 0.0
    assert due - w.now > FAR_S
    assert [node.alive for node in w.machine.nodes] == [False]

    w.settle()
    assert len(orders(w)) == 2
    assert due - FAR_S <= orders(w)[1].at <= due


def test_a_node_that_is_only_lent_is_kept_for_what_waits() -> None:
    w = World(spec(1, max_retries=1, retry_delay=300.0), [Offer("host")])
    w.open()
    w.go(2, lambda key: 1)

    assert states(w) == ["ready"]


# --- notices and ends ---------------------------------------------------------------------------


def test_a_node_that_will_be_taken_is_replaced_in_the_same_turn_and_released_in_time() -> None:
    w = rented(2, 2, max_workers=1)
    w.go(3, lambda key: None)
    w.post(ev.NodeNoticed(w.now, 0, w.now + 120.0, "spot"))
    w.turn()
    assert states(w) == ["ready", "wanted"]

    w.wait(120.0 - PREEMPT_GRACE_S + 1)
    assert w.machine.nodes[0].state is NodeState.DRAINING
    w.settle()
    assert w.machine.outcome is Outcome.SUCCEEDED


def test_what_is_queued_on_a_node_that_will_be_taken_is_asked_back() -> None:
    w = rented(60, 2, seconds=0.01)
    w.go(3)
    while not w.machine.nodes[1].idle:
        w.go(1, lambda key: None if key[0] in w.machine.nodes[0].active else 0)
    assert len(w.machine.nodes[0].active) > 2
    w.post(ev.NodeNoticed(w.now, 0, w.now + 120.0, "spot"))
    w.turn()
    w.wait(1.1)

    assert w.machine.nodes[0].recalled


@pytest.mark.parametrize("state", ["booting", "ready"])
def test_an_idle_node_that_will_be_taken_goes_at_once(state: str) -> None:
    w = rented(1, 2)
    w.create(0)
    w.turn()
    if state == "ready":
        w.connect(0)
        w.machine.tasks.node[0] = -1
    w.post(ev.NodeNoticed(w.now, 0, w.now + 500.0, "spot"))
    w.turn()

    assert not w.machine.nodes[0].alive or w.machine.nodes[0].active


def test_a_node_whose_time_will_be_over_gets_only_what_can_end_before() -> None:
    w = rented(9, 1, seconds=50.0)
    w.go(3)
    w.post(ev.NodeEnds(w.now, 0, w.now + 40.0))
    w.turn()
    before = len(w.started)
    w.go(2)

    assert w.machine.nodes[0].deadline_at
    assert len(w.started) - before <= 1


def test_tasks_of_a_node_that_vanished_are_requeued_in_the_same_turn() -> None:
    w = rented(1, 2)
    w.go(3, lambda key: None)
    w.vanish("h-j1-0")
    w.turn()

    assert w.machine.tasks.losses[0] == 1
    assert w.machine.nodes[0].state is NodeState.DRAINING

"""Which nodes are taken and given back, when to begin, and when to give up."""

from __future__ import annotations

from typing import Any

import pytest

from batchio.core.errands import READY_LIMIT_S
from batchio.core.node import NodeState
from batchio.core.plan import GIVE_UP_AFTER, Offer, most_nodes
from batchio.core.spec import SentFile
from batchio.core.task import Outcome
from tests.core.machines import World, spec

HANDLE = "h-j1-0"


def world(tasks: int = 3, nodes: int = 1, slots: int = 1, **options: Any) -> World:
    """A job whose nodes have greeted and hold their first tasks."""
    seconds = options.pop("seconds", 1.0)
    offers = [Offer(f"o{n}", slots=slots) for n in range(nodes)]
    made = World(spec(tasks, **options), offers, seconds=seconds)
    made.open()
    return made


def on(w: World) -> list[set[int]]:
    """Tasks active on each node."""
    return [node.active for node in w.machine.nodes]


def outcomes(w: World) -> list[str]:
    return [Outcome(value).label for value in w.machine.tasks.outcome]


def hang(*tasks: int) -> Any:
    """These never end; all others succeed."""
    return lambda key: None if key[0] in tasks else 0


# --- when to begin -----------------------------------------------------------


def test_nothing_is_sent_out_before_the_whole_cluster_is_ready() -> None:
    w = World(spec(9, wait_for_ready=True), [Offer("a"), Offer("b")])
    w.list_offers()
    w.turn()
    w.create(0)
    w.turn()
    w.connect(0)
    w.turn()
    assert not w.machine.dispatch_started

    w.create(1)
    w.turn()
    w.connect(1)
    w.turn()
    assert all(on(w))


def a_dead_host_beside(**options: Any) -> World:
    """A job that waits for its whole cluster; `b` never answers and is given up."""
    w = World(spec(9, wait_for_ready=True, **options), [Offer("a"), Offer("b")])
    w.list_offers()
    w.turn()
    w.create(0)
    for tried in range(1, GIVE_UP_AFTER + 1):
        assert not w.machine.dispatch_started
        w.create(tried, works=False)
        w.turn()
        if 0 in w.links:
            w.connect(0)
        w.turn()
        if w.machine.running_job.why:
            break
        w.wait((w.machine.next_wake() or w.now) - w.now)
    return w


def test_a_cluster_that_lacks_a_host_for_good_begins_nothing_and_names_it() -> None:
    w = a_dead_host_beside()

    assert not w.machine.dispatch_started
    assert "fewer than 2 nodes were available (b: " in w.machine.running_job.why
    assert "to start without them: --min-workers 1" in w.machine.running_job.why
    assert w.machine.tasks.by_outcome[Outcome.LOST] == 9


def test_a_cluster_with_nodes_enough_for_min_workers_begins_without_the_host() -> None:
    assert a_dead_host_beside(min_workers=1).machine.dispatch_started


def test_no_task_runs_on_the_scheduler_s_node_and_another_is_had_for_it() -> None:
    offers = [Offer(name, slots=1) for name in "abc"]
    w = World(spec(2, task_on_scheduler=False), offers, slots=1)
    w.list_offers()
    w.turn()
    for number in range(2):
        w.create(number)
        w.turn()
        w.connect(number)
        w.turn()
    third = len(w.machine.nodes) - 1
    assert third == 2, "two workers beside the scheduler"
    w.create(third)
    w.turn()
    w.connect(third)
    w.turn()

    assert w.machine.scheduler == 0
    assert [len(node.active) for node in w.machine.nodes] == [0, 1, 1]


def test_max_workers_counts_the_nodes_beside_the_scheduler() -> None:
    assert most_nodes(spec(9, task_on_scheduler=False, max_workers=2)) == 3
    assert most_nodes(spec(9, max_workers=2)) == 2


def test_a_scheduler_that_is_all_alone_is_not_waited_for_in_vain() -> None:
    w = World(spec(2, task_on_scheduler=False), [Offer("a")])
    w.list_offers()
    w.turn()
    w.create(0)
    w.turn()

    assert "fewer than 2 nodes were available" in w.machine.running_job.why


def test_a_host_that_rests_is_not_awaited_when_there_are_nodes_enough() -> None:
    w = World(spec(9, wait_for_ready=True, max_workers=1), [Offer("a"), Offer("b")])
    w.list_offers()
    w.turn()
    w.create(0, works=False)
    w.turn()
    w.create(1)
    w.turn()
    w.connect(1)
    w.turn()

    assert w.machine.dispatch_started


def test_tasks_wait_for_the_least_number_of_nodes() -> None:
    w = World(spec(9, min_workers=2), [Offer("a"), Offer("b")])
    w.list_offers()
    w.turn()
    w.create(0)
    w.turn()
    w.connect(0)
    w.turn()
    assert not w.machine.dispatch_started

    w.create(1)
    w.turn()
    w.connect(1)
    w.turn()
    assert w.machine.dispatch_started


# --- when to give up ---------------------------------------------------------


def test_a_job_without_offers_is_lost_at_once() -> None:
    w = World(spec(2), [])

    w.go(2)

    assert w.machine.running_job.closed
    assert w.machine.outcome is Outcome.LOST
    assert w.machine.running_job.why == "no node was available"


def test_a_job_is_lost_when_every_offer_has_failed_often_enough() -> None:
    w = World(spec(2), [Offer("a"), Offer("b")])
    w.list_offers()
    w.turn()
    calls = 0
    while not w.machine.running_job.closed:
        for node in list(w.creates):
            w.create(node, works=False)
            calls += 1
        w.turn()
        w.now = max(w.now, w.machine.next_wake() or 0.0)

    assert calls == 2 * GIVE_UP_AFTER
    assert w.machine.outcome is Outcome.LOST
    assert w.machine.running_job.why == "no node was available (a, b: no capacity)"


def test_an_offer_that_can_never_work_is_not_tried_again() -> None:
    w = World(spec(2), [Offer("a")])
    w.list_offers()
    w.turn()
    w.create(0, works=False, final=True)
    w.turn()

    assert w.machine.outcome is Outcome.LOST
    assert len(w.machine.nodes) == 1


def test_a_job_that_insists_on_more_nodes_than_there_are_is_lost() -> None:
    w = World(spec(2, min_workers=3), [Offer("a"), Offer("b")])

    w.settle()

    assert w.machine.outcome is Outcome.LOST
    assert w.machine.running_job.why == "fewer than 3 nodes were available"


def test_an_agent_that_never_greets_is_given_up_in_time() -> None:
    w = World(spec(1), [Offer("a")])
    w.list_offers()
    w.turn()
    w.create(0)
    w.turn()

    w.wait(READY_LIMIT_S - 1)
    assert w.machine.nodes[0].alive
    w.wait(2)
    assert w.machine.nodes[0].state is NodeState.DRAINING


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({"host_setup": "sleep 3000"}, 4200),
        ({"container": "big", "host_setup": "sleep 3000"}, 7800),
        ({"container": "big", "run_on_host": True}, 600),
        ({"files": (SentFile("a", 10**9, 0o644), SentFile("b", 10**9, 0o644))}, 20_660),
    ],
)
def test_a_node_with_much_to_do_first_is_given_the_time(more: Any, seconds: float) -> None:
    w = World(spec(1, **more), [Offer("a")])
    w.list_offers()
    w.turn()
    w.create(0)
    w.turn()

    w.wait(seconds - 1)
    assert w.machine.nodes[0].alive
    w.wait(2)
    assert w.machine.nodes[0].state is NodeState.DRAINING


def test_a_create_call_without_an_answer_is_given_up_and_its_node_goes_straight_back() -> None:
    w = World(spec(1), [Offer("a"), Offer("b")])
    w.list_offers()
    w.turn()
    w.wait(READY_LIMIT_S + 1)
    assert w.machine.nodes[0].state is NodeState.UNWANTED
    assert len(w.machine.nodes) == 2

    w.create(0)
    w.turn()
    assert 0 in w.deletes
    w.settle()
    assert w.rented == set()


def test_a_node_silent_for_too_long_is_lost_and_its_tasks_run_elsewhere() -> None:
    w = world(2, nodes=2, slots=1)
    w.hear()
    w.begin(HANDLE)
    w.die(HANDLE)
    w.turn()

    w.wait(w.machine.running_job.spec.node_timeout + 1)
    w.settle()

    assert w.machine.outcome is Outcome.SUCCEEDED
    assert list(w.machine.tasks.losses) == [1, 0]


# --- giving back -------------------------------------------------------------


def test_an_idle_node_is_given_back_when_nothing_is_left_for_it() -> None:
    w = world(2, nodes=2, slots=1)

    w.go(2, hang(0))

    assert [node.state for node in w.machine.nodes] == [NodeState.READY, NodeState.DRAINING]


def test_an_idle_node_is_kept_while_a_task_may_yet_be_recalled_for_it() -> None:
    w = world(60, nodes=2, slots=1, seconds=0.01)
    w.go(3)
    for _ in range(60):
        w.go(1, hang(*w.machine.nodes[0].active))
    [hung] = (task for task, _ in w.agents[HANDLE].running)
    assert len(w.machine.nodes[0].active) > 1
    assert w.machine.nodes[1].idle
    assert w.machine.nodes[1].alive

    for _ in range(60):
        w.wait(0.5)
        w.go(1, hang(hung))
    assert on(w)[0] == {hung}
    assert not w.machine.nodes[1].alive


def test_a_task_that_was_sent_to_a_free_slot_keeps_no_other_node() -> None:
    w = world(2, nodes=2, slots=1)
    w.hear()
    w.begin("h-j1-1")
    w.finish("h-j1-1", (1, 1))
    w.hear()
    w.turn()

    assert [node.alive for node in w.machine.nodes] == [True, False]


def test_a_retry_takes_nodes_again_after_they_were_given_back() -> None:
    w = world(2, nodes=2, slots=1, max_retries=1, retry_delay=30.0)
    w.go(1, hang(0))
    w.go(2, hang(0))

    w.settle(lambda key: 1 if key == (0, 1) else 0)

    assert w.machine.outcome is Outcome.SUCCEEDED
    assert w.machine.tasks.attempt[0] == 2

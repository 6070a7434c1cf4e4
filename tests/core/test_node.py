"""A node moves along the edges of its table, and nothing leads back from gone."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from batchio.core import events as ev
from batchio.core.node import EDGES, LEAVING, STALE, Node, NodeState, step
from batchio.errors import IllegalEvent

MADE: dict[type[ev.NodeEvent], tuple[Any, ...]] = {
    ev.NodeCreated: ("h",),
    ev.NodeCreateFailed: ("why", False),
    ev.NodeGreeted: (2, {"instance": "a"}),
    ev.NodeSilent: ("why",),
    ev.NodeHeard: (),
    ev.NodeRestarted: ({"instance": "b"},),
    ev.NodeLost: ("why", False),
    ev.NodeReleased: ("why",),
    ev.NodeDeleted: (),
    ev.NodeNoticed: (9.0, "why"),
    ev.NodeEnds: (9.0,),
    ev.NodeVanished: ("why",),
}
PAIRS = list(product(NodeState, MADE))


def at(state: NodeState) -> Node:
    return Node(0, "offer", since=1.0, state=state, handle="h")


def event(kind: type[ev.NodeEvent]) -> ev.NodeEvent:
    return kind(2.0, 0, *MADE[kind])


@pytest.mark.parametrize(("state", "kind"), PAIRS)
def test_every_event_in_every_state_is_an_edge_stale_or_named_illegal(
    state: NodeState, kind: type[ev.NodeEvent]
) -> None:
    node = at(state)

    if (state, kind) in EDGES:
        assert step(node, event(kind))
        assert node.state is EDGES[state, kind]
        assert node.since == (1.0 if node.state is state else 2.0)
    elif (state, kind) in STALE:
        assert not step(node, event(kind))
        assert node == at(state)
    else:
        with pytest.raises(IllegalEvent, match=f"node 0: {kind.__name__} while {state}"):
            step(node, event(kind))
        assert node == at(state)


def test_no_pair_is_both_an_edge_and_stale() -> None:
    assert not EDGES.keys() & STALE.keys()


def test_nothing_leads_out_of_gone() -> None:
    assert not [state for state, _ in EDGES if state is NodeState.GONE]


def test_every_state_can_be_reached() -> None:
    assert {NodeState.WANTED, *EDGES.values()} == set(NodeState)


def test_only_an_agent_that_speaks_makes_a_node_ready() -> None:
    ready = NodeState.READY
    causes = {kind for (state, kind), to in EDGES.items() if to is ready and state is not ready}

    assert causes == {ev.NodeGreeted, ev.NodeHeard, ev.NodeRestarted}


def test_a_node_with_a_handle_is_gone_only_when_it_was_deleted() -> None:
    ends = {(state, kind) for (state, kind), to in EDGES.items() if to is NodeState.GONE}

    assert ends == {
        (NodeState.WANTED, ev.NodeCreateFailed),
        (NodeState.UNWANTED, ev.NodeCreateFailed),
        (NodeState.DRAINING, ev.NodeDeleted),
    }


def test_a_node_that_leaves_never_works_again() -> None:
    assert {to for (state, _), to in EDGES.items() if state in LEAVING} <= LEAVING


def test_every_living_state_can_be_released() -> None:
    released = {state for state, kind in EDGES if kind is ev.NodeReleased}

    assert released == set(NodeState) - LEAVING


def test_events_leave_what_they_say_in_the_node() -> None:
    node = Node(0, "offer", since=0.0)

    step(node, ev.NodeCreated(1.0, 0, "h-1"))
    step(node, ev.NodeGreeted(2.0, 0, 4, {"hostname": "box"}))

    assert (node.handle, node.slots, node.name, node.greeted) == ("h-1", 4, "box", 2.0)


def test_a_broken_connection_forgets_what_was_asked_back() -> None:
    node = at(NodeState.READY)
    node.recalled = {7}

    step(node, ev.NodeSilent(2.0, 0, "cut"))

    assert node.recalled == set()


def test_why_a_node_is_silent_is_news_only_when_it_changes() -> None:
    node = at(NodeState.READY)

    assert step(node, ev.NodeSilent(2.0, 0, "cut"))
    assert not step(node, ev.NodeSilent(3.0, 0, "cut"))
    assert step(node, ev.NodeSilent(4.0, 0, "refused"))
    assert (node.since, node.why) == (2.0, "refused")
    assert step(node, ev.NodeHeard(5.0, 0))
    assert node.why == ""


def test_why_a_node_left_is_kept() -> None:
    node = at(NodeState.READY)

    step(node, ev.NodeReleased(2.0, 0, "the job is over"))
    step(node, ev.NodeDeleted(3.0, 0))

    assert node.why == "the job is over"


def test_what_is_left_behind_is_said() -> None:
    node = at(NodeState.DRAINING)

    step(node, ev.NodeDeleted(2.0, 0, "its folder"))

    assert (node.state, node.why) == (NodeState.GONE, "its folder")

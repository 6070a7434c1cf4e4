"""Every fact has a place in every state, and no order of them leads astray."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.errors import IllegalEvent
from batchio.runtime.session_table import (
    BACKOFF_S,
    EDGES,
    FIRST_TRIES,
    REMAINS,
    STALE,
    Fact,
    Remains,
    SessionState,
    Standing,
)

S, R, F = SessionState, Remains, Fact


def walk(*facts: Fact, remains: Remains = R.NOTHING) -> Standing:
    standing = Standing(remains=remains)
    for at, fact in enumerate(facts):
        standing.step(fact, float(at))
    return standing


def test_every_pair_is_an_edge_or_stale_and_never_both() -> None:
    assert EDGES.keys() & STALE.keys() == set()


def test_every_state_can_be_reached_and_only_the_last_leads_nowhere() -> None:
    found, waiting = {S.REACHING}, [S.REACHING]
    while waiting:
        here = waiting.pop()
        for (state, _), to in EDGES.items():
            if state is here and to not in found:
                found.add(to)
                waiting.append(to)

    assert found == set(S)
    assert {state for state, _ in EDGES} == set(S) - {S.PARTED}


@pytest.mark.parametrize("state", list(S))
def test_somebody_may_ask_to_leave_in_every_state(state: SessionState) -> None:
    assert (state, F.LEAVE) in EDGES.keys() | STALE.keys()


@pytest.mark.parametrize("state", sorted(set(S) - {S.LOST, S.PARTED}))
def test_a_connection_may_break_in_every_state_that_has_or_seeks_one(state: SessionState) -> None:
    assert (state, F.BROKE) in EDGES
    assert EDGES[state, F.BROKE] is EDGES[state, F.HUNG]


def test_what_cannot_happen_says_so_and_changes_nothing() -> None:
    standing = walk(F.BOOTSTRAPPED, F.GREETED)

    with pytest.raises(IllegalEvent, match="SAID_BYE while preparing"):
        standing.step(F.SAID_BYE, 9.0)
    assert standing == walk(F.BOOTSTRAPPED, F.GREETED)


def test_a_whole_life() -> None:
    life = (F.BOOTSTRAPPED, F.GREETED, F.PREPARED, F.LEAVE, F.SAID_BYE)

    assert [walk(*life[:n]).state for n in range(6)] == [
        *(S.REACHING, S.REACHING, S.PREPARING, S.TALKING, S.PARTING, S.PARTED),
    ]
    assert [walk(*life[:n]).remains for n in range(6)] == [
        *(R.NOTHING, R.SOMETHING, R.SOMETHING, R.AGENT, R.AGENT, R.NOTHING),
    ]


def test_a_node_that_was_never_ready_is_hopeless_after_three_tries_and_a_known_one_never() -> None:
    assert FIRST_TRIES == 3
    assert not walk(F.BROKE, F.BROKE).hopeless
    assert walk(F.BROKE, F.HUNG, F.BROKE).hopeless
    assert walk(F.BOOTSTRAPPED, F.GREETED, F.BROKE, F.BROKE, F.BROKE).hopeless
    assert not walk(*[F.BROKE] * 50, remains=R.AGENT).hopeless


def test_what_counts_the_failures_is_what_made_the_node_ready() -> None:
    again = walk(F.BROKE, F.BROKE, F.GREETED, F.PREPARED)

    assert (again.failures, again.broken_at) == (0, None)
    again.step(F.BROKE, 50.0)
    again.step(F.BROKE, 60.0)
    assert (again.failures, again.broken_at) == (2, 50.0)


def test_an_agent_that_hangs_is_ended_however_long_it_has_not_answered() -> None:
    late = walk(F.BROKE, F.LEAVE, remains=R.AGENT)
    assert late.worth_returning(now=10.0, give_up=30.0)
    assert not late.worth_returning(now=31.0, give_up=30.0)
    hung = walk(F.BROKE, F.LEAVE, F.HUNG, remains=R.AGENT)
    assert hung.worth_returning(now=3000.0, give_up=30.0)


def test_an_agent_that_does_nothing_any_more_is_removed_like_any_other_thing() -> None:
    disowned = walk(F.HUNG, F.LEAVE, F.DISOWNED, remains=R.AGENT)
    assert (disowned.state, disowned.remains) == (S.RETURNING, R.SOMETHING)
    disowned.step(F.CLEANED_UP, 32.0)
    assert disowned == Standing(S.PARTED, R.NOTHING, 1, 0.0)


def test_pauses_grow_to_their_end_and_are_not_those_of_another_node() -> None:
    standing, pauses = Standing(), []
    for _ in range(20):
        standing.step(F.BROKE, 0.0)
        pauses.append(standing.pause(7))

    for pause, base in zip(pauses, (*BACKOFF_S, *[BACKOFF_S[-1]] * 14), strict=True):
        assert 0.75 * base <= pause < 1.25 * base
    assert len({standing.pause(node) for node in range(100)}) > 90


@given(st.lists(st.sampled_from(list(Fact)), max_size=60), st.sampled_from(list(Remains)))
def test_no_order_of_facts_leads_astray(facts: list[Fact], begun: Remains) -> None:
    standing = Standing(remains=begun)
    for fact in facts:
        pair, before = (standing.state, fact), standing.remains
        if pair not in EDGES:
            changed = pair in STALE
            if changed:
                assert not standing.step(fact, 1.0)
            continue
        assert standing.step(fact, 1.0)
        assert standing.remains is REMAINS.get((before, fact), before)
        if standing.state is S.TALKING:  # tasks go only to an agent that the machine knows
            assert standing.known or begun is R.NOTHING
        assert (standing.broken_at is None) == (standing.failures == 0)

"""Enough nodes for what is left to do, never more than allowed, best offers first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core.plan import (
    GIVE_UP_AFTER,
    MOST_NODES,
    OFFER_RETRY_DELAYS_S,
    Offer,
    Trouble,
    choose,
    least_nodes,
    most_nodes,
    shortage,
    slots_for,
)
from batchio.errors import Unfit
from tests.core.machines import spec

GIB = 2**30
A, B, C = Offer("a", limit=2), Offer("b", limit=1), Offer("c", limit=5)
BIG = {"cpus": 8, "memory": 16 * GIB, "gpus": 2}


@given(
    st.builds(Offer, st.text(), st.integers(1), st.none() | st.integers(1), labels=st.just(("x",)))
)
def test_an_offer_survives_the_journal(offer: Offer) -> None:
    assert Offer.from_json(offer.to_json()) == offer


def test_offers_are_taken_best_first_up_to_their_limits() -> None:
    assert choose(4, [A, B, C], {}, {}, 0.0) == (["a", "a", "b", "c"], False)


def test_what_is_used_already_is_not_taken_again() -> None:
    assert choose(3, [A, B], {"a": 1, "b": 1}, {}, 0.0) == (["a"], False)


def test_an_offer_that_failed_rests_and_is_awaited() -> None:
    trouble = {"a": Trouble(failures=1, not_before=10.0)}

    assert choose(2, [A, B], {}, trouble, 9.0) == (["b"], True)
    assert choose(2, [A, B], {}, trouble, 10.0) == (["a", "a"], False)


def test_an_offer_that_cannot_work_is_never_taken_nor_awaited() -> None:
    trouble = {"a": Trouble(failures=1, final=True)}

    assert choose(2, [A], {}, trouble, 1e9) == ([], False)


def test_a_hopeless_offer_is_tried_but_not_awaited() -> None:
    trouble = {"a": Trouble(failures=GIVE_UP_AFTER, not_before=10.0)}

    assert choose(1, [A], {}, trouble, 9.0) == ([], False)
    assert choose(1, [A], {}, trouble, 10.0) == (["a"], False)


def test_nothing_more_is_awaited_when_there_is_enough() -> None:
    trouble = {"b": Trouble(failures=1, not_before=10.0)}

    assert choose(2, [A, B], {}, trouble, 0.0) == (["a", "a"], False)


def test_an_offer_rests_longer_after_each_failure() -> None:
    past, rests = Trouble(), []

    for _ in range(len(OFFER_RETRY_DELAYS_S) + 1):
        past.add(100.0, "no answer", final=False)
        rests.append(past.not_before - 100.0)

    assert rests == [*OFFER_RETRY_DELAYS_S, OFFER_RETRY_DELAYS_S[-1]]


@pytest.mark.parametrize(
    ("given", "most"), [(None, MOST_NODES), (-1, float("inf")), (7, 7), (0, 1)]
)
def test_how_many_nodes_a_job_may_have(given: int | None, most: float) -> None:
    assert most_nodes(spec(max_workers=given)) == most


def test_nobody_waits_for_more_nodes_than_allowed() -> None:
    assert least_nodes(spec(min_workers=5, max_workers=2)) == 2


@pytest.mark.parametrize(
    ("options", "undone", "slots", "nodes", "short"),
    [
        ({}, 10, 4, 2, 6),
        ({}, 10, 40, 2, 0),
        ({"max_workers": 3}, 10, 4, 2, 1),
        ({"max_workers": 2}, 10, 4, 2, 0),
        ({"at_once": 5}, 10, 4, 2, 1),
        ({"min_workers": 4}, 1, 8, 1, 3),
    ],
)
def test_there_is_a_slot_for_each_undone_task_within_the_limits(
    options: dict[str, Any], undone: int, slots: int, nodes: int, short: int
) -> None:
    assert shortage(spec(**options), undone, slots, nodes, dispatch_started=False) == short


def test_a_started_job_insists_on_no_number_of_nodes() -> None:
    assert shortage(spec(min_workers=4), 1, 8, 1, dispatch_started=True) == 0


@pytest.mark.parametrize(
    ("options", "slots"),
    [
        ({}, 8),
        ({"cpu": 2.0}, 4),
        ({"cpu": 0.5}, 16),
        ({"memory": 4 * GIB}, 4),
        ({"memory": 17 * GIB}, 1),  # a "16 GB" request on what reports a little less
        ({"gpu": 1}, 2),
        ({"cpu": 2.0, "memory": 8 * GIB, "gpu": 1}, 2),
        ({"slots": 3}, 3),
    ],
)
def test_the_scarcest_resource_sets_the_slots(options: dict[str, Any], slots: int) -> None:
    assert slots_for(spec(**options), Offer("a"), BIG) == (slots, "")


def test_an_offer_may_say_its_slots_and_a_limit_to_them() -> None:
    assert slots_for(spec(), Offer("a", slots=5), BIG) == (5, "")
    assert slots_for(spec(), Offer("a", most_slots=3), BIG) == (3, "")


@pytest.mark.parametrize(
    ("options", "lack"),
    [
        ({"cpu": 9.0}, "a task asks for 9 CPUs, there are 8"),
        ({"memory": 32 * GIB}, "a task asks for 32 GiB of memory, there are 16 GiB"),
        ({"gpu": 3}, "a task asks for 3 GPU, there are 2"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_or_warned_about(
    options: dict[str, Any], lack: str
) -> None:
    with pytest.raises(Unfit, match=lack):
        slots_for(spec(**options), Offer("a"), BIG)

    loose = slots_for(spec(**options), Offer("a", strict=False), BIG)
    assert loose == (1, f"{lack}: running one task at a time")

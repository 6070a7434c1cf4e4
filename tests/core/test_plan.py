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
    RENTED_PATIENCE_S,
    Need,
    Offer,
    Take,
    Trouble,
    choose,
    expected_slots,
    least_nodes,
    most_nodes,
    orders,
    shortage,
    slots_for,
)
from batchio.core.reports import Facts
from batchio.errors import Unfit
from tests.core.machines import spec

GIB = 2**30
A, B, C = Offer("a", limit=2), Offer("b", limit=1), Offer("c", limit=5)
BIG = Facts(cpus=8, memory=16 * GIB, gpus=2, arch="x86_64")


@given(
    st.builds(Offer, st.text(), st.integers(1), st.none() | st.integers(1), labels=st.just(("x",)))
)
def test_an_offer_survives_the_journal(offer: Offer) -> None:
    assert Offer.from_json(offer.to_json()) == offer


def take(
    nodes: int, offers: list[Offer], used: Any = (), trouble: Any = (), now: float = 0.0
) -> tuple[list[tuple[str, int]], bool]:
    """What is taken when so many slots are missing, and whether more is awaited."""
    need = Need(nodes, 0, MOST_NODES)
    taken, later = choose(need, offers, dict(used), dict(trouble), spec(), now)
    return [(one.offer, one.nodes) for one in taken], later


def test_offers_are_taken_best_first_up_to_their_limits() -> None:
    assert take(4, [A, B, C]) == ([("a", 2), ("b", 1), ("c", 1)], False)


def test_what_is_used_already_is_not_taken_again() -> None:
    assert take(3, [A, B], {"a": 1, "b": 1}) == ([("a", 1)], False)


def test_an_offer_that_failed_rests_and_is_awaited() -> None:
    trouble = {"a": Trouble(failures=1, not_before=10.0)}

    assert take(2, [A, B], {}, trouble, 9.0) == ([("b", 1)], True)
    assert take(2, [A, B], {}, trouble, 10.0) == ([("a", 2)], False)


def test_an_offer_that_cannot_work_is_never_taken_nor_awaited() -> None:
    trouble = {"a": Trouble(failures=1, final=True)}

    assert take(2, [A], {}, trouble, 1e9) == ([], False)


def test_a_hopeless_offer_is_tried_but_not_awaited() -> None:
    trouble = {"a": Trouble(failures=GIVE_UP_AFTER, not_before=10.0)}

    assert take(1, [A], {}, trouble, 9.0) == ([], False)
    assert take(1, [A], {}, trouble, 10.0) == ([("a", 1)], False)


def test_nothing_more_is_awaited_when_there_is_enough() -> None:
    trouble = {"b": Trouble(failures=1, not_before=10.0)}

    assert take(2, [A, B], {}, trouble, 0.0) == ([("a", 2)], False)


def test_a_node_counts_what_it_is_expected_to_hold() -> None:
    large = Offer("c7i.8xlarge", limit=1000, slots=32)
    offers = [Offer("big", limit=9, slots=32), Offer("small", limit=9, slots=4)]

    assert take(1000, [large]) == ([("c7i.8xlarge", 32)], False)
    assert take(300, offers) == ([("big", 9), ("small", 3)], False)
    assert take(33, offers) == ([("big", 2)], False)


@pytest.mark.parametrize(
    ("options", "offer", "slots"),
    [
        ({}, Offer("a"), 1),
        ({}, Offer("a", slots=3), 3),
        ({"slots": 5}, Offer("a", slots=3), 5),
        ({"slots": 5}, Offer("a", most_slots=2), 2),
        ({}, Offer("a", cpus=8), 8),
        ({"cpu": 2.0, "memory": 8 * GIB}, Offer("a", cpus=8, memory=16 * GIB), 2),
        ({"cpu": 2.0}, Offer("a", memory=16 * GIB), 1),
        ({"gpu": 1}, Offer("a", cpus=96, memory=1024 * GIB, gpus=8), 8),
    ],
)
def test_slots_are_expected_by_what_an_offer_says_of_itself(
    options: dict[str, Any], offer: Offer, slots: int
) -> None:
    assert expected_slots(spec(**options), offer) == slots


def test_offers_of_one_group_share_an_order_and_an_order_takes_no_more_than_a_batch() -> None:
    grouped = [Offer("a", group="hosts"), Offer("b", group="hosts")]
    offers = {offer.id: offer for offer in (*grouped, Offer("c"), Offer("d", batch=250))}
    taken = [Take("a", 1, 1), Take("b", 1, 2), Take("c", 2, 1), Take("d", 600, 4)]

    assert list(orders(taken, offers)) == [
        [Take("a", 1, 1), Take("b", 1, 2)],
        [Take("c", 2, 1)],
        [Take("d", 250, 4)],
        [Take("d", 250, 4)],
        [Take("d", 100, 4)],
    ]


def test_what_fails_while_an_offer_rests_is_the_same_failure() -> None:
    past = Trouble()

    for _ in range(10):
        past.add(100.0, "3 of 10 to be had", final=False)

    assert (past.failures, past.not_before) == (1, 101.0)


def test_a_rented_offer_is_given_up_only_after_a_quarter_of_an_hour() -> None:
    past, now = Trouble(patience=RENTED_PATIENCE_S), 0.0
    while not past.hopeless:
        past.add(now, "no capacity", final=False)
        now = past.not_before

    assert past.last >= RENTED_PATIENCE_S


def test_an_offer_rests_longer_after_each_failure() -> None:
    past, rests = Trouble(), []

    for _ in range(len(OFFER_RETRY_DELAYS_S) + 1):
        now = past.not_before
        past.add(now, "no answer", final=False)
        rests.append(past.not_before - now)

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
        ({"min_workers": 4}, 1, 8, 1, 3),
    ],
)
def test_there_is_a_slot_for_each_undone_task_within_the_limits(
    options: dict[str, Any], undone: int, slots: int, nodes: int, short: int
) -> None:
    need = shortage(spec(**options), undone, slots, nodes, dispatch_started=False)
    assert min(max(need.slots, need.nodes), need.most) == short


def test_a_started_job_insists_on_no_number_of_nodes() -> None:
    need = shortage(spec(min_workers=4), 1, 8, 1, dispatch_started=True)
    assert (need.slots, need.nodes) == (0, 0)


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
        ({"cpu": 9.0}, "a task needs 9 CPUs, but there are 8"),
        ({"memory": 32 * GIB}, "a task needs 32 GiB of memory, but there is 16 GiB"),
        ({"gpu": 3}, "a task needs 3 GPU, but there are 2"),
        ({"arm": True}, "a task needs an ARM processor, but this one is x86_64"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_or_warned_about(
    options: dict[str, Any], lack: str
) -> None:
    with pytest.raises(Unfit, match=lack):
        slots_for(spec(**options), Offer("a"), BIG)

    loose = slots_for(spec(**options), Offer("a", strict=False), BIG)
    assert loose == (1, f"{lack}: running one task at a time")

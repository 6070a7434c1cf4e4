"""What a job on rented nodes would cost: counted before anything is taken."""

from __future__ import annotations

from typing import Any

import pytest

from batchio.core.budget import reserve
from batchio.core.plan import Offer
from batchio.core.quote import Durations, Pool, Quota, quote
from tests.core.builders import spec

CHEAP = Offer("spot", limit=2000, slots=4, rented=True, rate=0.2, spot=True, quota_units=8.0)
DEAR = Offer("whole", limit=2000, slots=4, rented=True, rate=0.6)
POOLS = [
    Pool("spot", "a.xlarge", "z1", spot=True, rate=0.1),
    Pool("spot", "b.xlarge", "z1", spot=True, rate=0.2),
    Pool("whole", "a.xlarge", "z1", spot=False, rate=0.6),
]


def quoted(tasks: int = 100, *, pools: list[Pool] = POOLS, **more: Any) -> Any:
    told = {name: more.pop(name) for name in ("durations", "quotas") if name in more}
    return quote(
        spec(tasks, **more), [CHEAP, DEAR], pools, source="me", burst=10, a_second=2.0, **told
    )


def test_nodes_are_counted_by_their_slots_and_bounded_as_the_job_is() -> None:
    assert (quoted().nodes, quoted().slots, quoted().offer) == (25, 4, "spot")
    assert quoted(max_workers=3).nodes == 3
    assert quoted(at_once=8).nodes == 2
    assert quoted(max_cost=0.9).nodes == 3


def test_what_passes_the_burst_comes_slowly() -> None:
    assert quoted(40).launch == 0.0
    assert quoted().launch == 7.5


def test_the_expected_cost_is_what_tasks_take_and_what_nodes_take_to_boot() -> None:
    found = quoted(durations=Durations(600.0, 900.0, "me"))
    boots = 25 * 60

    assert found.expected == pytest.approx(
        [(25 * 600 + boots) * 0.1 / 3600, (25 * 900 + boots) * 0.2 / 3600], abs=1e-6
    )
    assert quoted().expected == ()


def test_the_worst_case_is_all_nodes_until_they_end_by_themselves() -> None:
    assert quoted().worst == pytest.approx(25 * reserve(0.2))


def test_pools_without_a_price_are_said_and_cost_is_not_made_up() -> None:
    unknown = [Pool("spot", "new.xlarge", "z1", spot=True, rate=None)]
    found = quoted(pools=unknown, durations=Durations(1.0, 1.0, "me"))

    assert (found.high, found.worst, found.expected) == (None, None, ())
    assert "types without a known price are taken last" in found.notes


def test_a_quota_says_how_much_of_it_the_nodes_would_take() -> None:
    [quota] = quoted(quotas=[Quota("spot", "L-1", "Spot", 500.0, 20.0, 0.0)]).quotas

    assert (quota.needed, quota.limit) == (200.0, 500.0)

"""Waiting longer each time, never all at once, and the same on every replay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchio.core.backoff import FIRST_S, MOST_S, backoff


@given(attempt=st.integers(0, 10**6), token=st.text())
def test_a_wait_is_within_its_bounds_and_always_the_same(attempt: int, token: str) -> None:
    wait = backoff(attempt, token)

    assert 0.75 * FIRST_S <= wait <= 1.25 * MOST_S
    assert backoff(attempt, token) == wait


def test_waits_grow() -> None:
    assert backoff(1, "n") < backoff(3, "n") < backoff(5, "n") < backoff(20, "n")


def test_nodes_lost_together_come_back_apart() -> None:
    assert len({backoff(1, f"n{number}") for number in range(100)}) == 100

"""Time passes evenly, whatever the computer's clock is set to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from batchio.agent import basics
from batchio.runtime.clock import RealClock
from batchio.runtime.host import HostClock
from batchio.runtime.steady import SteadyClock, boot_id, since_boot

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600.0
NEAR = 5.0
"""Seconds that a test may take."""


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the computer's clock ahead, or back, by seconds."""
    real = time.time

    def ahead(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return ahead


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
@pytest.mark.parametrize("kind", [RealClock, HostClock])
def test_a_clock_that_is_set_changes_no_duration(
    set_clock: Callable[[float], None], kind: type[SteadyClock], seconds: float
) -> None:
    clock = kind()
    before = clock.now()
    set_clock(seconds)

    assert 0 <= clock.now() - before < NEAR
    assert abs(kind().now() - before - seconds) < NEAR  # a new one reads what it is set to


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_new_head_of_the_same_boot_counts_on(
    set_clock: Callable[[float], None], seconds: float
) -> None:
    first = SteadyClock()
    set_clock(seconds)
    second = SteadyClock()
    second.go_on(first.boot, first.booted, first.now())

    assert abs(second.now() - first.now()) < NEAR
    assert second.boot == boot_id() != ""


@pytest.mark.parametrize(("latest", "expected"), [(-HOUR, 0.0), (HOUR, HOUR)])
def test_after_a_reboot_time_goes_on_and_never_back(latest: float, expected: float) -> None:
    clock = SteadyClock()
    now = clock.now()
    clock.go_on("another boot", 12.0, now + latest)

    assert 0 <= clock.now() - now - expected < NEAR


def test_a_job_whose_boot_is_not_known_counts_the_time_of_this_computer() -> None:
    clock = SteadyClock()
    clock.boot = ""

    assert abs(clock.time_of("", 0.0, 0.0) - clock.now()) < NEAR


def test_who_looks_on_counts_the_time_of_the_head(set_clock: Callable[[float], None]) -> None:
    head = SteadyClock()
    set_clock(HOUR)
    onlooker = HostClock()

    assert abs(onlooker.time_of(head.boot, head.booted, head.now()) - head.now()) < NEAR
    assert abs(onlooker.now() - head.now() - HOUR) < NEAR


def test_the_sleep_of_a_computer_counts() -> None:
    if not hasattr(time, "CLOCK_BOOTTIME"):
        pytest.skip("this computer does not count the seconds since its boot")
    assert abs(since_boot() - time.clock_gettime(time.CLOCK_BOOTTIME)) < NEAR


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_an_agent_whose_node_sets_its_clock_reports_true_durations(
    set_clock: Callable[[float], None], seconds: float
) -> None:
    before = basics.clock()
    set_clock(seconds)

    assert 0 <= basics.clock() - before < NEAR

"""A short campaign on this computer. On failure: the seed, the story, and how to play it again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.chaos import faults, report
from tests.chaos.campaign import play
from tests.chaos.places import Here

if TYPE_CHECKING:
    from pathlib import Path

FAULTS = 25
FIXED = 7


@pytest.mark.timeout(600)  # one job that hangs is given some minutes, and then says so
@pytest.mark.parametrize("kind", ["fixed", "random"])
def test_nothing_is_lost_doubled_or_left_whatever_is_killed(kind: str, tmp_path: Path) -> None:
    seed = FIXED if kind == "fixed" else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    injected = number = 0
    while injected < FAULTS:
        verdict = play(seed, number, Here(), tmp_path / str(number), faults.ANYWHERE)
        assert not verdict.findings, report.of_job(verdict, tmp_path / str(number))
        injected += sum(verdict.injected.values())
        number += 1

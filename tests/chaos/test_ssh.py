"""A short campaign on hosts over SSH. On failure: the seed, the story, how to play it again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.chaos import faults, hosts, report
from tests.chaos.campaign import play

if TYPE_CHECKING:
    from pathlib import Path

    from tests.testbed.client import Lab

FAULTS = 12
FIXED = 7
TABLE = (*faults.ANYWHERE, *hosts.OVER_SSH)


@pytest.mark.timeout(600)  # one job that hangs is given some minutes, and then says so
@pytest.mark.parametrize("kind", ["fixed", "random"])
def test_nothing_is_lost_doubled_or_left_whatever_breaks(
    kind: str, inside_lab: Lab, tmp_path: Path
) -> None:
    seed = FIXED if kind == "fixed" else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    injected = number = 0
    with hosts.on(inside_lab, seed) as place:
        while injected < FAULTS:
            verdict = play(seed, number, place, tmp_path / str(number), TABLE)
            assert not verdict.findings, report.of_job(verdict, tmp_path / str(number))
            injected += sum(verdict.injected.values())
            number += 1

"""EC2, in a process that can reach nothing else."""

from __future__ import annotations

import pytest

from tests.contracts import sealed


@pytest.mark.timeout(600)  # many tests in one
def test_ec2_keeps_the_contract_of_providers() -> None:
    sealed.run_suite("tests/contracts/ec2_suite.py", "")

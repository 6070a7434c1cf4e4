"""EC2, in a process that can reach nothing else."""

from __future__ import annotations

import pytest

from tests.contracts import sealed


@pytest.mark.timeout(600)  # many tests in one
@pytest.mark.parametrize("suite", ["ec2_suite", "ec2_faults_suite"])
def test_ec2_keeps_the_contract_of_providers(suite: str) -> None:
    sealed.run_suite(f"tests/contracts/{suite}.py", "", "tests.contracts.ec2")

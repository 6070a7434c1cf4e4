"""What is left in an account, and what it costs, in a process that can reach nothing else."""

from __future__ import annotations

import pytest

from tests.contracts import sealed


@pytest.mark.timeout(600)  # many tests in one
def test_an_account_says_what_is_left_and_what_it_costs() -> None:
    sealed.run_suite("tests/contracts/aws_account_suite.py", "", "tests.contracts.account")

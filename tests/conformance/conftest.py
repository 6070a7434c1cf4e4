"""Hosts of the lab, for the rows over SSH."""

from tests.e2e.conftest import hosts as hosts

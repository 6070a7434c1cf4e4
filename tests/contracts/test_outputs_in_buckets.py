"""Outputs go from nodes to each kind of bucket; see outputs_suite.py."""

import shutil
from typing import Final

import pytest

from tests.contracts import sealed
from tests.house.skips import OPTIONAL

SUITE: Final = "tests/contracts/outputs_suite.py"


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_outputs_go_from_nodes_to_a_bucket(kind: str) -> None:
    sealed.run_suite(SUITE, kind)


@pytest.mark.skipif(not shutil.which("azurite-blob"), reason=f"{OPTIONAL}npm install -g azurite")
def test_outputs_go_from_nodes_to_azure() -> None:
    sealed.run_suite(SUITE, "azure")

"""Every kind of file store keeps the contract in filestore_suite.py.

The suite loads the SDK of clouds, so it runs where nothing can be reached: sealed.py.
"""

import os
import shutil
import subprocess
import sys
from typing import Final

import pytest

from tests.contracts import sealed
from tests.house.skips import OPTIONAL
from tests.house.source import ROOT

SUITE: Final = "tests/contracts/filestore_suite.py"


@pytest.mark.parametrize("kind", ["folder", "memory", "s3", "gcs"])
def test_a_file_store_keeps_its_contract(kind: str) -> None:
    sealed.run_suite(SUITE, f"{kind} and not trouble")


@pytest.mark.skipif(not shutil.which("azurite-blob"), reason=f"{OPTIONAL}npm install -g azurite")
def test_a_file_store_in_azure_keeps_its_contract() -> None:
    sealed.run_suite(SUITE, "azure and not trouble")


def test_trouble_with_a_store_is_told_by_its_remedy() -> None:
    sealed.run_suite(SUITE, "trouble")


def test_nothing_of_a_cloud_is_loaded_where_it_could_reach_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", SUITE],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    if len(os.listdir("/sys/class/net")) > 1:  # else this computer has nobody to reach
        assert "can reach other computers" in done.stdout

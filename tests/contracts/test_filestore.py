"""Every kind of file store keeps the contract in filestore_suite.py.

The suite loads the SDK of clouds, so it runs where nothing can be reached: sealed.py.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.contracts import sealed
from tests.house.skips import OPTIONAL

SUITE: Final = Path(__file__).with_name("filestore_suite.py")


def suite(choice: str) -> None:
    """Run the part of the suite that `pytest -k` chooses; none of it may be skipped."""
    if why := sealed.missing():
        pytest.skip(f"NOT TESTED, file stores: {why}")
    words = ["-q", "--noconftest", "-p", "no:cacheprovider", "-k", choice, str(SUITE)]
    done = subprocess.run(
        sealed.command([sys.executable, "-m", "pytest", *words]),
        cwd=SUITE.parent.parent.parent,
        env=os.environ | {"PYTEST_ADDOPTS": "", "AWS_EC2_METADATA_DISABLED": "true"},
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode or "skipped" in done.stdout:
        pytest.fail(f"{done.stdout}{done.stderr}", pytrace=False)


@pytest.mark.parametrize("kind", ["folder", "memory", "s3", "gcs"])
def test_a_file_store_keeps_its_contract(kind: str) -> None:
    suite(f"{kind} and not trouble")


@pytest.mark.skipif(not shutil.which("azurite-blob"), reason=f"{OPTIONAL}npm install -g azurite")
def test_a_file_store_in_azure_keeps_its_contract() -> None:
    suite("azure and not trouble")


def test_trouble_with_a_store_is_told_by_its_remedy() -> None:
    suite("trouble")


def test_nothing_of_a_cloud_is_loaded_where_it_could_reach_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", SUITE],
        text=True,
        capture_output=True,
        check=False,
    )
    if len(os.listdir("/sys/class/net")) > 1:  # else this computer has nobody to reach
        assert "can reach other computers" in done.stdout

"""Every kind of bucket keeps the contract in bucket_suite.py, where nothing can be reached."""

from __future__ import annotations

import ast
import shutil
from typing import Final

import pytest

from tests.contracts import sealed
from tests.house.skips import OPTIONAL
from tests.house.source import python_files

SUITE: Final = "tests/contracts/bucket_suite.py"
JOURNAL: Final = "tests/contracts/journal_suite.py"
WORKSPACE: Final = "tests/contracts/workspace_suite.py"


@pytest.mark.parametrize("kind", ["folder", "memory or plain_path", "s3", "gcs"])
def test_a_bucket_keeps_its_contract(kind: str) -> None:
    sealed.run_suite(SUITE, kind)


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_a_journal_in_a_bucket_keeps_its_contract(kind: str) -> None:
    sealed.run_suite(JOURNAL, kind)


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_a_workspace_in_a_bucket_keeps_its_contract(kind: str) -> None:
    sealed.run_suite(WORKSPACE, kind)


def test_a_job_in_a_bucket_ends_well_whatever_becomes_of_answers() -> None:
    sealed.run_suite("tests/contracts/front_suite.py", "test")


def test_computers_share_a_workspace_in_a_bucket() -> None:
    sealed.run_suite("tests/contracts/shared_suite.py", "test")


def test_credentials_of_aws_come_from_files_and_programs_too() -> None:
    sealed.run_suite("tests/contracts/aws_suite.py", "test")


@pytest.mark.parametrize("suite", [SUITE, JOURNAL, WORKSPACE])
@pytest.mark.skipif(not shutil.which("azurite-blob"), reason=f"{OPTIONAL}npm install -g azurite")
def test_a_bucket_in_azure_keeps_its_contract(suite: str) -> None:
    sealed.run_suite(suite, "azure")


def test_one_room_alone_knows_how_buckets_are_reached() -> None:
    importers = set()
    for path in python_files("src/batchio"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            if any(name.partition(".")[0] == "obstore" for name in names):
                importers.add(path.parent.name)

    assert importers == {"buckets"}

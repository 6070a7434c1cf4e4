"""Jobs on instances that are rented, boot, and are given back: EC2 over hosts of the lab."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.testbed.cloud.hosts import Ec2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.testbed.client import Lab


@pytest.fixture
def ec2(inside_lab: Lab) -> Iterator[Ec2]:
    with Ec2(inside_lab) as made:
        yield made


def batchio(ec2: Ec2, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True)
    env = {"PATH": os.environ["PATH"], "HOME": str(home), **ec2.env}
    return subprocess.run(
        [sys.executable, "-m", "batchio", *words],
        env=env, cwd=home, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_nodes_are_rented_run_the_tasks_and_are_given_back(ec2: Ec2, tmp_path: Path) -> None:
    done = batchio(
        ec2, tmp_path / "home", "run", "--provider", "aws", "--subnet", ec2.subnet,
        "--ntasks", "6", "--max-workers", "3", "--allow-ssh-from", "10.77.0.0/16", "--wait",
        "--", "sh", "-c", "hostname",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    logs = batchio(ec2, tmp_path / "home", "logs", "--raw")
    assert len(set(logs.stdout.split())) == 3
    assert set(logs.stdout.split()) <= set(ec2.hosts)
    assert ec2.living() == []
    status = json.loads(batchio(ec2, tmp_path / "home", "status", "--format", "json").stdout)
    assert status["counts"]["succeeded"] == 6

"""Jobs on instances that are rented, boot, and are given back: EC2 over hosts of the lab."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from batchio.stores import open_workspace
from tests.testbed.cloud.hosts import Ec2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.testbed.client import Lab


@pytest.fixture
def ec2(inside_lab: Lab) -> Iterator[Ec2]:
    with Ec2(inside_lab) as made:
        yield made


class Shell:
    """A person's own computer, with an account at the cloud."""

    def __init__(self, ec2: Ec2, home: Path) -> None:
        self._ec2 = ec2
        self._home = home

    def __call__(self, *words: str, code: int = 0) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(self._home), **self._ec2.env}
        done = subprocess.run(
            [sys.executable, "-m", "batchio", *words],
            env=env, cwd=self._home, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def run(self, *words: str, code: int = 0) -> str:
        subnet = ("--subnet", self._ec2.subnet, "--allow-ssh-from", "10.77.0.0/16")
        return self("run", "--provider", "aws", *subnet, *words, code=code)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self("status", "--format", "json")))

    def kill_head(self) -> None:
        store = open_workspace(str(self._home / ".local/share/batchio")).job(self.status()["id"])
        holder = store.leader()
        assert holder
        os.kill(holder.pid, signal.SIGKILL)


@pytest.fixture
def shell(ec2: Ec2, tmp_path: Path) -> Shell:
    return Shell(ec2, tmp_path)


def until(true: Callable[[], object]) -> None:
    """Wait for what stays true once it is; the test's own limit holds."""
    while not true():
        time.sleep(0.1)


def test_nodes_are_rented_run_the_tasks_and_are_given_back(ec2: Ec2, shell: Shell) -> None:
    together = ("-N", "3", "--wait-for-ready-cluster")
    shell.run("--ntasks", "6", *together, "--wait", "--", "sh", "-c", "hostname; sleep 1")

    said = shell("logs", "--raw").split()
    assert len(said) == 6
    assert len(set(said)) == 3
    assert set(said) <= set(ec2.hosts)
    assert ec2.living() == []
    assert shell.status()["counts"]["succeeded"] == 6
    assert ec2.front.cloud.count("CreateFleet") == 1
    until(lambda: ec2.left() == [])
    assert shell.status()["cost"]


def test_nothing_is_left_of_a_job_whose_head_was_killed_and_recovered(
    ec2: Ec2, shell: Shell
) -> None:
    shell.run("--ntasks", "2", "-N", "2", "--", "sh", "-c", "sleep 5; hostname")
    until(lambda: shell.status()["state"] == "running")
    shell.kill_head()

    shell("recover", shell.status()["id"], "--wait")

    assert shell.status()["counts"]["succeeded"] == 2
    assert ec2.living() == []
    assert len(ec2.hosts) == 2  # the same nodes went on
    until(lambda: ec2.left() == [])


def test_a_node_that_powers_off_amid_its_task_is_replaced(ec2: Ec2, shell: Shell) -> None:
    shell.run("--ntasks", "1", "--node-timeout", "5", "--", "sh", "-c", "hostname; sleep 4")
    until(lambda: shell("logs", "--raw").split())
    [first] = ec2.hosts
    ec2.run_on(ec2.hosts[first], "poweroff")

    shell("wait")

    assert set(shell("logs", "--raw").split()) == set(ec2.hosts)
    assert len(ec2.hosts) == 2
    assert ec2.living() == []


def test_another_host_key_at_the_address_is_refused_and_another_node_rented(
    ec2: Ec2, shell: Shell
) -> None:
    ec2.impostors = 1

    shell.run("--wait", "--", "hostname")

    assert len(ec2.hosts) == 2
    assert "host key" in shell("nodes")
    assert ec2.living() == []


def test_the_dead_man_ends_a_node_whose_agent_hears_no_head_any_more(
    ec2: Ec2, shell: Shell
) -> None:
    shell.run("--ntasks", "1", "--", "sh", "-c", "sleep 600")
    until(lambda: shell.status()["state"] == "running")
    [(instance, host)] = ec2.hosts.items()
    ec2.run_on(host, "touch -d @1000000000 /run/batchio-heard")
    until(lambda: ec2.run_on(host, "stat -c %Y /run/batchio-heard") != "1000000000\n")
    shell.kill_head()
    assert ec2.living() == [instance]

    # The lab's hosts have the uptime of their kernel; so no limit but the lease ends this one.
    ec2.run_on(host, "sh /var/lib/batchio/dead-man 1 999999999 999999999 1 >/dev/null 2>&1 &")
    touched = "for at in 1 2 3; do sleep 1; touch -d @$at /run/batchio-heard; done"
    ec2.run_on(host, touched)

    until(lambda: ec2.living() == [])

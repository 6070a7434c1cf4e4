"""Hosts of many kinds for heads: where none can run, or users keep them up, or nobody does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e import elsewhere
from tests.e2e.elsewhere import COUNTS, begun, head_host, head_pid, left_on, on, until
from tests.testbed import images

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.elsewhere import Computer
    from tests.testbed.client import Lab, Vm
    from tests.testbed.fixtures import MakeVms


@pytest.fixture
def store(inside_lab: Lab) -> Iterator[None]:
    with elsewhere.store():
        yield


@pytest.fixture
def laptop(inside_lab: Lab, tmp_path: Path, store: None) -> Computer:
    return elsewhere.computer(inside_lab, tmp_path / "laptop")


@pytest.fixture
def node(vms: MakeVms) -> Vm:
    [vm] = vms(1)
    return vm


TROUBLES: Final = {
    "mount -t tmpfs -o size=100m none /var/tmp": "no room for a head in /var/tmp: it takes 200 MB",
    "mount -t tmpfs -o ro none /var/tmp": "nothing can be written in /var/tmp",
    "mount -t tmpfs -o noexec none /var/tmp": "it is mounted noexec",
    "mv /root/.ssh/id_ed25519 /root": "reaches none of the hosts: NODE: ",
    "chmod a-x /usr/bin/python3*": "has no Python 3.11 or newer",
}
"""Commands that make a host useless for a head, and what is said then."""


def test_a_host_that_can_run_no_head_is_named_and_no_job_is_made(
    lab: Lab, vms: MakeVms, laptop: Computer, node: Vm
) -> None:
    host = head_host(lab, vms, [node])
    words = ("run", "--hosts", node.name, "--head", host.name, "--shell", "true")
    with elsewhere.store(address="127.0.0.1") as url:  # one that only this computer reaches
        _, err = laptop.run(*words, code=2, AWS_ENDPOINT_URL=url)
    assert f"{host.name} does not reach the workspace" in err
    assert not left_on(lab, host)
    for trouble, said in TROUBLES.items():
        on(lab, host, trouble)
        _, err = laptop.run(*words, code=2)
        assert said.replace("NODE", node.name) in err
        on(lab, host, "umount /var/tmp; mv /root/id_ed25519 /root/.ssh; true")
        assert not left_on(lab, host)
    assert json.loads(laptop.run("list", "--format", "json")[0]) == []


def test_a_users_own_systemd_keeps_a_head_up_where_he_lingers(
    lab: Lab, vms: MakeVms, laptop: Computer, node: Vm
) -> None:
    host = head_host(lab, vms, [node], image=images.SYSTEMD)
    on(lab, host, "loginctl enable-linger alice")
    until(lambda: "private" in on(lab, host, "ls /run/user/1000/systemd"), "her systemd")
    ours = ("--hosts", node.name, "--head", f"alice@{host.name}", "--shell")
    job = laptop.submit(*ours, COUNTS)
    until(lambda: begun(lab, node), "the task to begin")
    assert f".config/systemd/user/batchio-head-{job}.service" in left_on(lab, host)
    before = head_pid(lab, host)
    on(lab, host, f"kill -9 {before}")
    until(lambda: laptop.status(job)["epoch"] == 2, "the head to be started again")
    host.reboot()
    laptop.forget_lease(job)
    until(lambda: laptop.status(job)["epoch"] == 3, "the head to be started at boot")
    on(lab, node, "touch /root/go")
    laptop.run("wait", job)
    assert begun(lab, node) == ["0"]
    until(lambda: not left_on(lab, host), "the head's host to be as it was")

    on(lab, host, "mkdir -p /home/alice/.config; mount -t tmpfs -o ro none /home/alice/.config")
    (laptop.here / "project").mkdir()
    (laptop.here / "project" / "input").write_text("one")
    line = ("--sync", "project", *ours, "cat input input > made; echo two > input")
    laptop.run("run", "--wait", *line)  # who waits brings it back, since the head cannot
    made = {file.name: file.read_text() for file in (laptop.here / "project").iterdir()}
    assert made == {"input": "two\n", "made": "oneone"}
    until(lambda: not left_on(lab, host), "the head's host to be as it was")


def test_a_host_that_keeps_no_head_up_and_reboots_is_told_and_recover_goes_on(
    lab: Lab, vms: MakeVms, laptop: Computer, node: Vm
) -> None:
    host = head_host(lab, vms, [node])
    job = laptop.submit("--hosts", node.name, "--head", host.name, "--shell", COUNTS)
    until(lambda: begun(lab, node), "the task to begin")
    host.reboot()
    laptop.forget_lease(job)
    out, _ = laptop.run("status", job)
    assert f"No process runs it: its head was on {host.name}" in out
    assert f"batchio recover {job}" in out
    laptop.run("recover", job, "--head", "local")  # and what is there is removed
    assert laptop.status(job)["epoch"] == 2
    assert not left_on(lab, host)
    on(lab, node, "touch /root/go")
    laptop.run("wait", job)
    assert begun(lab, node) == ["0"]
    until(lambda: not left_on(lab, host), "the head's host to be as it was")


SPOILT: Final = """
import subprocess, sys
from batchio.cli.main import main
from batchio.heads import remote
from batchio.stores.bucket import BucketDraft

config, host, signal = sys.argv[1:4]
remote.LIMIT_S, remote.PATIENT_S = 5.0, 0.5
commit, wait = BucketDraft.commit, remote._await_lead

def send(name):
    words = ["pkill", name, "-f", "'/bundle /var/tmp'"]
    subprocess.run(["ssh", "-F", config, host, *words], check=True)

def stopped(*words, **more):
    send("-STOP")
    return commit(*words, **more)

def spoilt(*words):
    send(signal)
    return wait(*words)

BucketDraft.commit, remote._await_lead = stopped, spoilt
sys.argv = ["batchio", *sys.argv[4:]]
main()
"""
"""A client whose head stops just before there is a job, and then gets a signal."""


def test_a_hand_over_that_fails_leaves_nothing_and_says_why(
    lab: Lab, vms: MakeVms, laptop: Computer, node: Vm
) -> None:
    host = head_host(lab, vms, [node])
    words = ["run", "--hosts", node.name, "--head", host.name, "--shell", "true"]
    for signal in ("-KILL", "-STOP"):  # it dies; it hangs
        done = subprocess.run(
            [sys.executable, "-c", SPOILT, str(lab.ssh_config_file), host.name, signal, *words],
            cwd=laptop.here, env=laptop.environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 3, done
        assert f"error: no head started on {host.name} for job " in done.stderr
        assert f"what was started there is removed; try there: ssh {host.name}" in done.stderr
        assert not left_on(lab, host)
    assert json.loads(laptop.run("list", "--format", "json")[0]) == []


def test_a_head_that_was_started_too_often_is_given_up_and_recovered(
    lab: Lab, vms: MakeVms, laptop: Computer, node: Vm
) -> None:
    host = head_host(lab, vms, [node], image=images.SYSTEMD)
    job = laptop.submit("--hosts", node.name, "--head", host.name, "--shell", COUNTS)
    until(lambda: begun(lab, node), "the task to begin")
    starts = f"/var/tmp/batchio-0/head-{job}/starts"
    on(lab, host, f"for n in $(seq 30); do cut -d' ' -f1 /proc/uptime; done >> {starts}")
    on(lab, host, f"kill -9 {head_pid(lab, host)}")
    laptop.forget_lease(job)
    until(lambda: "is given up" in laptop.run("wait", job, code=3)[1], "the head to say so")
    assert "was started 31 times within 15 minutes on" in laptop.run("status", job)[0]
    laptop.run("recover", job)
    on(lab, node, "touch /root/go")
    laptop.run("wait", job)
    assert begun(lab, node) == ["0"]
    until(lambda: not left_on(lab, host), "the head's host to be as it was")

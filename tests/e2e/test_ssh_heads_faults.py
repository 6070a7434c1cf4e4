"""Heads on other computers that die, hang, are rebooted or lost; clients that die meanwhile."""

from __future__ import annotations

import json
import signal
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


def test_a_head_that_is_killed_or_hangs_is_started_again_and_nothing_runs_twice(
    lab: Lab, vms: MakeVms, laptop: Computer, node: Vm
) -> None:
    host = head_host(lab, vms, [node], image=images.SYSTEMD)
    ours = ("--hosts", node.name, "--head", host.name, "--shell")
    job = laptop.submit(*ours, COUNTS)
    until(lambda: begun(lab, node), "the task to begin")
    folder = f"/etc/systemd/system/batchio-head-{job}.service.d"
    quick = f"printf '[Service]\nWatchdogSec=2\nRestartSec=100ms\n' > {folder}/quick.conf"
    on(lab, host, f"mkdir {folder}; {quick}; systemctl daemon-reload")

    def leads_again_after(how: str, epoch: int) -> None:
        before = head_pid(lab, host)
        on(lab, host, f"kill -{how} {before}")
        until(lambda: head_pid(lab, host) not in (0, before), f"a head after SIG{how}")
        until(lambda: laptop.status(job)["epoch"] == epoch, "it to lead")

    leads_again_after("KILL", 2)  # this one is watched every two seconds
    leads_again_after("STOP", 3)
    leads_again_after("TERM", 4)
    on(lab, host, f"rm -r {folder}")
    on(lab, node, "touch /root/go")
    laptop.run("wait", job)
    assert begun(lab, node) == ["0"]
    until(lambda: not left_on(lab, host), "the head's host to be as it was")


def test_a_head_goes_on_after_a_reboot_and_waits_for_its_secrets(
    lab: Lab, vms: MakeVms, laptop: Computer, node: Vm, tmp_path: Path
) -> None:
    host = head_host(lab, vms, [node], image=images.SYSTEMD)
    value = "very-secret-indeed"
    told = f'test "$TOKEN" = {value} || exit 9; {COUNTS}'.replace(value, "very-''secret-indeed")
    ours = ("--hosts", node.name, "--head", host.name, "--slots", "1", "--shell")
    other = laptop.submit(*ours, COUNTS)
    until(lambda: begun(lab, node) == ["0"], "the first job's task to begin")
    job = laptop.submit("--ntasks", "2", "--secret-env", f"TOKEN={value}", *ours, told)
    until(lambda: len(begun(lab, node)) == 2, "a task with a secret to begin")
    assert nowhere(lab, host, value) == [f"/run/batchio-head-{job}"]
    host.reboot()
    for each in (other, job):
        laptop.forget_lease(each)
    until(lambda: laptop.status(other)["epoch"] == 2, "the head to lead again")
    until(
        lambda: "its secrets are gone: TOKEN" in laptop.run("wait", job, code=3)[1],
        "the head to say what it lacks",
    )
    assert "its secrets to continue: TOKEN" in laptop.run("recover", job, code=2)[1]
    laptop.run("recover", job, "--secret-env", "TOKEN", TOKEN=value)
    on(lab, node, "touch /root/go")
    for each in (other, job):
        laptop.run("wait", each)
    assert sorted(begun(lab, node)) == ["0", "0", "1"]
    until(lambda: not left_on(lab, host), "the head's host to be as it was")
    assert value.encode() not in laptop.everything()


def nowhere(lab: Lab, host: Vm, value: str) -> list[str]:
    """The files of a host in which a secret stands; it is in no arguments and no log."""
    assert value not in on(lab, host, "ps auxww")
    found = on(lab, host, f"grep -rls {value} /run /var /root /etc /tmp /home")
    return found.split()


def test_a_head_that_nobody_keeps_up_is_recovered_and_one_that_is_lost_goes_on_elsewhere(
    lab: Lab, vms: MakeVms, laptop: Computer, node: Vm
) -> None:
    host = head_host(lab, vms, [node])
    job = laptop.submit("--hosts", node.name, "--head", host.name, "--shell", COUNTS)
    until(lambda: begun(lab, node), "the task to begin")
    on(lab, host, f"kill -9 {head_pid(lab, host)}")
    laptop.forget_lease(job)
    assert "keeps running" in laptop.run("recover", job)[1]
    assert head_pid(lab, host)
    assert laptop.status(job)["epoch"] == 2
    host.kill()
    laptop.forget_lease(job)
    err = laptop.run("recover", job, code=None)[1]
    assert f"batchio recover {job} --head local" in err
    second = head_host(lab, vms, [node], image=images.SYSTEMD)
    newer = elsewhere.computer(lab, laptop.top / "newer")
    newer.run("recover", job, "--head", second.name)
    assert newer.status(job)["epoch"] == 3
    newer.run("cancel", job)
    newer.run("wait", job, code=4)
    assert begun(lab, node) == ["0"]
    until(lambda: not left_on(lab, second), "the head's host to be as it was")
    assert not left_on(lab, node)


STEPS: Final = ("reach", "_kept", "_judged", "commit", "_await_lead")
"""What a client does one after the other; it dies as each begins."""

DYING: Final = """
import os, sys
from batchio.heads import remote
from batchio.stores.bucket import BucketDraft
remote.JOB_LIMIT_S = 2.0
place = BucketDraft if sys.argv[1] == "commit" else remote
setattr(place, sys.argv[1], lambda *_, **__: os.kill(os.getpid(), 9))
from batchio.cli.main import main
sys.argv = ["batchio", *sys.argv[2:]]
main()
"""


def test_a_client_that_is_killed_while_it_starts_a_head_leaves_a_job_that_runs_or_nothing(
    lab: Lab, vms: MakeVms, laptop: Computer, node: Vm
) -> None:
    host = head_host(lab, vms, [node], image=images.SYSTEMD)
    for step in STEPS:
        words = ["run", "--hosts", node.name, "--head", host.name, "--shell", "true"]
        done = subprocess.run(
            [sys.executable, "-c", DYING, step, *words],
            cwd=laptop.here, env=laptop.environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, done.stderr
        until(lambda: not left_on(lab, host), f"nothing to be left after {step}", 30)
    [job] = json.loads(laptop.run("list", "--format", "json")[0])
    assert job["outcome"] == "succeeded"

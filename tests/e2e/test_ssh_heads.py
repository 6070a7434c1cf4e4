"""A head on another computer: the job goes on without the one it was submitted from."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.e2e import elsewhere
from tests.e2e.elsewhere import head_host, left_on, on, until
from tests.testbed import images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.elsewhere import Computer
    from tests.testbed.client import Lab
    from tests.testbed.fixtures import MakeVms


@pytest.fixture
def store(inside_lab: Lab) -> Iterator[None]:
    with elsewhere.store():
        yield


@pytest.fixture
def computers(inside_lab: Lab, tmp_path: Path, store: None) -> Callable[[str], Computer]:
    return lambda name: elsewhere.computer(inside_lab, tmp_path / name)


SYSTEMD = {"image": images.SYSTEMD}
PLAIN = {"image": "debian-ssh"}


@pytest.mark.parametrize("kind", [SYSTEMD, PLAIN], ids=["a unit", "detached"])
def test_a_job_ends_well_without_the_computer_it_came_from(
    kind: dict[str, str], lab: Lab, vms: MakeVms, computers: Callable[[str], Computer]
) -> None:
    nodes = vms(1)
    host = head_host(lab, vms, nodes, **kind)
    laptop = computers("laptop")
    names = ",".join(vm.name for vm in nodes)
    job = laptop.submit(
        "--hosts", names, "--head", host.name, "--ntasks", "3", "--shell", "echo $BATCHIO_TASK_ID"
    )
    shutil.rmtree(laptop.top)
    other = computers("other")
    other.run("wait", job)
    assert other.status(job)["counts"]["succeeded"] == 3
    until(lambda: not left_on(lab, host), "the head's host to be as it was")
    assert not left_on(lab, nodes[0])


def test_another_computer_has_all_lines_and_outputs_of_a_job_whose_client_was_killed(
    lab: Lab, vms: MakeVms, computers: Callable[[str], Computer]
) -> None:
    nodes = vms(3)
    host = head_host(lab, vms, nodes, **SYSTEMD)
    laptop, other = computers("laptop"), computers("other")
    names = ",".join(vm.name for vm in nodes)
    line = (
        "hostname; seq $BATCHIO_TASK_ID 3000 > numbers; until test -e /root/go; do sleep 0.1; done"
    )
    words = (
        "--hosts",
        names,
        "--head",
        host.name,
        "--ntasks",
        "9",
        "--slots",
        "3",
        "--shell",
        line,
    )

    client = laptop.popen("run", "--wait", "--name", "long", *words)
    until(lambda: _running(other, "long") == 9, "all tasks to run, as another computer sees it")
    client.kill()
    client.communicate()
    shutil.rmtree(laptop.top)
    for vm in nodes:
        on(lab, vm, "touch /root/go")
    other.run("wait", "long", "--download", "results")

    assert other.status("long")["counts"]["succeeded"] == 9
    printed = other.run("logs", "long", "--raw")[0].split()
    assert sorted(set(printed)) == sorted(vm.name for vm in nodes)
    assert len(printed) == 9
    for task in range(9):
        kept = (other.here / "results" / str(task) / "numbers").read_text().split()
        assert kept == [str(n) for n in range(task, 3001)]
    until(lambda: not left_on(lab, host), "the head's host to be as it was")
    assert [left_on(lab, vm) for vm in nodes] == [""] * 3


def _running(computer: Computer, job: str) -> int:
    """How many tasks of a job run, as far as this computer knows of it."""
    out, _ = computer.run("status", job, "--format", "json", code=None)
    return int(json.loads(out)["counts"]["running"]) if out else 0

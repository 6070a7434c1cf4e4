"""A head on another computer: the job goes on without the one it was submitted from."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.e2e import elsewhere
from tests.e2e.elsewhere import head_host, left_on, until
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
    until(lambda: not left_on(lab, host), "the head's host to be as it was", 10)
    assert not left_on(lab, nodes[0])

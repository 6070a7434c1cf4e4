"""Whole jobs over real SSH: hosts of the lab under their own names, as `ssh vm1` knows them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.client import Lab, Vm
from tests.testbed.fixtures import MakeVms

MakeHosts = Callable[..., list[Vm]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let who waits here be warned of hosts that a test has broken."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("ignore::batchio.BatchioWarning"))


@pytest.fixture
def hosts(inside_lab: Lab, vms: MakeVms, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeHosts]:
    """Make hosts that plain `ssh NAME` reaches: the lab's configuration is the user's.

    The packages that these tests are run with stay here, unless a test is about packages.
    """
    monkeypatch.setenv("BATCHIO_PACKAGE_SYNC", "false")
    config = Path.home() / ".ssh" / "config"
    config.parent.mkdir(mode=0o700, exist_ok=True)
    config.symlink_to(inside_lab.ssh_config_file)

    def make(count: int = 1, **options: Any) -> list[Vm]:
        return vms(count, **options)

    yield make
    config.unlink()


def names(machines: list[Vm]) -> list[str]:
    """What `--hosts` gets."""
    return [vm.name for vm in machines]

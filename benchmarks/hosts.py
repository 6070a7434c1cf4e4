"""Real SSH hosts for a benchmark: the tests' own lab, with plain `ssh NAME` reaching them."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.testbed.client import Lab, Vm, missing
from tests.testbed.spec import VmSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def hosts(folder: Path, count: int) -> Iterator[list[Vm]]:
    """So many hosts; meanwhile this thread is in their network, and HOME says how to reach them."""
    if reason := missing():
        sys.exit(f"no test bed: {reason}")
    with Lab() as lab:
        vms: list[Vm] = []
        while len(vms) < count:
            vms += lab.create(*[VmSpec()] * min(100, count - len(vms)))
        home = folder / "home"
        (home / ".ssh").mkdir(parents=True)
        (home / ".ssh" / "config").symlink_to(lab.ssh_config_file)
        before = os.environ["HOME"]
        os.environ["HOME"] = str(home)
        try:
            with lab.inside():
                yield vms
        finally:
            os.environ["HOME"] = before
            lab.destroy(*vms)


def names(vms: list[Vm]) -> str:
    """What --hosts gets."""
    return ",".join(vm.name for vm in vms)

"""Limits for hosts, in cgroup v1 trees named after the lab: the one thing the kernel
does not give back by itself when a lab is killed. `sweep` does, at the next start."""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from tests.testbed.spec import VmSpec

ROOT: Final = Path("/sys/fs/cgroup")
CONTROLLERS: Final = (
    "memory",
    "pids",
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "blkio",
)
SYSTEMD: Final = "systemd"
"""The tree without a controller in which systemd keeps account of its units."""
PREFIX: Final = "bl"
"""A lab is called `bl<pid of its daemon>`, its hosts `bl<pid>.<number>`."""
_CPU_PERIOD_US: Final = 100_000
_REMOVE_LIMIT_S: Final = 2.0


def join(name: str, spec: VmSpec) -> None:
    """Put the calling process into the trees that `spec` asks for.

    Raises:
        RuntimeError: This computer has no cgroup v1 controller of that kind.
    """
    wanted = set(CONTROLLERS) if spec.cgroups else set()
    wanted |= {"memory"} if spec.memory_mb else set()
    wanted |= {"cpu"} if spec.cpus else set()
    wanted |= {SYSTEMD} if spec.systemd else set()
    for controller in sorted(wanted):
        tree = ROOT / controller
        if not (tree / "cgroup.procs").exists():
            raise RuntimeError(f"no cgroup v1 controller {controller!r} at {tree}")
        leaf = tree / name
        leaf.mkdir(exist_ok=True)
        if controller == "cpuset":  # refuses members until both are set
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (leaf / setting).write_text((tree / setting).read_text())
        if controller == "memory" and spec.memory_mb:
            (leaf / "memory.limit_in_bytes").write_text(str(spec.memory_mb << 20))
        if controller == "cpu" and spec.cpus:
            quota = int(spec.cpus * _CPU_PERIOD_US)
            (leaf / "cpu.cfs_quota_us").write_text(str(quota))
        (leaf / "cgroup.procs").write_text("0")


def remove(name: str) -> None:
    """Remove every tree of the dead host `name`; a moment later if still busy."""
    give_up = time.monotonic() + _REMOVE_LIMIT_S
    for leaf in ROOT.glob(f"*/{name}"):
        for folder, _, _ in os.walk(leaf, topdown=False):
            _remove_folder(Path(folder), give_up)


def _remove_folder(folder: Path, give_up: float) -> None:
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:  # its last process is not reaped yet
            if time.monotonic() > give_up:
                raise
            time.sleep(0.005)
        else:
            return


def sweep() -> None:
    """Remove what labs left whose daemon was killed."""
    for leaf in ROOT.glob(f"*/{PREFIX}[0-9]*.*"):
        owner = leaf.name.removeprefix(PREFIX).split(".")[0]
        if owner.isdigit() and not _lives(int(owner)):
            with contextlib.suppress(OSError):
                remove(leaf.name)


def _lives(pid: int) -> bool:
    try:
        stat = Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return False
    return not stat.rpartition(")")[2].startswith(" Z")  # dead, but not yet reaped

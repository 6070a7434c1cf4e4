"""Facts about this node: what it is and has."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

from batchio.agent.basics import clock, slurp
from batchio.agent.limits import CPUS, Cgroup

if TYPE_CHECKING:
    from typing import Any


def node_memory() -> int:
    """Return the bytes of memory for us: the node's own, or what its control group allows."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in (
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ):
        text = slurp(path).strip()
        if text.isdigit():
            total = min(total, int(text))
    return total


def node_gpus() -> int:
    try:
        return len(os.listdir("/proc/driver/nvidia/gpus"))
    except OSError:
        return 0


def node_devices() -> bytes:
    """Return the names of all GPUs, as CUDA writes them."""
    return b",".join(b"%d" % number for number in range(node_gpus()))


def node_engines() -> list[str]:
    """Return which container engines are installed."""
    folders = os.environ.get("PATH", "/usr/bin:/bin").split(":")
    names = ("docker", "podman")
    return [n for n in names if any(os.access(f + "/" + n, os.X_OK) for f in folders)]


def node_address() -> str:
    """Return the address of this node for others: the one that the head used, else the
    outgoing.
    """
    found = os.environ.get("SSH_CONNECTION", "").split()  # client, its port, our address, port
    if len(found) == 4 and not found[2].startswith(("127.", "::1", "fe80:")):
        return found[2].replace("::ffff:", "")
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:  # connecting a datagram socket sends nothing
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"
    finally:
        probe.close()


def node_namespace() -> int:
    """Return the number of our process namespace, which no two containers share; 0: unknown."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def node_facts() -> dict[str, Any]:
    """Return the facts that the head is told of the node."""
    return {
        "python": "%d.%d.%d" % sys.version_info[:3],
        "executable": sys.executable or "python3",
        "hostname": socket.gethostname(),
        "cpus": len(CPUS),
        "memory": node_memory(),
        "arch": os.uname().machine,
        "gpus": node_gpus(),
        "engines": node_engines(),
        "address": node_address(),
        "boot_id": slurp("/proc/sys/kernel/random/boot_id").decode().strip(),
        "machine_id": slurp("/etc/machine-id").decode(errors="replace").strip(),
        "namespace": node_namespace(),
        "time": clock(),
        "limits": {"memory": Cgroup.available()},
    }

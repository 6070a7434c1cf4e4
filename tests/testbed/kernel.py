"""The Linux calls that the test bed needs and Python 3.11's `os` lacks.

Each raises OSError with the kernel's own reason. Nothing here knows what a host is.
"""

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

NEW_NS: Final = 0x0002_0000
NEW_CGROUP: Final = 0x0200_0000
NEW_UTS: Final = 0x0400_0000
NEW_IPC: Final = 0x0800_0000
NEW_PID: Final = 0x2000_0000
NEW_NET: Final = 0x4000_0000

RDONLY: Final = 1
NOSUID: Final = 2
NODEV: Final = 4
NOEXEC: Final = 8
REMOUNT: Final = 32
BIND: Final = 4096
REC: Final = 16384
PRIVATE: Final = 1 << 18

_DETACH: Final = 2
_PR_SET_PDEATHSIG: Final = 1

_libc: Final = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    """Get new namespaces of the kinds in `flags` (a pid one is for children only)."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """Move the calling thread into the namespace behind `fd`."""
    _check(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """mount(2); `kind` is the file system, empty for binds and remounts."""
    done = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode(),
        ctypes.c_ulong(flags),
        options.encode(),
    )
    _check(done, f"mount {kind or 'bind'} {source} on {target} ({options})")


def make_mounts_private() -> None:
    """Let nothing that is mounted from here on be seen in another namespace."""
    mount("none", "/", "", REC | PRIVATE)


def change_root(root: str) -> None:
    """Make `root` (a mount point) `/` and let go of the old one."""
    os.chdir(root)
    _check(_libc.pivot_root(b".", b"."), f"pivot_root {root}")
    _check(_libc.umount2(b".", _DETACH), "umount old root")
    os.chdir("/")


def set_hostname(name: str) -> None:
    """sethostname(2), for this UTS namespace."""
    encoded = name.encode()
    _check(_libc.sethostname(encoded, len(encoded)), "sethostname")


def die_with_parent() -> None:
    """Have the kernel send SIGKILL to this process when its parent ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


@contextmanager
def network(namespace: int) -> Iterator[None]:
    """Put the calling thread into an open network namespace, and back at the end.

    Sockets keep the network they were made in. Processes and threads that start inside
    stay inside; threads that already run do not follow.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        setns(namespace, NEW_NET)
        try:
            yield
        finally:
            setns(home, NEW_NET)
    finally:
        os.close(home)


@contextmanager
def network_of(pid: int) -> Iterator[None]:
    """Put the calling thread into the network of a process, and back at the end."""
    away = os.open(Path("/proc", str(pid), "ns/net"), os.O_RDONLY)
    try:
        with network(away):
            yield
    finally:
        os.close(away)

"""The agent's folder: its owner, its identity, and its end."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import sys
import time
from typing import TYPE_CHECKING

from batchio.agent.basics import dumps, loads, slurp
from batchio.agent.folders import remove
from batchio.agent.processes import start_time

if TYPE_CHECKING:
    from typing import Any

    from batchio.agent.outbox import Outbox

VERSION = 3
"""Version of the protocol: heads of another one are refused, agents of an older one replaced."""

KINDS = {
    "v": int,
    "instance": str,
    "pid": int,
    "start": int,
    "socket": str,
    "job": str,
    "epoch": int,
}
"""What agent.json holds: names and types; numbers are never negative."""


def own_folder(home: str) -> None:
    """Make the home and the user's folder around it; refuse what others could have put there."""
    for folder in (os.path.dirname(home), home):
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        info = os.lstat(folder)
        if info.st_uid != os.getuid() or not stat.S_ISDIR(info.st_mode):
            raise OSError(errno.EPERM, "belongs to somebody else, or is a link", folder)
        if info.st_mode & 0o700 != 0o700:  # some umask took our own rights
            os.chmod(folder, 0o700)
    os.chmod(home, 0o700)


def lock(home: str, wait: float = 0.0) -> int:
    """Lock the home, which makes us its owner; return the descriptor, or -1 when it has one."""
    fd = os.open(home + "/lock", os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except OSError:
            if time.monotonic() >= end:
                os.close(fd)
                return -1
            time.sleep(0.01)


def listener(home: str) -> int:
    """Return the pid of the agent that answers at the home's socket; 0: none does.

    It is the kernel's word (unix(7): SO_PEERCRED), so it needs no room on the disk as agent.json
    does. Where the kernel tells nobody it is -1.
    """
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.chdir(home)  # a socket's path has room for 107 bytes only
        probe.connect("s")
        if not hasattr(socket, "SO_PEERCRED"):
            return -1
        told = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(told[:4], sys.byteorder) or -1
    except OSError:
        return 0
    finally:
        probe.close()


class Identity:
    """The contents of `agent.json`: which daemon this is; its job and epoch outlive it."""

    def __init__(self, home: str, outbox: Outbox) -> None:
        self.home = home
        self.outbox = outbox
        self.instance = os.urandom(8).hex()
        self.known = read_identity(home)
        self.known.update(
            v=VERSION,
            instance=self.instance,
            pid=os.getpid(),
            start=start_time(os.getpid()),
            socket=home + "/s",
        )

    def objection(self, given: dict[str, Any], epoch: int) -> str:
        """Return why a head is refused, or ""."""
        job, seen = self.known.get("job"), self.known.get("epoch", -1)
        if given["v"] != VERSION:
            return "this agent speaks protocol %d, not %s" % (VERSION, given["v"])
        if job not in (None, given.get("job")):
            return "this agent works for job %s" % job
        if epoch < seen:
            return "epoch %d is over, %d commands" % (epoch, seen)
        return ""

    def serve(self, job: Any, epoch: int) -> None:
        """Store the job and the epoch of the head that commands now."""
        if (epoch, job) != (self.known.get("epoch"), self.known.get("job")):
            self.known.update(epoch=epoch, job=job)
            self.write()

    def write(self) -> None:
        path = self.home + "/agent.json"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with open(os.open(path + ".new", flags, 0o600), "w") as file:
                file.write(dumps(self.known) + "\n")
            os.replace(path + ".new", path)
        except OSError as error:
            self.outbox.trouble("agent.json cannot be written: %s" % error.strerror)


def read_identity(home: str) -> dict[str, Any]:
    """Return the contents of agent.json as the last daemon of this home left it.

    A value that none ever writes is left out: by `pid` a process is ended, and -1 would be all.
    """
    try:
        known = loads(slurp(home + "/agent.json") or b"{}")
    except (ValueError, RecursionError):
        return {}
    found = known if isinstance(known, dict) else {}
    return {
        name: found[name]
        for name, kind in KINDS.items()
        if type(found.get(name)) is kind and (kind is str or found[name] >= 0)
    }


def public(known: dict[str, Any]) -> str:
    """Return the line that `up` prints."""
    return dumps({name: known.get(name) for name in ("v", "instance", "pid", "socket")})


def erase(home: str) -> str:
    """Remove the home, and the user's folder around it when nothing else is in there.

    Return what could not be removed and why, or "".
    """
    os.chdir("/")
    if remove(os.fsencode(home), 1 << 30) < 0:
        left = insist(home)
        if left:
            return left
    parent = os.path.dirname(home)
    if os.path.basename(parent).startswith("batchio-"):
        try:
            os.rmdir(parent)
        except OSError:
            pass
    return ""


def insist(home: str) -> str:
    """Remove the home with folders that a task has locked; importing `shutil` costs 10 ms."""
    import shutil

    left: list[str] = []

    def unlock(function: Any, path: str, info: Any) -> None:
        try:
            os.chmod(os.path.dirname(path), 0o700)
            os.chmod(path, 0o700)
            function(path)
        except OSError as error:
            left.append("%s cannot be removed: %s" % (path, error.strerror))

    for _ in range(3):  # what is below a locked folder takes another round
        left.clear()
        shutil.rmtree(home, onerror=unlock)
        if not os.path.exists(home):
            return ""
    return left[0] if left else "%s cannot be removed" % home

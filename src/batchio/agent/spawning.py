"""Starting a program, and clear words for one that cannot be started."""

from __future__ import annotations

import errno
import os
import signal

from batchio.agent.basics import slurp

SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
"""Whatever we, or who started us, made of them: a program begins with none ignored."""


class Unstartable(Exception):
    """Nothing can be run; (exit code, why)."""

    reason = "unstartable"


class NodeFault(Unstartable):
    """And it is not the program's fault: another node may do."""

    reason = "node"


def why_not(path: bytes, error: OSError) -> tuple[int, str]:
    """The shell's exit code and clear words for a program that cannot be started."""
    name = os.fsdecode(path)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if os.path.exists(path):
            first = slurp(name)[:256].split(b"\n")[0]
            wants = first[2:].strip() if first.startswith(b"#!") else b"its loader"
            return 127, "%s: needs %s, not found on this node" % (name, os.fsdecode(wants))
        return 127, "%s: not found on this node" % name
    if error.errno == errno.EACCES:
        if os.path.isdir(path):
            return 126, "%s: is a directory" % name
        if os.statvfs(path).f_flag & os.ST_NOEXEC:
            return 126, "%s: no program may run from its disk (noexec); use: sh %s" % (name, name)
        return 126, "%s: may not be executed (chmod +x?)" % name
    if error.errno == errno.E2BIG:
        return 126, "%s: the words or an input are too long for this node" % name
    return 126, "%s: %s" % (name, error.strerror)


def spawn(path: bytes, argv: list[bytes], env: dict[bytes, bytes], out: int, err: int) -> int:
    """A program in a process group of its own; the process."""
    return os.posix_spawn(
        path,
        argv,
        env,
        file_actions=((os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, err, 2)),
        setpgroup=0,
        setsigmask=(),
        setsigdef=SIGNALS,
    )

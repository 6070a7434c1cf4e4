"""How a program is started, and clear words for one that cannot be."""

from __future__ import annotations

import errno
import os
import signal

from batchio.agent.basics import slurp

SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
"""The signals that a program begins with, not ignored, whatever we or our caller made of them."""


class Unstartable(Exception):
    """A program that cannot be run; args are (exit code, why)."""

    reason = "unstartable"


class NodeFault(Unstartable):
    """A program that this node cannot run; another node may."""

    reason = "node"


def why_not(path: bytes, error: OSError) -> tuple[int, str]:
    """Return the shell's exit code and clear words for a program that cannot be started."""
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
        return 126, "%s: is not executable (chmod +x?)" % name
    if error.errno == errno.E2BIG:
        return 126, "%s: the words or an input are too long for this node" % name
    return 126, "%s: %s" % (name, error.strerror)


class Caller:
    """The caller's own settings, which children get where the agent has others.

    The agent may open as many files as the hard limit allows, keeps its own files to itself, and
    dumps no core, which would hold the secrets. `umask` is read before the first file is made.
    """

    umask = 0o022
    limits: list[tuple[int, tuple[int, int], tuple[int, int]]] = []  # noqa: RUF012
    """The limits in which we differ, as (which, ours, theirs)."""
    core: tuple[int, tuple[int, int], tuple[int, int]] | None = None
    most_files = 1 << 30
    """The agent's own limit of descriptors."""

    @classmethod
    def depart_from(cls) -> None:
        """Set the agent's own limits; once, before anything is started."""
        import resource  # a node need not wait for that before it listens

        soft, hard = theirs = resource.getrlimit(resource.RLIMIT_CORE)
        if soft:
            cls.core = (resource.RLIMIT_CORE, (0, hard), theirs)
            resource.setrlimit(*cls.core[:2])
        soft, hard = theirs = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            ours = (hard, hard)
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, ours)
            except (ValueError, OSError):  # macOS: "infinite" is more than it grants
                ours = theirs
            cls.limits = [(resource.RLIMIT_NOFILE, ours, theirs)]
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        cls.most_files = cls.most_files if soft == resource.RLIM_INFINITY else soft

    @classmethod
    def differing(cls, secret: bool) -> list[tuple[int, tuple[int, int], tuple[int, int]]]:
        """Return the limits to change around the start of a child."""
        return [*cls.limits, cls.core] if cls.core and not secret else cls.limits


def spawn(
    path: bytes,
    argv: list[bytes],
    env: dict[bytes, bytes],
    out: int,
    err: int,
    secret: bool = False,
) -> int:
    """Start a program in a process group of its own and return its pid.

    One that holds a secret begins with a soft limit of 0 for core dumps.
    """
    limits = Caller.differing(secret)
    if limits:
        from resource import setrlimit
    before = os.umask(Caller.umask)
    try:
        for which, _, theirs in limits:
            setrlimit(which, theirs)
        return os.posix_spawn(
            path,
            argv,
            env,
            file_actions=((os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, err, 2)),
            setpgroup=0,
            setsigmask=(),
            setsigdef=SIGNALS,
        )
    finally:
        os.umask(before)
        for which, ours, _ in limits:
            setrlimit(which, ours)

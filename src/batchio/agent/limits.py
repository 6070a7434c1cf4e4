"""Limits of an attempt: memory through a control group, CPUs through affinity."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from batchio.agent.basics import say, slurp

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cgroup:
    """A control group for each attempt, for its memory; of version 2, or version 1's own tree."""

    base: bytes | None = None  # where ours are made; empty: nowhere
    limit = b"memory.max"
    events = b"memory.events"

    @classmethod
    def available(cls) -> bool:
        if cls.base is None:
            cls.base = b""
            for base, limit, events in cls.places():
                cls.limit, cls.events = limit, events
                probe = base + b"/batchio-probe-%d" % os.getpid()
                try:
                    os.mkdir(probe)
                    usable = os.access(probe + b"/" + limit, os.W_OK)
                    os.rmdir(probe)
                except OSError:
                    continue
                if usable:
                    cls.base = base
                    break
        return bool(cls.base)

    @staticmethod
    def places() -> Iterator[tuple[bytes, bytes, bytes]]:
        for line in slurp("/proc/self/cgroup").splitlines():
            _, names, path = line.split(b":", 2)
            path = path.rstrip(b"/")
            if not names:
                yield b"/sys/fs/cgroup" + path, b"memory.max", b"memory.events"
            elif b"memory" in names.split(b","):
                base = b"/sys/fs/cgroup/memory" + path
                yield base, b"memory.limit_in_bytes", b"memory.oom_control"

    @classmethod
    def make(cls, name: bytes, memory: int) -> bytes:
        path = b"%s/batchio-%d-%s" % (cls.base, os.getpid(), name)
        try:
            os.mkdir(path)
            with open(path + b"/" + cls.limit, "wb") as file:
                file.write(b"%d" % memory)
        except OSError as error:
            say("no memory limit: %s" % error)
            return b""
        return path

    @classmethod
    def kills(cls, path: bytes) -> int:
        return oom_count(slurp(os.fsdecode(path + b"/" + cls.events)))

    @staticmethod
    def members(path: bytes) -> set[int]:
        return {int(pid) for pid in slurp(os.fsdecode(path + b"/cgroup.procs")).split()}

    @staticmethod
    def remove(path: bytes) -> bool:
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True


def oom_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory since it booted."""
    return oom_count(slurp("/proc/vmstat"))


def oom_count(counters: bytes) -> int:
    """Return the number in the line `oom_kill N`."""
    _, found, rest = (b"\n" + counters).partition(b"\noom_kill ")
    return int(rest.split(b"\n", 1)[0]) if found else 0


def cpu_set() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


CPUS = sorted(cpu_set())
"""The CPUs of the agent itself, before any pinning."""


class Affinity:
    """The CPUs that a child inherits: each slot has its own."""

    def __init__(self) -> None:
        self.now = CPUS

    def pin(self, slot: int, count: int) -> None:
        at = slot * count % len(CPUS)
        wanted = (CPUS + CPUS)[at : at + count]
        if wanted != self.now and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, wanted)
            self.now = wanted

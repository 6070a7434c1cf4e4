"""The processes that the agent started: whose they are, and which have ended."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from batchio.agent.basics import clock
from batchio.agent.limits import Cgroup
from batchio.agent.processes import below, exit_code, marked
from batchio.agent.spawning import spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.agent.attempts import Attempt

RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def open_children() -> int:
    """Open the kernel's list of our children, to be read again and again; return -1 without
    one.
    """
    try:
        return os.open("/proc/self/task/%d/children" % os.getpid(), os.O_RDONLY)
    except OSError:
        return -1


class Children:
    """The main processes of attempts, and the helpers."""

    def __init__(self) -> None:
        self.attempts: dict[int, Attempt] = {}
        self.helpers: dict[int, Callable[[int], None]] = {}
        self.lingering: set[Attempt] = set()  # ended, but something holds their pipes
        self.list = open_children()

    def start(
        self,
        attempt: Attempt,
        path: bytes,
        argv: list[bytes],
        env: dict[bytes, bytes],
        out: int,
        err: int,
        secret: bool,
    ) -> None:
        attempt.pid = spawn(path, argv, env, out, err, secret)
        self.attempts[attempt.pid] = attempt

    def start_helper(
        self, argv: list[bytes], env: dict[bytes, bytes], output: int, then: Callable[[int], None]
    ) -> int:
        """Start a helper and return its pid; `then` is called with the status of wait(2) at its
        end.
        """
        pid = spawn(argv[0], argv, env, output, output)
        self.helpers[pid] = then
        return pid

    def reap(self) -> list[Attempt]:
        """Reap the processes that have ended, and return the attempts whose main process did."""
        ended: list[Attempt] = []
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if not pid:
                return ended
            attempt = self.attempts.pop(pid, None)
            if attempt is not None:
                attempt.ended = clock()
                attempt.exit = exit_code(status)
                attempt.rss = usage.ru_maxrss * RSS_UNIT
                attempt.spent = usage.ru_utime + usage.ru_stime
                ended.append(attempt)
            elif pid in self.helpers:
                self.helpers.pop(pid)(status)

    def has_strays(self, attempt: Attempt) -> bool:
        """Return whether there are children that are neither attempts nor helpers. Cheap."""
        if self.list >= 0:
            children = os.pread(self.list, 4096, 0)
            known = len(self.attempts) + len(self.helpers)
            return children.count(b" ") > known or len(children) == 4096
        try:
            os.killpg(attempt.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        return True

    def members(self, attempt: Attempt, table: dict[int, tuple[int, int]]) -> set[int]:
        """Return every process of an attempt.

        These are the ones below its main process, and below each orphan that came to us and
        belongs to it: by its group, by its control group, by the scratch folder in its environment;
        or by default, when no other attempt runs that could own it.
        """
        me = os.getpid()
        mark = b"BATCHIO_SCRATCH_DIR=" + attempt.scratch
        alone = not (self.attempts.keys() - {attempt.pid} or self.lingering - {attempt})
        grouped = Cgroup.members(attempt.cgroup) if attempt.cgroup else set()
        roots = {attempt.pid} if attempt.pid in self.attempts else set()
        for pid, (parent, group) in table.items():
            if pid in self.attempts or pid in self.helpers or pid == me:
                continue
            mine = group == attempt.pid or pid in grouped
            if mine or (parent == me and (alone or marked(pid, mark))):
                roots.add(pid)
        return below(roots, table)

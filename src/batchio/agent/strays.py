"""Processes that ended attempts left running, and how they are ended."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from batchio.agent.limits import Cgroup
from batchio.agent.processes import processes, send

if TYPE_CHECKING:
    from batchio.agent.attempts import Attempt
    from batchio.agent.children import Children
    from batchio.agent.loop import Loop

LOOK = 2e-4
"""Seconds of pause for each process of the node, so that looking does not fill our time."""


class Strays:
    """Ends strays: TERM when the attempt ends, KILL after the grace."""

    def __init__(self, loop: Loop, children: Children) -> None:
        self.loop = loop
        self.children = children
        self.kill_at: dict[Attempt, float] = {}

    def left_by(self, attempt: Attempt, grace: float) -> bool:
        """Return whether an ended attempt left processes running; tell them to end, once."""
        if attempt in self.kill_at:
            return True
        if not attempt.cgroup and not self.children.has_strays(attempt):
            return False
        left = self.children.members(attempt, processes())
        if left or attempt.cgroup:
            now = self.loop.now
            hard = attempt.killed and now >= (attempt.kill_at or 0)
            if not attempt.container:  # else: the engine is cleaning up
                send(signal.SIGKILL if hard else signal.SIGTERM, left)
                send(signal.SIGCONT, left)
            self.kill_at[attempt] = now if hard else now + grace
            self.loop.at(now + 0.1)
        return bool(left)

    def watch(self) -> None:
        if not self.kill_at:
            return
        table = processes()
        for attempt, kill_at in list(self.kill_at.items()):
            left = self.children.members(attempt, table)
            if not left and (not attempt.cgroup or Cgroup.remove(attempt.cgroup)):
                del self.kill_at[attempt]
                continue
            if self.loop.now >= kill_at:
                send(signal.SIGKILL, left)
        self.loop.at(self.loop.now + 0.1 + len(table) * LOOK)

    def cleaning(self) -> bool:
        """Return whether an engine is still removing a container."""
        return any(attempt.container for attempt in self.kill_at)

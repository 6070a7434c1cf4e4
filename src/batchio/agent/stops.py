"""How attempts are ended that do not end by themselves: told to stop, or out of time."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from batchio.agent.containers import stop_container
from batchio.agent.processes import processes, send

if TYPE_CHECKING:
    from batchio.agent.attempts import Attempt
    from batchio.agent.daemon import Agent


class Stops:
    """Stops attempts: TERM to the process group, KILL to every descendant after the grace."""

    def __init__(self, agent: Agent) -> None:
        self.loop = agent.loop
        self.attempts = agent.attempts
        self.children = agent.children
        self.helpers = agent.helpers
        self.endings = agent.endings

    def stop(self, attempt: Attempt, reason: str) -> None:
        """Stop an attempt, for a reason; the first reason counts."""
        if attempt.linger is not None:
            self.endings.hurry(attempt)
        elif attempt not in self.attempts.running:
            self.attempts.withdraw([attempt])
            self.endings.unstarted(attempt, reason)
        elif attempt.kill_at is None:
            attempt.reason = reason
            attempt.killed = True
            attempt.kill_at = self.loop.now + (attempt.setup.grace if attempt.setup else 0.0)
            self.signal(attempt, signal.SIGTERM)
            self.signal(attempt, signal.SIGCONT)
            self.loop.at(attempt.kill_at)

    def stop_all(self, reason: str) -> None:
        for attempt in list(self.attempts.known.values()):
            self.stop(attempt, reason)

    def watch(self) -> None:
        """Stop attempts whose time is over; kill those whose grace is."""
        loop = self.loop
        for attempt in self.attempts.running:
            if attempt.kill_at is not None:
                if loop.now >= attempt.kill_at:
                    self.kill(attempt)
                loop.at(attempt.kill_at)
            elif attempt.deadline is not None:
                if loop.now >= attempt.deadline:
                    self.stop(attempt, "timed_out")
                else:
                    loop.at(attempt.deadline)

    def kill(self, attempt: Attempt) -> None:
        """Kill an attempt at the end of its grace, and again each second, should it fork faster.

        A container is its engine's to kill; only if that does not help is it ours.
        """
        attempt.kills += 1
        if attempt.container and attempt.kills in (1, 4):
            self.helpers.run(stop_container(attempt))
        if not attempt.container or attempt.kills > 5:
            send(signal.SIGKILL, self.children.members(attempt, processes()))
            self.signal(attempt, signal.SIGKILL)
        attempt.kill_at = self.loop.now + 1.0

    def signal(self, attempt: Attempt, number: int) -> None:
        if not attempt.pid:  # who sets it up sees that it is to end
            return
        try:
            os.killpg(attempt.pid, number)
        except OSError:
            pass

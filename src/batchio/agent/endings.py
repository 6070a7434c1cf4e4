"""The end of an attempt: its last output, the verdict, its record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from batchio.agent.basics import raw
from batchio.agent.files import outputs, unreadable
from batchio.agent.limits import Cgroup, oom_kills
from batchio.agent.output import LINGER

if TYPE_CHECKING:
    from batchio.agent.attempts import Attempt
    from batchio.agent.daemon import Agent
    from batchio.agent.setup import Setup
    from batchio.agent.spawning import Unstartable

LINGER_MOST = 2.0


class Endings:
    """From the exit of the main process to the record in the results."""

    def __init__(self, agent: Agent) -> None:
        self.loop = agent.loop
        self.attempts = agent.attempts
        self.output = agent.output
        self.strays = agent.strays
        self.folders = agent.folders
        self.results = agent.results
        self.news = agent.news
        self.lingering: set[Attempt] = set()  # ended, but their pipes are open
        self.output.when_closed = self.finish

    def exited(self, attempt: Attempt) -> None:
        """The main process is gone; what it wrote may still be in the pipes."""
        now = self.loop.now
        attempt.linger = now + LINGER_MOST
        attempt.quiet_at = now + LINGER
        self.lingering.add(attempt)
        if not attempt.pipes:
            self.finish(attempt)
            return
        self.output.drain(attempt)
        if attempt in self.lingering:  # the last end of a pipe finishes it
            self.output.hear(attempt)
            self.loop.at(attempt.quiet_at)

    def watch(self) -> None:
        """Finishes those that were silent long enough."""
        now = self.loop.now
        for attempt in list(self.lingering):
            until = min(attempt.linger or now, attempt.quiet_at)
            if now >= until and not self.output.choked:
                self.finish(attempt)
            else:
                self.loop.at(max(now + 0.02, until))

    def unstartable(self, attempt: Attempt, setup: Setup, error: Unstartable) -> None:
        """It never had a process."""
        attempt.exit, why = error.args
        attempt.reason = error.reason
        attempt.ended = time.time()
        self.output.record(attempt, 2, b"batchio: " + setup.blank(raw(why)) + b"\n")
        self.finish(attempt)

    def unstarted(self, attempt: Attempt, reason: str) -> None:
        """It was stopped in the queue."""
        now, end = time.time(), self.output.log.tail
        record = [*attempt.key, -15, reason, now, now, 0, 0.0, end, end, 0, 0, ""]
        self.results.add(attempt.key, record)
        self.news.dirty = True

    def finish(self, attempt: Attempt) -> None:
        """Everything about an ended attempt, into its record."""
        setup = attempt.setup
        assert setup is not None
        self.output.close(attempt)
        strays = False
        if attempt.container:
            self.judge_container(attempt, setup)
        if attempt.pid:
            self.judge(attempt)
            strays = self.strays.left_by(attempt, setup.grace)
        self.lingering.discard(attempt)
        self.attempts.remove(attempt)
        self.news.begun.pop(attempt.key, None)
        files, size = self.collect(attempt, setup, strays)
        failed = attempt.exit or attempt.reason
        end = self.output.log.tail
        record = [
            *attempt.key,
            attempt.exit,
            attempt.reason,
            attempt.started,
            attempt.ended,
            attempt.rss,
            attempt.spent,
            attempt.log_from if attempt.log_from >= 0 else end,
            end,
            files,
            size,
            attempt.last_line(setup) if failed else "",
        ]
        self.results.add(attempt.key, record)
        self.news.dirty = True

    def judge(self, attempt: Attempt) -> None:
        """Was it the kernel, for lack of memory?"""
        killed = 0
        if attempt.cgroup:
            killed = Cgroup.kills(attempt.cgroup) if attempt.exit else 0
        elif attempt.exit in (-9, 137):
            killed = oom_kills() - attempt.ooms
        if killed > 0 and not attempt.reason and not attempt.killed:
            attempt.reason = "oom"

    def judge_container(self, attempt: Attempt, setup: Setup) -> None:
        """What the engine's exit code means; its own memory and time mean nothing."""
        attempt.rss, attempt.spent = 0, 0.0
        if attempt.exit == 125:
            why = "the container could not be started: " + attempt.last_line(setup)
            self.output.record(attempt, 2, b"batchio: " + raw(why) + b"\n")
            attempt.reason = attempt.reason or "unstartable"
        elif attempt.exit == 1 and attempt.last_line(setup).startswith("ERROR (catatonit"):
            attempt.exit = 126 if "Permission denied" in attempt.last_line(setup) else 127

    def collect(self, attempt: Attempt, setup: Setup, strays: bool) -> tuple[int, int]:
        """(files, bytes) it left; folders that hold nothing of it are removed."""
        self.folders.leave_scratch(attempt.scratch, strays)
        if not strays and self.folders.vacate_work(attempt.work):
            return 0, 0
        unread: list[str] = []
        sizes = [size for _, size in outputs(attempt.work, self.folders.given(), unread)]
        if unread:
            self.news.trouble(unreadable(attempt.id, unread))
        if not sizes:
            self.folders.remove(attempt.work)
        return len(sizes), sum(sizes)

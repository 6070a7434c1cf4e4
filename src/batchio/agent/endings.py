"""The end of an attempt: its last output, the verdict, its record."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from batchio.agent.basics import clock, raw
from batchio.agent.chores import SLICE
from batchio.agent.containers import said_by_engine
from batchio.agent.files import outputs, told
from batchio.agent.limits import Cgroup, oom_kills
from batchio.agent.spawning import NodeFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.agent.attempts import Attempt
    from batchio.agent.daemon import Agent
    from batchio.agent.setup import Setup
    from batchio.agent.spawning import Unstartable

LEAST_PATIENCE = 2.0
"""Seconds that a task's own logger has to finish, however short the grace."""
CUT = b"batchio: the output ends here: a process that is not the task's own still holds it\n"
LOST = b"batchio: the last output is lost: %s"


class Endings:
    """The steps from the exit of an attempt's main process to its record in the results.

    Output ends when no process holds the pipe any more, and that is waited for: a process that
    holds it has the grace to end by itself, then gets TERM, and KILL after the grace.
    """

    def __init__(self, agent: Agent) -> None:
        self.loop = agent.loop
        self.attempts = agent.attempts
        self.chores = agent.chores
        self.devices = agent.devices
        self.output = agent.output
        self.strays = agent.strays
        self.folders = agent.folders
        self.results = agent.results
        self.outbox = agent.outbox
        self.lingering = agent.children.lingering
        self.output.when_closed = self.finish

    def exited(self, attempt: Attempt) -> None:
        """Begin the end of an attempt whose main process is gone; its pipes may still hold
        output.
        """
        now = self.loop.now
        attempt.linger = now
        self.lingering.add(attempt)
        if not attempt.pipes:
            self.finish(attempt)
            return
        self.output.drain(attempt)
        if attempt in self.lingering:  # the last end of a pipe finishes it
            self.output.hear(attempt)
            if not attempt.killed:
                attempt.linger = now + max(LEAST_PATIENCE, grace_of(attempt))
            self.loop.at(attempt.linger)

    def hurry(self, attempt: Attempt) -> None:
        """Shorten the wait for an ended attempt's output to the grace that follows TERM."""
        if attempt in self.lingering and attempt.linger is not None:
            attempt.linger = min(attempt.linger, self.loop.now)
            self.loop.at(attempt.linger)
        attempt.killed = True

    def watch(self) -> None:
        """End the processes that still hold the output of an ended attempt."""
        for attempt in list(self.lingering):
            if self.loop.now < (attempt.linger or 0.0):
                self.loop.at(attempt.linger or 0.0)
            elif self.output.choked:
                if attempt.killed and self.output.choked != "backlog":
                    attempt.tails[1] = LOST % raw(self.output.choked)
                    self.finish(attempt)
            elif not self.strays.left_by(attempt, grace_of(attempt)):
                self.output.drain(attempt)
                if attempt in self.lingering:
                    words = list(attempt.tails)
                    self.output.append(attempt, 2, CUT)
                    attempt.tails = words  # the task's own last ones
                    self.finish(attempt)
            else:
                self.loop.at(self.loop.now + 0.1)

    def unstartable(self, attempt: Attempt, setup: Setup, error: Unstartable) -> None:
        """Record an attempt that never had a process."""
        attempt.exit, why = error.args
        attempt.reason = error.reason
        attempt.linger = self.loop.now
        attempt.ended = clock()
        attempt.started = attempt.started or attempt.ended
        self.output.append(attempt, 2, b"batchio: " + setup.blank(raw(why)) + b"\n")
        self.finish(attempt)

    def stopped(self, attempt: Attempt) -> None:
        """Clean up and record an attempt that was stopped while it was set up."""
        self.devices.release(attempt.devices)
        self.folders.unmake(attempt)
        self.attempts.remove(attempt)
        self.unstarted(attempt, attempt.reason)

    def unstarted(self, attempt: Attempt, reason: str) -> None:
        """Record an attempt that was stopped in the queue."""
        now, end = clock(), self.output.log.end
        record = [*attempt.key, -15, reason, now, now, 0, 0.0, end, end, 0, 0, ""]
        self.results.add(attempt.key, record)
        self.outbox.dirty = True

    def finish(self, attempt: Attempt) -> None:
        """Finish an ended attempt: judge its end, free its slot and GPUs, and begin its record."""
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
        self.devices.release(attempt.devices)
        self.attempts.release(attempt)
        self.chores.do(self.recording(attempt, setup, strays, self.log_end(attempt)))

    def log_end(self, attempt: Attempt) -> int:
        """Return the offset at which the attempt's log ends.

        That is what is on disk, when it was stopped and the disk has no more room.
        """
        lost = attempt.killed and self.output.choked not in ("", "backlog")
        return self.output.log.end if lost else self.output.log.tail

    def recording(self, attempt: Attempt, setup: Setup, strays: bool, end: int) -> Iterator[None]:
        """Look for the attempt's outputs, in slices, then make its record."""
        files = size = seen = 0
        lacking: list[str] = []
        self.folders.release_scratch(attempt.scratch, strays)
        if attempt.reason == NodeFault.reason:  # half of it was made; nothing of it is the task's
            self.folders.remove(attempt.work)
        elif strays or not self.folders.keep_work_if_empty(attempt.work):
            for found in outputs(attempt.work, self.folders.given(), lacking):
                if found:
                    files += 1
                    size += found[1].st_size if stat.S_ISREG(found[1].st_mode) else 0
                seen += 1
                if seen % SLICE == 0:
                    yield
            if not files and not lacking:
                self.folders.remove(attempt.work)
        why = attempt.last_line(setup) if attempt.exit or attempt.reason else ""
        if lacking:
            named = setup.blank(raw(told(lacking))).decode("utf-8", "replace")
            self.outbox.trouble("outputs of task %s that cannot be read: %s" % (attempt.id, named))
            why = why or "its outputs are incomplete: %s" % named[:240]
        begin = attempt.log_from if attempt.log_from >= 0 else end
        record = [*attempt.key, attempt.exit, attempt.reason, attempt.started, attempt.ended]
        record += [attempt.rss, attempt.spent, min(begin, end), end, files, size, why]
        self.outbox.begun.pop(attempt.key, None)
        self.attempts.remove(attempt)
        self.results.add(attempt.key, record)
        self.outbox.dirty = True

    def judge(self, attempt: Attempt) -> None:
        """Give the attempt the reason "oom" when the kernel killed it for lack of memory."""
        killed = 0
        if attempt.cgroup:
            killed = Cgroup.kills(attempt.cgroup) if attempt.exit else 0
        elif attempt.exit in (-9, 137):
            killed = oom_kills() - attempt.ooms
        if killed > 0 and not attempt.reason and not attempt.killed:
            attempt.reason = "oom"

    def judge_container(self, attempt: Attempt, setup: Setup) -> None:
        """Interpret the engine's exit code, and drop its own memory and time, which mean
        nothing.
        """
        attempt.rss, attempt.spent = 0, 0.0
        if attempt.exit == 125 and said_by_engine(raw(attempt.last_line(setup))):
            why = "the container could not be started: " + attempt.last_line(setup)
            self.output.append(attempt, 2, b"batchio: " + raw(why) + b"\n")
            attempt.reason = attempt.reason or "unstartable"
        elif attempt.exit == 1 and attempt.last_line(setup).startswith("ERROR (catatonit"):
            attempt.exit = 126 if "Permission denied" in attempt.last_line(setup) else 127
            program = setup.words[0] if setup.words else b"the program"
            said = raw(attempt.last_line(setup).rpartition(": ")[2])
            missing = b"batchio: the image cannot run %s: %s\n" % (program, said)
            self.output.append(attempt, 2, missing)


def grace_of(attempt: Attempt) -> float:
    return attempt.setup.grace if attempt.setup else 0.0

"""The start of an attempt: its folders, its environment, its program."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from batchio.agent.basics import clock, raw, say, short_of, since_boot
from batchio.agent.containers import container_command
from batchio.agent.limits import Affinity, Cgroup, oom_kills
from batchio.agent.setup import DEVICES
from batchio.agent.spawning import Caller, NodeFault, Unstartable, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.agent.attempts import Attempt
    from batchio.agent.daemon import Agent
    from batchio.agent.setup import Setup

SPARE_FILES = 12  # descriptors that tasks leave to the agent for its own work
INPUT_NAMES = (b"BATCHIO_TASK_INPUT", b"COILED_BATCH_TASK_INPUT")


class Launcher:
    """Starts queued attempts, as long as a slot is free."""

    def __init__(self, agent: Agent) -> None:
        self.loop = agent.loop
        self.attempts = agent.attempts
        self.children = agent.children
        self.chores = agent.chores
        self.devices = agent.devices
        self.folders = agent.folders
        self.output = agent.output
        self.endings = agent.endings
        self.outbox = agent.outbox
        self.home = os.fsencode(agent.home)
        self.affinity = Affinity()
        self.setup: Setup | None = None  # of all attempts started from now on
        self.retry_at = 0.0
        self.ooms, self.ooms_at = 0, -1.0  # the kernel's count, and when we read it

    def launch_queued(self) -> None:
        setup = self.setup
        while setup is not None and self.may_launch(setup):
            attempt = self.attempts.pop_next()
            attempt.setup = setup
            if setup.gpus and not self.reserve_devices(attempt, setup):
                return
            self.chores.do(self.launching(attempt, setup))

    def reserve_devices(self, attempt: Attempt, setup: Setup) -> bool:
        """Reserve GPUs for an attempt; without them it waits, for another job has them.

        Return whether it has them.
        """
        try:
            first = attempt.slot * setup.gpus
            attempt.devices = self.devices.reserve(setup.devices, first, setup.gpus)
        except OSError as error:
            self.put_back(attempt, "GPUs cannot be locked: %s" % error.strerror)
            return False
        if not attempt.devices:
            self.put_back(attempt, "all GPUs are taken, also by other jobs of this account")
        return bool(attempt.devices)

    def may_launch(self, setup: Setup) -> bool:
        """Return whether a slot is free; too many attempts with open pipes count as taken
        slots.
        """
        taken = len(self.attempts.running) + max(0, len(self.endings.lingering) - setup.slots)
        may = taken < setup.slots and not self.output.choked
        return bool(may and self.attempts.queue and self.loop.now >= self.retry_at)

    def watch(self) -> None:
        if self.retry_at > self.loop.now:
            self.loop.at(self.retry_at)

    def launching(self, attempt: Attempt, setup: Setup) -> Iterator[None]:
        """Start one attempt, in slices; any error ends or delays this attempt alone."""
        try:
            for _ in self.folders.make(attempt, setup):
                if attempt.killed:
                    break
                yield
            if attempt.killed:
                self.endings.stopped(attempt)
            else:
                self.launch(attempt, setup)
        except Unstartable as error:
            self.endings.unstartable(attempt, setup, error)
        except Exception as error:
            lacking = short_of(error)
            if lacking:
                self.put_back(attempt, lacking)
                return
            import traceback

            say(traceback.format_exc())
            kind = NodeFault if isinstance(error, OSError) else Unstartable
            why = "it cannot be set up: %s" % (str(error) or type(error).__name__)
            self.endings.unstartable(attempt, setup, kind(126, why))

    def put_back(self, attempt: Attempt, lacking: str) -> None:
        """Put an attempt back into the queue; it waits a second, or for the next end of
        another.
        """
        if attempt.killed:
            self.endings.stopped(attempt)
            return
        self.outbox.trouble("no task can be started for now (%s); they wait" % lacking)
        self.devices.release(attempt.devices)
        attempt.devices = []
        self.folders.unmake(attempt)
        self.attempts.put_back(attempt)
        self.retry_at = self.loop.now + 1.0
        self.loop.at(self.retry_at)

    def launch(self, attempt: Attempt, setup: Setup) -> None:
        """Start the attempt's program in the current directory."""
        attempt.started = clock()
        env, extra = environment(attempt, setup)
        argv = setup.command(env, extra)
        now = self.loop.now
        if now > self.ooms_at + 1.0:  # a slow file; a second's doubt is cheaper
            self.ooms, self.ooms_at = oom_kills(), now
        attempt.ooms = self.ooms
        if setup.pin:
            self.affinity.pin(attempt.slot, max(1, int(setup.cpus)))
        if setup.container:
            argv, env = container_command(setup, attempt, argv, env, self.home)
        elif setup.memory:
            argv = limited(attempt, setup, argv)
        pipes: list[int] = []
        try:
            for _ in range(2):
                pipes += os.pipe()
            if max(pipes) >= Caller.most_files - min(
                SPARE_FILES, Caller.most_files // 8
            ):  # the lowest free ones are given
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            self.start(attempt, setup, argv, env, pipes[1], pipes[3])
        except BaseException:
            for fd in pipes[::2]:
                os.close(fd)
            raise
        finally:
            for fd in pipes[1::2]:
                os.close(fd)
        self.outbox.started(attempt.key, attempt.started)
        self.output.open(attempt, pipes[0], pipes[2])
        if setup.timeout:
            attempt.deadline = since_boot() + setup.timeout
            self.loop.at(attempt.deadline)

    def start(
        self,
        attempt: Attempt,
        setup: Setup,
        argv: list[bytes],
        env: dict[bytes, bytes],
        out: int,
        err: int,
    ) -> None:
        if not argv or not argv[0]:
            raise Unstartable(127, "no command was given")
        path = setup.which(argv[0])
        if path is None:
            raise Unstartable(127, "%s: not found on this node" % os.fsdecode(argv[0]))
        secret = bool(setup.secret)
        try:
            self.children.start(attempt, path, argv, env, out, err, secret)
        except ValueError as error:
            nul = "a word or a variable holds a NUL byte"
            why = nul if "null" in str(error) else "the name of a variable holds a ="
            raise Unstartable(126, why) from None
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                shell = [b"/bin/sh", path, *argv[1:]]
                self.children.start(attempt, b"/bin/sh", shell, env, out, err, secret)
                return
            if short_of(error):
                raise
            setup.found.pop(argv[0], None)
            raise Unstartable(*why_not(path, error)) from None


def environment(attempt: Attempt, setup: Setup) -> tuple[dict[bytes, bytes], tuple[bytes, ...]]:
    """Return the attempt's variables, and the names that its input added.

    One dict serves all attempts: each sets the same keys, and spawn copies it.
    """
    env, given = setup.env, attempt.input
    extra: tuple[bytes, ...] = ()
    if isinstance(given, dict):
        own = {raw(k): raw(v) for k, v in given.items()}
        env = dict(env)
        for name in (setup.input_var, *INPUT_NAMES):
            env.pop(name, None)
        env.update(own)
        extra = tuple(own)
    elif given is not None:
        for name in (setup.input_var, *INPUT_NAMES):
            env[name] = raw(given)
    elif INPUT_NAMES[0] in env:
        env = {k: v for k, v in env.items() if k not in (setup.input_var, *INPUT_NAMES)}
    name = raw(attempt.id)
    env[b"BATCHIO_TASK_ID"] = name
    env[b"COILED_BATCH_TASK_ID"] = name
    env[b"COILED_ARRAY_TASK_ID"] = name
    env[b"BATCHIO_ATTEMPT"] = b"%d" % attempt.key[1]
    env[b"BATCHIO_OUTPUT_DIR"] = attempt.work
    env[b"BATCHIO_SCRATCH_DIR"] = env[b"TMPDIR"] = attempt.scratch
    env[b"PWD"] = attempt.work
    if setup.gpus:
        env[DEVICES] = b",".join(attempt.devices)
    return env, extra


def limited(attempt: Attempt, setup: Setup, argv: list[bytes]) -> list[bytes]:
    """Return the command inside a control group of its own, where the kernel allows one."""
    if not Cgroup.available() or not argv or not setup.which(argv[0]):
        return argv
    attempt.cgroup = Cgroup.make(attempt.name, int(setup.memory or 0))
    if not attempt.cgroup:
        return argv
    script = b'echo $$ > "$0"/cgroup.procs && exec "$@"'
    return [b"/bin/sh", b"-c", script, attempt.cgroup, *argv]

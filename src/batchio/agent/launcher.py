"""The start of an attempt: its folders, its environment, its program."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

from batchio.agent.basics import raw
from batchio.agent.containers import container_command
from batchio.agent.limits import Affinity, Cgroup, oom_kills
from batchio.agent.setup import DEVICES
from batchio.agent.spawning import Unstartable, why_not

if TYPE_CHECKING:
    from batchio.agent.attempts import Attempt
    from batchio.agent.daemon import Agent
    from batchio.agent.setup import Setup

INPUT_NAMES = (b"BATCHIO_TASK_INPUT", b"COILED_BATCH_TASK_INPUT")


class Launcher:
    """Starts what is queued, as long as a slot is free."""

    def __init__(self, agent: Agent) -> None:
        self.loop = agent.loop
        self.attempts = agent.attempts
        self.children = agent.children
        self.folders = agent.folders
        self.output = agent.output
        self.endings = agent.endings
        self.news = agent.news
        self.home = os.fsencode(agent.home)
        self.affinity = Affinity()
        self.setup: Setup | None = None  # of all attempts started from now on
        self.retry_at = 0.0
        self.ooms, self.ooms_at = 0, -1.0  # the kernel's count, and when we read it

    def launch_queued(self) -> None:
        setup = self.setup
        if setup is None or self.loop.now < self.retry_at:
            return
        attempts = self.attempts
        while attempts.queue and len(attempts.running) < setup.slots and not self.output.choked:
            attempt = attempts.take()
            attempt.setup = setup
            if not attempt.started:
                attempt.started = time.time()
                self.news.started(attempt.key, attempt.started)
            try:
                self.launch(attempt, setup)
            except Unstartable as error:
                self.endings.unstartable(attempt, setup, error)
            except BlockingIOError as error:  # fork: no more processes for us
                self.news.trouble("cannot start a process: %s; waiting" % error.strerror)
                attempts.put_back(attempt)
                self.retry_at = self.loop.now + 1.0
                self.loop.at(self.retry_at)
                return

    def watch(self) -> None:
        if self.retry_at > self.loop.now:
            self.loop.at(self.retry_at)

    def launch(self, attempt: Attempt, setup: Setup) -> None:
        """Makes the attempt's folders and starts its program."""
        self.folders.make(attempt, setup)
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
        out, out_w = os.pipe()
        err, err_w = os.pipe()
        try:
            self.start(attempt, setup, argv, env, out_w, err_w)
        except BaseException:
            os.close(out)
            os.close(err)
            raise
        finally:
            os.close(out_w)
            os.close(err_w)
        self.output.open(attempt, out, err)
        if setup.timeout:
            attempt.deadline = now + setup.timeout
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
        try:
            self.children.start(attempt, path, argv, env, out, err)
        except ValueError:
            raise Unstartable(126, "a word or a variable holds a NUL byte") from None
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                shell = [b"/bin/sh", path, *argv[1:]]
                self.children.start(attempt, b"/bin/sh", shell, env, out, err)
                return
            if error.errno in (errno.EAGAIN, errno.ENOMEM):
                raise BlockingIOError(error.errno, error.strerror) from None
            setup.found.pop(argv[0], None)
            raise Unstartable(*why_not(path, error)) from None


def environment(attempt: Attempt, setup: Setup) -> tuple[dict[bytes, bytes], tuple[bytes, ...]]:
    """The attempt's variables, and the names its input brought along.

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
        env[DEVICES] = setup.devices_of(attempt.slot)
    return env, extra


def limited(attempt: Attempt, setup: Setup, argv: list[bytes]) -> list[bytes]:
    """The command inside a control group of its own, where the kernel gives us one."""
    if not Cgroup.available() or not argv or not setup.which(argv[0]):
        return argv
    attempt.cgroup = Cgroup.make(attempt.name, int(setup.memory or 0))
    if not attempt.cgroup:
        return argv
    script = b'echo $$ > "$0"/cgroup.procs && exec "$@"'
    return [b"/bin/sh", b"-c", script, attempt.cgroup, *argv]

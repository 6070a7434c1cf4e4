"""Programs beside the tasks: to remove a tree, to pull an image, to prepare the node."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from batchio.agent.attempts import TAIL
from batchio.agent.basics import say, short_of
from batchio.agent.processes import below, exit_code, processes, send
from batchio.agent.spawning import why_not
from batchio.agent.spool import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchio.agent.children import Children
    from batchio.agent.loop import Loop
    from batchio.agent.setup import Setup


class Helpers:
    """The helpers: programs of which the last words are kept, or nothing is."""

    def __init__(self, loop: Loop, children: Children, home: str) -> None:
        self.loop = loop
        self.children = children
        self.home = home
        self.speaking: list[Helper] = []
        self.waiting: list[Callable[[], None]] = []  # until there are descriptors and processes
        self.devnull = os.open("/dev/null", os.O_RDWR)

    def busy(self) -> bool:
        return bool(self.children.helpers or self.waiting)

    def run(self, argv: list[bytes]) -> None:
        """Start a program without waiting for its end or reading its output."""
        try:
            self.start(argv, os.environb, self.devnull, lambda status: None)
        except (OSError, MemoryError) as error:
            say("cannot run %r: %s" % (argv[0], error))

    def ask(
        self,
        argv: list[bytes],
        setup: Setup | None,
        timeout: float | None,
        then: Callable[[int, str], None],
    ) -> None:
        """Start a program; call `then(exit code, last words)` once at its end.

        A program that takes too long is killed, and its last words say so.
        """
        output = into = -1
        try:
            output, into = os.pipe()
            os.set_blocking(output, False)
            helper = Helper(self, output, setup, then)
            env = setup.env if setup else os.environb
            helper.pid = self.start(argv, env, into, helper.ended)
        except (OSError, ValueError, MemoryError) as error:
            if output >= 0:
                os.close(output)
            if short_of(error):
                self.waiting.append(lambda: self.ask(argv, setup, timeout, then))
                self.loop.at(self.loop.now + 1.0)
            elif isinstance(error, OSError):
                then(*why_not(argv[0], error))
            else:
                then(126, "%s cannot be started: %s" % (os.fsdecode(argv[0]), error))
            return
        finally:
            if into >= 0:
                os.close(into)
        self.loop.watch(output, helper.read)
        self.speaking.append(helper)
        if timeout:
            helper.deadline = self.loop.now + timeout
            self.loop.at(helper.deadline)

    def start(
        self,
        argv: list[bytes],
        env: Mapping[bytes, bytes],
        output: int,
        then: Callable[[int], None],
    ) -> int:
        os.chdir(self.home)
        marked_env = dict(env)
        marked_env[b"BATCHIO_AGENT"] = os.fsencode(self.home)
        return self.children.start_helper(argv, marked_env, output, then)

    def watch(self) -> None:
        """Kill the helpers that took too long; start those that wait for resources."""
        waiting, self.waiting = self.waiting, []
        for again in waiting:
            again()
        for helper in self.speaking:
            helper.watch()


class Helper:
    """One helper whose last words are kept."""

    def __init__(
        self, helpers: Helpers, output: int, setup: Setup | None, then: Callable[[int, str], None]
    ) -> None:
        self.helpers = helpers
        self.loop = helpers.loop
        self.output = output
        self.setup = setup
        self.then = then
        self.pid = 0
        self.tail = b""
        self.deadline: float | None = None

    def read(self, mask: int = 0) -> bool:
        """Read output of the helper; return whether there may be more to read."""
        try:
            data = os.read(self.output, CHUNK)
        except BlockingIOError:
            return False
        self.tail = (self.tail + data)[-TAIL:]
        if not data:
            self.close()
        return bool(data)

    def close(self) -> None:
        if self.output >= 0:
            self.loop.unwatch(self.output)
            os.close(self.output)
            self.output = -1

    def watch(self) -> None:
        if self.deadline is None:
            return
        if self.loop.now < self.deadline:
            self.loop.at(self.deadline)
            return
        self.deadline = None
        self.tail = self.tail.rstrip() + b"\nbatchio: this took too long"
        family = below({self.pid}, processes())
        send(signal.SIGKILL, {self.pid})  # first, or it would tell of its child's end
        send(signal.SIGKILL, family)

    def ended(self, status: int) -> None:
        while self.output >= 0 and self.read():
            pass
        self.close()  # something it left behind may hold the pipe
        self.helpers.speaking.remove(self)
        words = self.setup.blank(self.tail) if self.setup else self.tail
        self.then(exit_code(status), words.decode("utf-8", "replace").strip())

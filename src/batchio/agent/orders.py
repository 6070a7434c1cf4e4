"""What the head says, and who does it: one method a message."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from batchio.agent.attempts import Attempt
from batchio.agent.basics import say
from batchio.agent.containers import pull_image
from batchio.agent.files import tar
from batchio.agent.members import Members
from batchio.agent.preparation import Preparation
from batchio.agent.setup import Setup
from batchio.agent.spawning import Unstartable
from batchio.agent.wire import BadFrame, Fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    from batchio.agent.daemon import Agent
    from batchio.agent.wire import Connection


class Orders:
    """Obeys; it never retries, never chooses."""

    def __init__(self, agent: Agent) -> None:
        self.home = agent.home
        self.loop = agent.loop
        self.attempts = agent.attempts
        self.launcher = agent.launcher
        self.stops = agent.stops
        self.output = agent.output
        self.results = agent.results
        self.folders = agent.folders
        self.helpers = agent.helpers
        self.preparation = Preparation(agent.helpers, agent.news, agent.home)
        self.members = Members()
        self.news = agent.news
        self.head = agent.head
        self.departure = agent.departure

    def obey(self, peer: Connection, message: list[Any]) -> None:
        tag = message[0]
        if peer.epoch < 0 and tag != "hello":
            raise BadFrame("the first message is hello")
        verb = VERBS.get(tag)
        if verb is None:
            self.news.answer(["trouble", "unknown message %.80r" % (tag,)])
            return
        try:
            verb(self, peer, *message[1:])
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
            import traceback

            say(traceback.format_exc())
            raise BadFrame("bad message %.200r: %s" % (message[0], error)) from None

    def on_hello(self, peer: Connection, given: dict[str, Any]) -> None:
        self.head.greet(peer, given)

    # -- what attempts share

    def on_setup(self, peer: Connection, given: dict[str, Any]) -> None:
        self.launcher.setup = Setup(given, self.home, self.members)
        self.loop.at(self.loop.now)

    def on_members(self, peer: Connection, given: dict[str, Any]) -> None:
        self.members.update(given)
        setup = self.launcher.setup
        if setup:
            setup.env.update(self.members.variables(setup.node))

    def on_prepare(self, peer: Connection, script: str, timeout: Any = None) -> None:
        self.preparation.run(script, timeout, self.launcher.setup)

    def on_image(self, peer: Connection, image: str) -> None:
        def answer(code: int, tail: str) -> None:
            self.news.tell(["imaged", image, not code, tail.strip().rpartition("\n")[2]])

        setup = self.launcher.setup
        try:
            pull = pull_image(setup, image)
        except Unstartable as error:
            answer(*error.args)
            return
        self.helpers.ask(pull, setup, None, answer)

    # -- attempts

    def on_start(self, peer: Connection, attempts: list[list[Any]]) -> None:
        for task, number, id, given in attempts:
            key = (int(task), int(number))
            known = self.attempts.known.get(key)
            if known is not None:
                if known.pid:
                    self.news.started(key, known.started)
                continue
            done = self.results.done(key)
            if done:
                self.news.repeat(done)
            elif key not in self.results.fresh:
                self.attempts.add(Attempt(key, str(id), given, os.fsencode(self.home)))

    def on_stop(self, peer: Connection, keys: list[list[int]], reason: str) -> None:
        for task, number in keys:
            attempt = self.attempts.known.get((task, number))
            if attempt:
                self.stops.stop(attempt, str(reason))

    def on_recall(self, peer: Connection, keys: list[list[int]]) -> None:
        wanted = {(task, number) for task, number in keys}
        self.give_back([one for one in self.attempts.queue if one.key in wanted])

    def give_back(self, attempts: Collection[Attempt]) -> None:
        """Queued ones; the head may place them elsewhere."""
        if attempts:
            self.attempts.withdraw(attempts)
            self.news.tell(["returned", [list(one.key) for one in attempts]])

    # -- results, logs, outputs

    def on_ack(self, peer: Connection, seq: int) -> None:
        self.results.ack(int(seq))

    def on_pull(self, peer: Connection, offset: int, limit: int) -> None:
        peer.pull = [int(offset), int(limit)]
        self.news.follows = self.news.dirty = True

    def on_logged(self, peer: Connection, offset: int) -> None:
        self.output.log.forget(int(offset))
        self.output.unchoke()

    def on_fetch(self, peer: Connection, task: int, number: int, known: int = 0) -> None:
        pieces = tar(self.work(task, number), self.folders.given())
        peer.fetches.append(Fetch((task, number), pieces, int(known)))
        self.news.dirty = True

    def on_discard(self, peer: Connection, keys: list[list[int]]) -> None:
        for task, number in keys:
            peer.forget((task, number))
            if (task, number) not in self.attempts.known:
                self.folders.remove(self.work(task, number))

    def work(self, task: int, number: int) -> bytes:
        return os.fsencode(self.home) + b"/work/%d.%d" % (task, number)

    # -- the agent itself

    def on_ping(self, peer: Connection, number: Any) -> None:
        disk = os.statvfs(self.home)
        state = {
            "load": os.getloadavg()[0],
            "running": len(self.attempts.running),
            "queued": len(self.attempts.queue),
            "disk_free": disk.f_bavail * disk.f_frsize,
            "spool": self.output.log.end,
        }
        self.news.answer(["pong", number, state])

    def on_bye(self, peer: Connection, keep: bool = False) -> None:
        setup = self.launcher.setup
        by = self.loop.now + (setup.grace if setup else 0.0) + 5.0
        self.departure.ask(bool(keep), by)
        self.loop.at(by)
        self.stops.stop_all("bye")


VERBS: dict[str, Callable[..., None]] = {
    name[3:]: getattr(Orders, name) for name in dir(Orders) if name.startswith("on_")
}

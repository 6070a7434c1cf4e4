"""The head's messages, and who carries them out: one method for each message."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from batchio.agent.attempts import Attempt
from batchio.agent.basics import say, short_of
from batchio.agent.containers import pull_image
from batchio.agent.door import (
    attempt_key,
    attempt_keys,
    listing,
    maybe,
    seconds,
    table,
    task_id,
    text,
    whole_number,
)
from batchio.agent.files import tar
from batchio.agent.members import Members
from batchio.agent.preparation import Preparation
from batchio.agent.setup import Setup
from batchio.agent.spawning import Unstartable
from batchio.agent.uploads import piece
from batchio.agent.wire import BadFrame, Fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    from batchio.agent.basics import Key
    from batchio.agent.daemon import Agent
    from batchio.agent.wire import Connection


class Orders:
    """Carries out the head's messages; it never retries, never chooses."""

    def __init__(self, agent: Agent) -> None:
        self.home = agent.home
        self.loop = agent.loop
        self.attempts = agent.attempts
        self.launcher = agent.launcher
        self.stops = agent.stops
        self.uploads = agent.uploads
        self.output = agent.output
        self.results = agent.results
        self.folders = agent.folders
        self.helpers = agent.helpers
        self.preparation = Preparation(agent.helpers, agent.outbox, agent.home)
        self.members = Members()
        self.outbox = agent.outbox
        self.head = agent.head
        self.departure = agent.departure

    def obey(self, peer: Connection, message: list[Any]) -> None:
        tag = message[0]
        if peer.epoch < 0 and tag != "hello":
            raise BadFrame("the first message is hello")
        verb = VERBS.get(tag) if isinstance(tag, str) else None
        if verb is None:
            self.outbox.answer(["trouble", "unknown message %.80r" % (tag,)])
            return
        try:
            verb(self, peer, *message[1:])
        except BadFrame:
            raise
        except Exception as error:
            import traceback

            say(traceback.format_exc())
            lacking = short_of(error)
            if lacking:  # the head comes again, and asks again
                self.outbox.trouble("a message of the head has to wait: %s" % lacking)
                raise ConnectionResetError from None
            raise BadFrame("bad message %.80r: %.200s" % (tag, error)) from None

    def on_hello(self, peer: Connection, given: dict[str, Any]) -> None:
        self.head.greet(peer, table(given))

    # -- what attempts share

    def on_setup(self, peer: Connection, given: dict[str, Any]) -> None:
        self.launcher.setup = Setup(table(given), self.home, self.members)
        self.loop.at(self.loop.now)

    def on_members(self, peer: Connection, given: dict[str, Any]) -> None:
        self.members.update(table(given))
        setup = self.launcher.setup
        if setup:
            setup.env.update(self.members.variables(setup.node))

    def on_prepare(self, peer: Connection, script: str, timeout: Any = None) -> None:
        self.preparation.run(text(script), maybe(seconds, timeout), self.launcher.setup)

    def on_image(self, peer: Connection, image: str) -> None:
        def answer(code: int, tail: str) -> None:
            self.outbox.tell(["imaged", image, not code, (tail.splitlines() or [""])[-1]])

        setup = self.launcher.setup
        try:
            pull = pull_image(setup, text(image))
        except Unstartable as error:
            answer(*error.args)
            return
        self.helpers.ask(pull, setup, None, answer)

    # -- attempts

    def on_start(self, peer: Connection, attempts: list[list[Any]]) -> None:
        for task, number, id, given in map(listing, listing(attempts)):
            key = attempt_key(task, number)
            known = self.attempts.known.get(key)
            if known is not None:
                if known.pid:
                    self.outbox.started(key, known.started)
                continue
            done = self.results.done(key)
            if done:
                self.outbox.repeat(done)
            elif key not in self.results.fresh:
                self.attempts.add(Attempt(key, task_id(id), given, os.fsencode(self.home)))

    def on_stop(self, peer: Connection, keys: list[list[int]], reason: str) -> None:
        text(reason)
        for key in attempt_keys(keys):
            attempt = self.attempts.known.get(key)
            if attempt:
                self.stops.stop(attempt, reason)

    def on_recall(self, peer: Connection, keys: list[list[int]]) -> None:
        queue = self.attempts.queue
        self.give_back([queue[key] for key in set(attempt_keys(keys)) if key in queue])

    def give_back(self, attempts: Collection[Attempt]) -> None:
        """Give queued attempts back to the head, which may place them elsewhere."""
        if attempts:
            self.attempts.withdraw(attempts)
            self.outbox.tell(["returned", [list(one.key) for one in attempts]])

    # -- results, logs, outputs

    def on_ack(self, peer: Connection, seq: int) -> None:
        self.results.ack(whole_number(seq))

    def on_pull(self, peer: Connection, offset: int, limit: int) -> None:
        peer.pull = [whole_number(offset), whole_number(limit)]
        self.outbox.follows = self.outbox.dirty = True

    def on_logged(self, peer: Connection, offset: int) -> None:
        self.output.log.forget(whole_number(offset))
        self.output.unchoke()

    def on_fetch(self, peer: Connection, task: int, number: int, known: int = 0) -> None:
        key = attempt_key(task, number)
        self.uploads.forget(key)
        lacking: list[str] = []
        pieces = tar(self.work(key), self.folders.given(), lacking)
        peer.fetches.append(Fetch(key, pieces, whole_number(known), lacking))
        self.outbox.dirty = True

    def on_list(self, peer: Connection, task: int, number: int) -> None:
        key = attempt_key(task, number)
        self.uploads.name_all(key, self.work(key))

    def on_store(self, peer: Connection, task: int, number: int, pieces: list[Any]) -> None:
        key = attempt_key(task, number)
        self.uploads.store(key, self.work(key), [piece(one) for one in listing(pieces)])

    def on_discard(self, peer: Connection, keys: list[list[int]]) -> None:
        for key in attempt_keys(keys):
            peer.forget(key)
            self.uploads.forget(key)
            if key not in self.attempts.known:
                self.folders.remove(self.work(key))

    def work(self, key: Key) -> bytes:
        return os.fsencode(self.home) + b"/work/%d.%d" % key

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
        self.outbox.answer(["pong", number, state])

    def on_bye(self, peer: Connection, keep: bool = False) -> None:
        setup = self.launcher.setup
        by = self.loop.now + (setup.grace if setup else 0.0) + 5.0
        self.departure.ask(bool(keep), by)
        self.uploads.stop()
        self.loop.at(by)
        self.stops.stop_all("bye")


VERBS: dict[str, Callable[..., None]] = {
    name[3:]: getattr(Orders, name) for name in dir(Orders) if name.startswith("on_")
}

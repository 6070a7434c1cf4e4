"""Attempts: those in the queue, those in a slot, and those that only lack their record."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any
    from typing import OrderedDict as Ordered

    from batchio.agent.basics import Key
    from batchio.agent.setup import Setup

TAIL = 4096  # bytes of each stream kept to find its last line


class Attempt:
    """One try of a task, from the head's `start` message to its record."""

    __slots__ = (
        "cgroup",
        "container",
        "copies",
        "deadline",
        "devices",
        "ended",
        "exit",
        "id",
        "input",
        "key",
        "kill_at",
        "killed",
        "kills",
        "linger",
        "log_from",
        "name",
        "ooms",
        "pid",
        "pipes",
        "reason",
        "rss",
        "scratch",
        "setup",
        "slot",
        "spent",
        "started",
        "tails",
        "work",
    )

    def __init__(self, key: Key, id: str, given: Any, home: bytes) -> None:
        self.key = key
        self.id = id
        self.input = given
        self.name = b"%d.%d" % key
        self.work = home + b"/work/" + self.name
        self.scratch = b""
        self.setup: Setup | None = None  # that it was started with
        self.pid = 0
        self.slot = -1
        self.pipes: dict[int, int] = {}  # descriptor: stream
        self.copies: list[int] = []  # where pipe_to_files writes
        self.started = self.ended = 0.0
        self.exit = 0
        self.rss = 0
        self.spent = 0.0
        self.log_from = -1
        self.tails = [b"", b""]
        self.reason = ""
        self.killed = False
        self.devices: list[bytes] = []  # GPUs that it has
        self.ooms = 0
        self.kills = 0
        self.cgroup = b""
        self.container = b""  # its name, if it runs in one
        self.deadline: float | None = None  # of the task's own time
        self.kill_at: float | None = None  # TERM was sent; then KILL
        self.linger: float | None = None  # its end has come; who holds its pipes has until then

    def last_line(self, setup: Setup) -> str:
        """Return the last line that the attempt printed: on stderr, else on stdout."""
        for stream in (1, 0):
            # what a progress bar wrote over is not what was last on the screen
            lines = setup.blank(self.tails[stream]).replace(b"\r", b"\n").split(b"\n")
            for index in range(len(lines) - 1, -1, -1):
                line = lines[index].strip()
                if line:
                    cut = index == 0 and len(self.tails[stream]) >= TAIL
                    line = line[-300:] if cut else line[:300]
                    return line.decode("utf-8", "replace")
        return ""


class Attempts:
    """All attempts without a record: they wait, they run in a slot, or their pipes are open."""

    def __init__(self) -> None:
        self.known: dict[Key, Attempt] = {}
        self.queue: Ordered[Key, Attempt] = OrderedDict()
        self.running: set[Attempt] = set()
        self.slots: set[int] = set()

    def add(self, attempt: Attempt) -> None:
        self.known[attempt.key] = attempt
        self.queue[attempt.key] = attempt

    def pop_next(self) -> Attempt:
        """Remove the next attempt from the queue and give it the lowest free slot."""
        _, attempt = self.queue.popitem(last=False)
        slot = 0
        while slot in self.slots:
            slot += 1
        attempt.slot = slot
        self.slots.add(slot)
        self.running.add(attempt)
        return attempt

    def put_back(self, attempt: Attempt) -> None:
        self.release(attempt)
        self.queue[attempt.key] = attempt
        self.queue.move_to_end(attempt.key, last=False)

    def release(self, attempt: Attempt) -> None:
        """Free the slot of an attempt."""
        self.running.discard(attempt)
        self.slots.discard(attempt.slot)

    def withdraw(self, attempts: Collection[Attempt]) -> None:
        """Remove attempts from the queue and forget them, as if they had never been here."""
        for one in attempts:
            del self.queue[one.key]
            del self.known[one.key]

    def remove(self, attempt: Attempt) -> None:
        """Forget an attempt whose record is made."""
        self.release(attempt)
        del self.known[attempt.key]

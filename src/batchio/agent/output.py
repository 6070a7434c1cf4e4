"""The output of attempts: read from their pipes into the log, while the log can grow."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from batchio.agent.attempts import TAIL
from batchio.agent.spool import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Deque

    from batchio.agent.attempts import Attempt
    from batchio.agent.loop import Loop
    from batchio.agent.outbox import Outbox
    from batchio.agent.spool import Log

YOUNG = 0.005  # seconds before we listen to an attempt: most short ones end silent
SHORT_WAIT = 2.0
"""Seconds for which tasks wait for room without a word: as long as the head takes the log away."""


class Output:
    """The pipes of all attempts."""

    def __init__(self, loop: Loop, log: Log, outbox: Outbox) -> None:
        self.loop = loop
        self.log = log
        self.outbox = outbox
        self.choked = ""  # why no pipe is read and nothing is started
        self.told_at = 0.0
        self.unheard: Deque[tuple[float, Attempt]] = deque()  # and when the loop will read them
        self.heard: set[Attempt] = set()
        self.when_closed: Callable[[Attempt], None]  # the last pipe of an ended attempt

    def open(self, attempt: Attempt, out: int, err: int) -> None:
        """Store the reading ends of the pipes of an attempt that was started."""
        attempt.pipes = {out: 1, err: 2}
        self.unheard.append((self.loop.now + YOUNG, attempt))

    def due(self) -> float | None:
        """Return when to begin to read the next attempt's pipes, or None."""
        return self.unheard[0][0] if self.unheard and not self.choked else None

    def turn(self) -> None:
        """Begin to read the pipes of attempts that are old enough; write what was read."""
        unheard, now = self.unheard, self.loop.now
        while unheard and now >= unheard[0][0] and not self.choked:
            self.hear(unheard.popleft()[1])
        if self.log.waiting:
            self.write()

    def write(self) -> None:
        """Write the log's bytes to disk; where there is no room, choke."""
        if self.choked in ("", "backlog") and not self.log.write():
            self.choke(self.log.why())

    def hear(self, attempt: Attempt) -> None:
        """Let the loop read what the attempt writes, from now on."""
        if self.choked or attempt in self.heard or not attempt.pipes:
            return
        self.heard.add(attempt)
        for fd, stream in attempt.pipes.items():
            self.loop.watch(fd, self.reader(fd, attempt, stream))

    def reader(self, fd: int, attempt: Attempt, stream: int) -> Callable[[int], object]:
        return lambda mask: self.read(fd, attempt, stream)

    def read(self, fd: int, attempt: Attempt, stream: int) -> int:
        """Read a pipe once; return how many bytes it gave, or -1 when there is nothing yet."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return -1
        except OSError:  # nothing more will come
            data = b""
        if not data:
            self.close_pipe(fd, attempt)
            if attempt.linger is not None and not attempt.pipes:
                self.when_closed(attempt)
            return 0
        self.append(attempt, stream, data)
        return len(data)

    def append(self, attempt: Attempt, stream: int, data: bytes) -> None:
        offset = self.log.append(attempt.key[0], attempt.key[1], stream, data)
        if attempt.log_from < 0:
            attempt.log_from = offset
        if len(data) < TAIL:
            attempt.tails[stream - 1] = (attempt.tails[stream - 1] + data)[-TAIL:]
        else:
            attempt.tails[stream - 1] = data[-TAIL:]
        if attempt.copies:
            try:
                os.write(attempt.copies[stream - 1], data)
            except OSError as error:
                self.outbox.trouble("cannot write a task's output file: %s" % error.strerror)
        if self.log.full():
            self.choke("backlog")
        if self.outbox.follows:
            self.outbox.dirty = True

    def drain(self, attempt: Attempt) -> None:
        """Read what is in the pipes of an attempt now."""
        for fd, stream in list(attempt.pipes.items()):
            os.set_blocking(fd, False)  # before, the poller said when a read would not wait
            for _ in range(32):
                if self.choked or self.read(fd, attempt, stream) <= 0:
                    break

    def close(self, attempt: Attempt) -> None:
        """Close the pipes of an attempt: no more of its output is read."""
        for fd in list(attempt.pipes):
            self.close_pipe(fd, attempt)
        for fd in attempt.copies:
            os.close(fd)

    def close_pipe(self, fd: int, attempt: Attempt) -> None:
        if attempt in self.heard:
            self.loop.forget(fd)
        os.close(fd)
        del attempt.pipes[fd]
        if not attempt.pipes:
            self.heard.discard(attempt)

    def choke(self, why: str) -> None:
        """Stop reading pipes and starting attempts; tasks wait in `write`."""
        if self.choked:
            return
        self.choked = why
        for attempt in self.heard:
            for fd in attempt.pipes:
                self.loop.unwatch(fd)
            self.unheard.appendleft((0.0, attempt))
        self.heard.clear()
        self.told_at = self.loop.now + SHORT_WAIT
        self.loop.at(self.loop.now + 1.0)

    def unchoke(self) -> None:
        """Go on reading and starting, when there is room again; tell people of a longer wait."""
        if self.choked and not self.log.full() and self.log.write():
            if self.outbox.held:
                self.outbox.hold("the log is written again", False)
            self.choked = ""
            self.loop.at(self.loop.now)
            self.outbox.dirty = True
            return
        may_tell = self.choked not in ("", "backlog") and not self.outbox.held
        if may_tell and self.loop.now >= self.told_at:
            self.outbox.hold("the log cannot be written (%s); tasks wait" % self.choked, True)

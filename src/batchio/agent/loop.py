"""The agent's one poll loop and its clock."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from batchio.agent.basics import since_boot

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

READABLE = select.POLLIN
WRITABLE = select.POLLOUT
BROKEN = select.POLLHUP | select.POLLERR


class Loop:
    """A poll loop: calls the handlers of ready descriptors, and wakes up in time.

    `now` is the time of this turn, the same for all that happens in it.
    """

    def __init__(self) -> None:
        self.epoll = hasattr(select, "epoll")
        self.unit = 1.0 if self.epoll else 1000.0  # of the poller's timeout, in a second
        self.poller: Any = select.epoll() if self.epoll else select.poll()
        self.poll = self.poller.poll
        self.handlers: dict[int, Callable[[int], object]] = {}
        self.now = since_boot()
        self.wake = 0.0

    def watch(self, fd: int, handler: Callable[[int], object]) -> None:
        self.handlers[fd] = handler
        self.poller.register(fd, READABLE)

    def modify(self, fd: int, mask: int) -> None:
        self.poller.modify(fd, mask)

    def unwatch(self, fd: int) -> None:
        self.poller.unregister(fd)
        del self.handlers[fd]

    def forget(self, fd: int) -> None:
        """Stop watching a descriptor that is about to be closed; epoll sees that by itself."""
        if not self.epoll:
            self.poller.unregister(fd)
        del self.handlers[fd]

    def at(self, when: float) -> None:
        """Set the next wake-up to this time, unless it is earlier already."""
        if when < self.wake:
            self.wake = when

    def wait(self, until: float) -> None:
        """Wait for one poll, and call the handlers of the ready descriptors."""
        ready = self.poll(max(0.0, until - since_boot()) * self.unit)
        self.now = since_boot()
        handlers = self.handlers
        for fd, mask in ready:
            handler = handlers.get(fd)  # the one before may have closed it
            if handler is not None:
                handler(mask)

"""The messages that the head is to get at the next flush."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio.agent.basics import dumps, say

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from batchio.agent.basics import Key


class Outbox:
    """Messages to be sent; those that must not be lost wait here while there is no head."""

    def __init__(self) -> None:
        self.dirty = False  # there is something to flush
        self.listened = False  # there is a head
        self.follows = False  # and it waits for log bytes
        self.messages: list[list[Any]] = []
        self.dones: list[bytes] = []  # results, ready made
        self.begun: dict[Key, float] = {}
        self.owed: list[list[Any]] = []
        self.troubled: set[str] = set()
        self.held = ""  # why tasks wait now

    def greet(self, hello: list[Any], dones: Iterable[bytes]) -> None:
        """Begin with a new head: it gets the hello, all results, and what was kept for it."""
        self.listened = True
        self.follows = False
        held = [["trouble", self.held, True]] if self.held else []
        self.messages = [hello, *(one for one in self.owed if one not in held), *held]
        self.owed.clear()
        self.dones = list(dones)

    def head_gone(self) -> None:
        """Note that the head is gone."""
        self.listened = self.follows = False

    def answer(self, message: list[Any]) -> None:
        """Send a message to the present head alone."""
        self.messages.append(message)
        self.dirty = True

    def tell(self, message: list[Any]) -> None:
        """Send a message to the present head, or keep it for the next one."""
        (self.messages if self.listened else self.owed).append(message)
        self.dirty = True

    def trouble(self, text: str) -> None:
        """Tell people of a trouble, once each."""
        if text not in self.troubled:
            self.troubled.add(text)
            say(text)
            self.tell(["trouble", text])

    def hold(self, text: str, waits: bool) -> None:
        """Tell that tasks wait from now on, or no longer, and why; each head hears the first."""
        self.held = text if waits else ""
        say(text)
        self.tell(["trouble", text, waits])

    def started(self, key: Key, when: float) -> None:
        self.begun[key] = when
        self.dirty = True

    def repeat(self, done: bytes) -> None:
        """Send a result again that the head asks for."""
        if done not in self.dones:
            self.dones.append(done)
        self.dirty = True

    def pop_all(self, done: bytes | None) -> list[bytes]:
        """Return all new messages, encoded, with the latest results; forget them here."""
        if self.begun:
            self.messages.append(["started", [[*key, when] for key, when in self.begun.items()]])
        if done:
            self.dones.append(done)
        taken = [dumps(one).encode() for one in self.messages] + self.dones
        self.drop()
        return taken

    def drop(self) -> None:
        """Drop all messages, for there is no head to hear them."""
        self.begun.clear()
        self.messages.clear()
        self.dones.clear()

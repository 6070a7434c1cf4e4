"""Remarks of a node for people: each is noted once, and only a limited number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import Protocol

    class Note(Protocol):
        """Leaves a line for the people who look on; as `JobContext.note`."""

        def __call__(self, text: str, waits: bool | None = None, node: int = -1, /) -> None: ...


MOST: Final = 20
"""Most notes of one node in the journal, for each head."""


class Remarks:
    """The remarks of one node.

    Args:
        note: Leaves a line for the people who look on.
        name: What the node is called.
        node: Its number.
    """

    def __init__(self, note: Note, name: str, node: int) -> None:
        self._note = note
        self._name = name
        self._node = node
        self._waits = False
        """Whether tasks of the node wait now."""
        self._count = 0
        self._said = set[str]()

    def add(self, text: str) -> None:
        """Note a remark, unless it was noted before or there are too many."""
        if text not in self._said and self._may_say():
            self._said.add(text)
            self._note(text)

    def hold(self, text: str) -> None:
        """Note why tasks of the node wait from now on, unless they do already."""
        if not self._waits and self._may_say():
            self._waits = True
            self._note(text, True, self._node)

    def go_on(self, text: str) -> None:
        """Note that tasks of the node wait no longer, if they did."""
        if self._waits:
            self._waits = False
            self._note(text, False, self._node)

    def _may_say(self) -> bool:
        """Count one more remark; return whether there are not too many, and note when there are."""
        self._count += 1
        if self._count == MOST + 1:
            self._note(f"{self._name} has more than {MOST} notes; the rest is left out")
        return self._count <= MOST

"""Remarks of a node for people: each is noted once, and only a limited number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MOST: Final = 20
"""Most notes of one node in the journal, for each head."""


class Remarks:
    """The remarks of one node.

    Args:
        note: Leaves a line for the people who look on.
        name: What the node is called.
    """

    def __init__(self, note: Callable[[str], None], name: str) -> None:
        self._note = note
        self._name = name
        self._said = set[str]()

    def add(self, text: str) -> None:
        """Note a remark, unless it was noted before or there are too many."""
        if text in self._said or len(self._said) > MOST:
            return
        self._said.add(text)
        if len(self._said) > MOST:
            text = f"{self._name} has more than {MOST} notes; the rest is left out"
        self._note(text)

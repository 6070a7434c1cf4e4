"""The two bars of a job's screen: the views with their keys, and the keys that work now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.message import Message

from batchio_tui.actions import ACTIONS, VIEWS
from batchio_tui.paint import Painted, fitted, pieces_wide, spread, width_of

if TYPE_CHECKING:
    from textual import events

    from batchio_tui.actions import Keys
    from batchio_tui.paint import Line, Piece

LEAST: Final = 16
"""Columns that what a view is narrowed to is given, before names of other views are left out."""


class Chosen(Message):
    """An action was clicked."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.action = action


class ViewBar(Painted):
    """The names of the views; behind them what the shown one is narrowed to."""

    DEFAULT_CSS = "ViewBar { height: 1; }"

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self._keys = keys
        self.current = "tasks"
        self.about = ""
        """What is shown of how much: "failed: 17 of 100,000"."""
        self.sums: dict[str, str] = {}
        """By view: a number behind its name."""

    def paint(self, width: int, height: int) -> list[Line]:
        """Return the one line."""
        line: list[Piece] = [(" ", "")]
        for view in VIEWS:
            text = f" {self._keys.shown(view)} {view.title()}{self.sums.get(view, '')} "
            line.append((text, "tab" if view == self.current else "dim"))
        room = width - pieces_wide(line) - 2
        if min(width_of(self.about), LEAST) > room:
            line = [
                (f" {self._keys.shown(view)} " + (view.title() + " ") * (view == self.current),
                 "tab" if view == self.current else "dim")
                for view in VIEWS
            ]  # fmt: skip
            room = width - pieces_wide(line) - 2
        about = fitted(self.about, min(width_of(self.about), max(room, 0)))
        return [spread(line, [(f"{about} ", "wait")] if about else [], width)]

    def on_click(self, event: events.Click) -> None:
        """Show the view that was clicked."""
        at = 0
        names = iter(VIEWS)
        for text, _ in self.paint(self.size.width, 1)[0]:
            if not text.strip():
                at += len(text)
                continue
            name = next(names, "")
            if name and at <= event.x < at + len(text):
                self.post_message(Chosen(name))
            at += len(text)


class KeyBar(Painted):
    """The keys that work now: as many as have room, help and quit always."""

    DEFAULT_CSS = "KeyBar { height: 1; }"

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self._keys = keys
        self.view = "tasks"
        self.off = False
        """Whether actions that change the job are off."""
        self.inside = False
        """Whether there is somewhere to go back to."""

    def names(self, width: int) -> list[tuple[str, str, str]]:
        """Return name, key and word of the actions that have room."""
        found = [
            (action.name, self._keys.shown(action.name), action.word)
            for action in sorted(ACTIONS, key=lambda one: one.foot)
            if action.foot
            and (self.view in action.views)
            and not (action.changes and self.off)
            and (action.name != "back" or self.inside)
        ]
        last = [one for one in found if one[0] in ("back", "help", "quit")]
        shown = [one for one in found if one not in last]
        while shown and sum(len(key) + len(word) + 3 for _, key, word in shown + last) > width:
            shown.pop()
        return shown + last

    def paint(self, width: int, height: int) -> list[Line]:
        """Return the one line."""
        line: list[Piece] = [(" ", "")]
        for _, key, word in self.names(width):
            line += [(key, "key"), (f" {word}  ", "dim")]
        return [line]

    def on_click(self, event: events.Click) -> None:
        """Do what was clicked."""
        at = 1
        for name, key, word in self.names(self.size.width):
            if at <= event.x < at + len(key) + len(word) + 1:
                self.post_message(Chosen(name))
            at += len(key) + len(word) + 3

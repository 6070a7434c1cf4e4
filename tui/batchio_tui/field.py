"""The line in which a filter, a search or a note is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult


class Field(Vertical):
    """A line to type in, that tells what it makes of it while one types."""

    DEFAULT_CSS = """
    Field { height: auto; display: none; }
    Field.open { display: block; }
    Field > Horizontal { height: 1; }
    Field #ask { width: auto; padding: 0 1; text-style: bold; }
    Field Input, Field Input:focus { width: 1fr; height: 1; border: none; padding: 0; }
    Field > #said { display: none; height: auto; padding: 0 1; color: $error; }
    Field > #said.told { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._ask = Static("", id="ask", markup=False)
        self._input = Input(select_on_focus=False)
        self._said = Static("", id="said", markup=False)
        self._typed: Callable[[str], str] = lambda _: ""
        self._done: Callable[[str | None], object] = lambda _: None

    def compose(self) -> ComposeResult:
        """Yield what is asked for, the line, and what is made of it."""
        with Horizontal():
            yield self._ask
            yield self._input
        yield self._said

    def _tell(self, text: str) -> None:
        self._said.update(text)
        self._said.set_class(bool(text), "told")

    def open(
        self,
        ask: str,
        value: str,
        typed: Callable[[str], str],
        done: Callable[[str | None], object],
    ) -> None:
        """Ask for a line.

        Args:
            value: What stands there at first.
            typed: Called with each change; returns what is wrong with it, or "".
            done: Called with the line when Enter ends it; with None when Escape does, or when
                another line is asked for.
        """
        if self.has_class("open"):
            self._close(None)
        self._typed, self._done = typed, done
        self._ask.update(ask)
        self._tell("")
        self._input.value = value
        self._input.cursor_position = len(value)
        self.add_class("open")
        self._input.focus()

    def _close(self, value: str | None) -> None:
        self.remove_class("open")
        self._done(value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell what is made of what stands there."""
        event.stop()
        if self.has_class("open"):
            self._tell(self._typed(event.value))

    def on_key(self, event: events.Key) -> None:
        """End with what stands there, or without it; nobody above may see keys of the line."""
        if event.key in ("enter", "escape"):
            event.stop()
            event.prevent_default()
            self._close(self._input.value if event.key == "enter" else None)

"""Dialogs: a question that says what will happen to how many, a text to read, the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from textual.containers import Vertical
from textual.screen import ModalScreen

from batchio_tui.actions import ACTIONS, shown_key
from batchio_tui.page import Page, wrapped
from batchio_tui.paint import Painted, width_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.app import ComposeResult

    from batchio_tui.actions import Keys
    from batchio_tui.paint import Line, Piece

AGAIN_S: Final = 0.25
"""Seconds between two looks whether a question still makes sense."""

LETTERS: Final = "123456789abcdefghi"


class Dialog(ModalScreen[str]):
    """A box over the screen; Escape closes it with the answer ""."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog > Vertical {
        width: 76; max-width: 100%; height: auto; max-height: 100%;
        border: round $primary; background: $surface; padding: 0 1;
        border-title-style: bold;
    }
    Dialog > Vertical > * { background: $surface; }
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def body(self) -> Painted:
        """Return what stands in the box."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Yield the box."""
        with Vertical() as box:
            box.border_title = self._title.replace("[", r"\[")
            yield self.body()

    def on_key(self, event: events.Key) -> None:
        """Close on Escape or q."""
        if event.key in ("escape", "q"):
            event.stop()
            event.prevent_default()
            self.dismiss("")


class _Text(Page):
    """Lines that are as high as there are lines."""

    DEFAULT_CSS = "_Text { width: 1fr; height: auto; max-height: 80vh; }"

    def __init__(self, lines: Sequence[Piece]) -> None:
        super().__init__()
        self.lines = list(lines)

    def get_content_height(self, *_: object) -> int:
        """Return the lines it would like to have."""
        return len(self.lines)

    def on_key(self, event: events.Key) -> None:
        """Move the cursor."""
        how = {"up": "up", "k": "up", "down": "down", "j": "down", "pageup": "page_up",
               "pagedown": "page_down", "home": "home", "end": "end"}.get(event.key)  # fmt: skip
        if how is not None:
            event.stop()
            self.action_go(how)


class Telling(Dialog):
    """Sentences to read."""

    def __init__(self, title: str, told: Sequence[str]) -> None:
        super().__init__(title)
        self._told = told

    def body(self) -> Painted:
        """Return the sentences, broken into lines."""
        width = min(self.app.size.width, 76) - 8
        lines: list[Piece] = []
        for text in self._told:
            lines += [(line, "") for line in wrapped(text, width, "  ")]
        return _Text([*lines, ("", ""), ("Esc close", "dim")])

    def on_mount(self) -> None:
        """Let keys move in the text."""
        self.query_one(_Text).focus()


class Help(Dialog):
    """All keys."""

    def __init__(self, keys: Keys, view: str) -> None:
        super().__init__("Keys")
        self._keys = keys
        self._view = view

    def body(self) -> Painted:
        """Return the actions, those of the view first."""
        rows = [a for a in ACTIONS if self._keys.of[a.name]]
        here = [a for a in rows if len(a.views) < len(ACTIONS[0].views) and self._view in a.views]
        lines: list[Piece] = []
        for title, some in ((f"In {self._view}", here),
                            ("Everywhere", [a for a in rows if a not in here])):  # fmt: skip
            lines.append((title, "head"))
            for action in some:
                elsewhere = self._view not in action.views
                keys = " ".join(map(shown_key, self._keys.of[action.name]))
                lines.append((f"  {keys:<8} {action.help}", "dim" if elsewhere else ""))
        return _Text([*lines, ("", ""), ("Esc close   [dashboard.keys] in batchio.toml", "dim")])

    def on_mount(self) -> None:
        """Let keys move in the text."""
        self.query_one(_Text).focus()


class Asked(NamedTuple):
    """What a question is about now."""

    text: str
    """What will happen to how many."""
    number: int
    """How many it is about; 0: it makes no sense any more."""


class _Question(Painted, can_focus=True):
    DEFAULT_CSS = "_Question { width: 1fr; height: auto; max-height: 80vh; }"

    def __init__(self, confirm: Confirm) -> None:
        super().__init__()
        self._confirm = confirm

    def get_content_height(self, *_: object) -> int:
        width = min(self.app.size.width, 76) - 6
        return len(wrapped(self._confirm.asked.text, width)) + 3

    def paint(self, width: int, height: int) -> list[Line]:
        confirm = self._confirm
        lines: list[Line] = [[(line, "")] for line in wrapped(confirm.asked.text, width)]
        lines.append([])
        if not confirm.asked.number:
            lines.append([("Esc", "key"), (" close", "dim")])
            return lines
        yes = [("y", "key"), (f" {confirm.yes}", "strong" if confirm.default else "")]
        no = [("n", "key"), (" leave it", "" if confirm.default else "strong")]
        enter = yes if confirm.default else no
        other = no if confirm.default else yes
        lines.append([("Enter or ", "dim"), *enter, ("    ", ""), *other])
        return lines


class Confirm(Dialog):
    """A question; the answer is "yes" or ""."""

    BINDINGS: ClassVar = []

    def __init__(
        self, title: str, ask: Callable[[], Asked], yes: str, *, default: bool = True
    ) -> None:
        super().__init__(title)
        self._ask = ask
        self.asked = ask()
        self.yes = yes
        self.default = default
        """Whether Enter means yes."""
        self._question = _Question(self)

    def body(self) -> Painted:
        """Return the question."""
        return self._question

    def on_mount(self) -> None:
        """Look again and again whether the question still makes sense."""
        self._question.focus()
        self.set_interval(AGAIN_S, self._look)

    def _look(self) -> None:
        asked = self._ask()
        if asked != self.asked:
            self.asked = asked
            self._question.refresh(layout=True)
            self._question.repaint()

    def on_key(self, event: events.Key) -> None:
        """Answer; a question that makes no sense any more can only be closed."""
        self._look()
        yes = event.key == "y" or (event.key == "enter" and self.default)
        if yes or event.key in ("n", "enter"):
            event.stop()
            event.prevent_default()
            self.dismiss("yes" if yes and self.asked.number else "")
            return
        super().on_key(event)


class Choose(Dialog):
    """A few things of which one is chosen by its letter; the answer is its name."""

    def __init__(self, title: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__(title)
        self._choices = choices
        """Name and text of each."""

    def body(self) -> Painted:
        """Return the choices."""
        room = max((width_of(name) for name, _ in self._choices), default=0)
        lines = [
            (f"{letter}  {name:<{room}}  {text}", "")
            for letter, (name, text) in zip(LETTERS, self._choices, strict=False)
        ]
        return _Text([*lines, ("", ""), ("Enter or its number; Esc close", "dim")])

    def on_mount(self) -> None:
        """Let keys move in the choices."""
        self.query_one(_Text).focus()

    def on_key(self, event: events.Key) -> None:
        """Choose by letter, or what the cursor is on."""
        at = LETTERS.find(event.character or "?")
        if event.key == "enter":
            at = self.query_one(_Text).cursor
        if 0 <= at < len(self._choices):
            event.stop()
            event.prevent_default()
            self.dismiss(self._choices[at][0])
            return
        super().on_key(event)

"""Actions of the dashboard: the one table for keys, footer, help, palette and docs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

VIEWS: Final = ("tasks", "failures", "nodes", "logs", "events", "options")
"""The views of a job, in the order of their keys 1 to 6."""

TABLES: Final = frozenset((*VIEWS, "task"))
TASKS: Final = frozenset(("tasks", "task", "failures"))
EVERYWHERE: Final = TABLES


class Action(NamedTuple):
    """Something that a key does."""

    name: str
    keys: tuple[str, ...]
    word: str
    """What the footer says."""
    help: str
    """One sentence."""
    views: frozenset[str] = EVERYWHERE
    """Views in which it works."""
    changes: bool = False
    """Whether it changes the job, so that it is off while the past is shown."""
    foot: int = 0
    """Place in the footer, the lowest first; 0: it does not stand there."""


def _views() -> list[Action]:
    return [
        Action(view, (str(at),), view, f"Show the {view} of the job.")
        for at, view in enumerate(VIEWS, 1)
    ]


ACTIONS: Final = (
    Action("filter", ("/",), "filter", "Show only some tasks; in the logs, search.", foot=1),
    Action(
        "failed", ("f",), "failed", "Show only what failed, or all again.", TASKS | {"events"},
        foot=2,
    ),
    Action("open", ("enter",), "open", "Open what the cursor is on.",
           TABLES - {"events", "options"}, foot=3),
    Action("log", ("l",), "logs", "Show what this task, group or node printed.", foot=4),
    Action("why", ("w",), "why", "Say why the task, or the job, is where it is.", foot=5),
    Action(
        "retry", ("r",), "retry", "Run the marked tasks, or this one, again.", TASKS,
        changes=True, foot=6,
    ),
    Action(
        "retry-failed", ("R",), "retry all failed", "Run all tasks that failed again.",
        changes=True,
    ),
    Action(
        "cancel", ("c",), "cancel", "End the marked tasks, or this one.", TASKS,
        changes=True, foot=7,
    ),
    Action("cancel-job", ("C",), "cancel the job", "End the whole job.", changes=True),
    Action("recover", ("v",), "recover", "Go on with a job that nobody runs.", changes=True),
    Action("shell", ("x",), "shell", "Open a shell where the task runs.", changes=True),
    Action("outputs", ("o",), "outputs", "Show the folder of the task's outputs, or open it."),
    Action("copy", ("y",), "copy", "Copy id, line, error, or the commands that run it by hand."),
    Action(
        "reproduce", ("e",), "by hand", "Show and copy the commands that run this task by hand.",
        TASKS,
    ),
    Action("note", ("a",), "add a note", "Write a note into the job's journal.", changes=True),
    Action("report", ("p",), "save the report", "Write a report of the job: one HTML file."),
    Action("mark", ("space",), "mark", "Mark this row for retry or cancel, or unmark it."),
    Action("sort", ("s",), "sort", "Sort by the next column.", frozenset(("tasks", "nodes"))),
    Action(
        "reverse", ("S",), "reverse", "Turn the order around.", frozenset(("tasks", "nodes"))
    ),
    Action("lanes", ("L",), "lanes", "Show what each node did over time, or its figures.",
           frozenset(("nodes",)), foot=2),
    Action("next", ("n",), "next", "Go to the next line that was searched for.",
           frozenset(("logs",)), foot=2),
    Action("before", ("N",), "before", "Go to the line before that was searched for.",
           frozenset(("logs",))),
    Action("wrap", ("z",), "wrap", "Wrap long lines, or cut them.", frozenset(("logs",)), foot=3),
    Action("time", ("t",), "time", "Look at an earlier moment, or return to now.", foot=8),
    Action("earlier", ("[",), "earlier", "Look at the moment one event earlier."),
    Action("later", ("]",), "later", "Look at the moment one event later."),
    Action("bell", ("b",), "bell", "Ring when the job is done or begins to fail."),
    *_views(),
    Action("up", ("up", "k"), "up", "Move up."),
    Action("down", ("down", "j"), "down", "Move down."),
    Action("page-up", ("pageup",), "page up", "Move up a page."),
    Action("page-down", ("pagedown",), "page down", "Move down a page."),
    Action("home", ("home", "g"), "first", "Move to the first row."),
    Action("end", ("end", "G"), "last", "Move to the last row; in the logs, follow."),
    Action("left", ("left",), "left", "Move back in time, or scroll left."),
    Action("right", ("right",), "right", "Move on in time, or scroll right."),
    Action("theme", ("T",), "theme", "Change between dark and light."),
    Action("commands", (":",), "commands", "Search all actions by name."),
    Action("back", ("escape",), "back", "Go back to where you were.", foot=90),
    Action("jobs", ("J",), "jobs", "Show all jobs."),
    Action("help", ("?",), "help", "Show all keys.", foot=91),
    Action("quit", ("q",), "quit", "Leave the dashboard; the job goes on.", foot=92),
)  # fmt: skip
"""All actions, in the order of the help."""

BY_NAME: Final = {action.name: action for action in ACTIONS}

NAMES: Final = {"escape": "Esc", "enter": "Enter", "space": "Space", "pageup": "PgUp",
                "pagedown": "PgDn", "home": "Home", "end": "End", "up": "↑", "down": "↓",
                "left": "←", "right": "→"}  # fmt: skip
"""How keys without a letter are written."""


KEYS: Final = (
    *NAMES, "insert", "delete", "backspace", *(f"f{number}" for number in range(1, 13)),
)  # fmt: skip
"""Names of the keys that are no characters."""


def shown_key(key: str) -> str:
    """Return how a key is written for people."""
    return NAMES.get(key, key)


class Keys:
    """Which key does what: the table, with a person's own keys over it."""

    def __init__(self, own: Mapping[str, str] | None = None) -> None:
        self.of: dict[str, tuple[str, ...]] = {a.name: a.keys for a in ACTIONS}
        """By action: its keys."""
        for name, key in (own or {}).items():
            for other, keys in self.of.items():  # who takes a key of another has it
                self.of[other] = tuple(one for one in keys if one != key)
            self.of[name] = (key,)
        self._by_key = {key: name for name, keys in self.of.items() for key in keys}

    def action(self, key: str) -> Action | None:
        """Return the action of a key; None: it has none."""
        return BY_NAME.get(self._by_key.get(key, ""))

    def shown(self, name: str) -> str:
        """Return the first key of an action for people; "" when it has none."""
        keys = self.of[name]
        return shown_key(keys[0]) if keys else ""

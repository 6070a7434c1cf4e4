"""What the actions do. Each takes the pane; the table of them stands in `actions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.core.select import BAD_WORD
from batchio.errors import UsageError
from batchio_tui import acting
from batchio_tui.actions import ACTIONS, BY_NAME, VIEWS
from batchio_tui.dialogs import Help, Telling
from batchio_tui.events import Events
from batchio_tui.failures import Failures
from batchio_tui.grid import Grid
from batchio_tui.logs import SHIFT, Logs
from batchio_tui.nodes import Nodes
from batchio_tui.task import TaskView
from batchio_tui.tasks import SORTS, Tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchio_tui.pane import JobPane

    Doing = Callable[[JobPane], Awaitable[object] | None]

__all__ = ["ACTIONS", "BY_NAME", "DOES", "helping"]


HELPING: Final = {"recover": "recover", "retry": "retry-failed", "logs": "log", "explain": "why",
                  "nodes": "nodes", "cancel": "cancel-job"}  # fmt: skip
"""By verb of the command line: the action that does the same."""


def helping(pane: JobPane, command: str) -> str:
    """Return the key and word of the action that does what a command does; else the command."""
    verb = command.split()[1] if command.count(" ") else ""
    name = HELPING.get(verb, "")
    key = pane.keys.shown(name) if name else ""
    return f"{key} {BY_NAME[name].word}" if key else command


def tasks_of(pane: JobPane) -> Tasks:
    """Return the table of tasks."""
    found = pane.views["tasks"]
    assert isinstance(found, Tasks)
    return found


def choose(pane: JobPane, text: str) -> None:
    """Show the tasks that fit a filter, and the events about them.

    Raises:
        UsageError: the filter makes no sense; what was shown stays.
    """
    for view in (pane.views["tasks"], pane.views["events"]):
        assert isinstance(view, Tasks | Events)
        view.choose(text)


# --- looking ----------------------------------------------------------------------


def filter_(pane: JobPane) -> Awaitable[None] | None:
    """Ask for a filter, and use it while it is typed; in the logs, for what to search."""
    if isinstance(pane.view, Logs):
        return search(pane, pane.view)
    before = tasks_of(pane).filter
    if pane.shown not in ("tasks", "events"):
        pane.show("tasks")

    def typed(text: str) -> str:
        try:
            choose(pane, text)
        except UsageError as err:
            return f"{err}" + (f"; {err.hint}" if err.hint else "")
        pane.renew_bars()
        return ""

    def done(text: str | None) -> None:
        if text is None or typed(text):
            choose(pane, before)
        pane.renew_bars()
        pane.view.focus()

    pane.field.open("filter:", before, typed, done)
    return None


async def search(pane: JobPane, logs: Logs) -> None:
    """Ask for a text, and move to the line before that has it: the newest are at the end."""

    text = await pane.line("search:", logs.sought)
    if text and not (await logs.search(text, back=True) or await logs.search(text)):
        pane.tell(f"no line has {text}")
    pane.renew_bars()


def again(*, back: bool) -> Doing:
    """Return what moves to the next line that was searched for."""

    async def doing(pane: JobPane) -> None:
        logs = pane.view
        if isinstance(logs, Logs) and logs.sought:
            if not await logs.search(logs.sought, back=back):
                pane.tell(f"no more lines {'above' if back else 'below'} have {logs.sought}")
            pane.renew_bars()

    return doing


def wrap(pane: JobPane) -> None:
    """Wrap long lines, or cut them."""
    if isinstance(pane.view, Logs):
        pane.view.wrap = not pane.view.wrap
        pane.view.shift = 0
        pane.view.repaint()


def failed(pane: JobPane) -> None:
    """Show only what failed, or all again."""
    if pane.shown not in ("tasks", "events"):
        pane.show("tasks")
    choose(pane, "" if tasks_of(pane).filter == BAD_WORD else BAD_WORD)
    pane.renew_bars()


def open_(pane: JobPane) -> None:
    """Open what the cursor is on."""
    view = pane.view
    if isinstance(view, Tasks) and view.current is not None:
        open_task(pane, view.current)
    elif isinstance(view, Failures) and view.group is not None:
        if view.group.ids:
            choose(pane, "id:" + view.group.ids)
            pane.show("tasks", keep=True)
        elif view.group.task is not None:
            open_task(pane, pane.positions_of([view.group.task])[0])
    elif isinstance(view, TaskView):
        log(pane)
    elif isinstance(view, Logs) and view.line is not None:
        open_task(pane, pane.positions_of([view.line.task])[0])
    elif isinstance(view, Nodes) and view.row is not None:
        choose(pane, f"node:{view.row.name}")
        pane.show("tasks", keep=True)


def open_task(pane: JobPane, position: object) -> None:
    """Show one task."""
    view = pane.views["task"]
    assert isinstance(view, TaskView)
    assert isinstance(position, int)
    pane.show("task", keep=True)
    view.open(position)
    pane.renew_bars()


def log(pane: JobPane) -> None:
    """Show what the task, group or node under the cursor printed."""
    view, logs = pane.view, pane.views["logs"]
    assert isinstance(logs, Logs)
    tasks: str | None = None
    node: int | None = None
    if isinstance(view, Tasks | TaskView) and view.row is not None:
        tasks = str(view.row.id)
    elif isinstance(view, Failures) and view.group is not None:
        tasks = view.group.ids or str(view.group.task)
    elif isinstance(view, Nodes) and view.row is not None:
        node = view.row.number
    pane.show("logs", keep=True)
    logs.open(tasks, node)
    pane.renew_bars()


def why(pane: JobPane) -> None:
    """Say why the task, or the job, is where it is."""
    live, view = pane.live, pane.view
    if live is None:
        return
    row = view.row if isinstance(view, Tasks | TaskView) else None
    told = live.why(None if row is None else row.id)
    if live.damage is not None:
        told = [*told, f"Where it is damaged: {live.damage}"]
    title = f"job {pane.job.id}" if row is None else f"task {row.id}"
    pane.app.push_screen(Telling(f"Why {title} is where it is", told))


def sort(pane: JobPane) -> None:
    """Sort by the next column."""
    view = pane.view
    if isinstance(view, Tasks | Nodes):
        names = list(SORTS if isinstance(view, Tasks) else view.sorts)
        at = names.index(view.order[0]) + 1 if view.order[0] in names else 0
        view.sort(names[at % len(names)], backwards=False)


def reverse(pane: JobPane) -> None:
    """Turn the order around."""
    view = pane.view
    if isinstance(view, Tasks | Nodes):
        column, backwards = view.order
        view.sort(column, backwards=not backwards)


def lanes(pane: JobPane) -> None:
    """Show what each node did over time, or its figures."""
    if isinstance(pane.view, Nodes):
        pane.view.turn()
        pane.renew_bars()


def mark(pane: JobPane) -> None:
    """Mark the row under the cursor."""
    if isinstance(pane.view, Tasks):
        pane.view.action_mark()


def go(how: str) -> Doing:
    """Return what moves the cursor."""

    def doing(pane: JobPane) -> None:
        if isinstance(pane.view, Grid):
            pane.view.action_go(how)
            if isinstance(pane.view, Logs):
                pane.renew_bars()

    return doing


def show(view: str) -> Doing:
    """Return what shows a view."""
    return lambda pane: pane.show(view)


def help_(pane: JobPane) -> None:
    """Show all keys."""
    pane.app.push_screen(Help(pane.keys, pane.shown))


def theme(pane: JobPane) -> None:
    """Change between dark and light."""
    app = pane.app
    app.theme = "batchio-light" if app.current_theme.dark else "batchio-dark"


def bell(pane: JobPane) -> None:
    """Ring from now on, or no more."""
    pane.bell = not pane.bell
    when = "it rings when the job is done or begins to fail" if pane.bell else "it rings no more"
    pane.tell(when)


def commands(pane: JobPane) -> None:
    """Search all actions by name."""

    def doing(name: str) -> Callable[[], None]:
        return lambda: pane.act(name)

    found = [
        (action.word[0].upper() + action.word[1:], doing(action.name), action.help)
        for action in ACTIONS
        if pane.shown in action.views and action.name != "commands"
    ]
    pane.app.search_commands(found, placeholder="What shall be done?")


# --- another moment ---------------------------------------------------------------


def time(pane: JobPane) -> None:
    """Open the line of time, or return to now."""
    if pane.live is None:
        return
    if pane.timeline.is_open:
        pane.timeline.close()
    else:
        pane.timeline.open(pane.live)
        pane.renew(None)
    pane.seek()


def shift(pane: JobPane, by: int) -> None:
    """Move the lines of the logs to the left or right."""
    if isinstance(pane.view, Logs) and not pane.view.wrap:
        pane.view.shift = max(pane.view.shift + by * SHIFT, 0)
        pane.view.repaint()


def moved(parts: int = 0, steps: int = 0) -> Doing:
    """Return what moves on the line of time: by parts of it, or by events."""

    def doing(pane: JobPane) -> None:
        if not pane.timeline.is_open and not steps:
            shift(pane, parts)
            return
        if not pane.timeline.is_open:
            time(pane)
        if steps:
            pane.timeline.event(steps)
        else:
            pane.timeline.step(parts)
        pane.seek()

    return doing


DOES: Final[dict[str, Doing]] = {
    "filter": filter_,
    "failed": failed,
    "open": open_,
    "log": log,
    "why": why,
    "sort": sort,
    "reverse": reverse,
    "mark": mark,
    "lanes": lanes,
    "help": help_,
    "theme": theme,
    "next": again(back=False),
    "before": again(back=True),
    "wrap": wrap,
    "bell": bell,
    "commands": commands,
    "time": time,
    "left": moved(parts=-1),
    "right": moved(parts=1),
    "earlier": moved(steps=-1),
    "later": moved(steps=1),
    "back": lambda pane: pane.back(),
    "quit": lambda pane: pane.app.exit(),
    "jobs": lambda pane: pane.leave(),
    **{view: show(view) for view in VIEWS},
    **{how.replace("_", "-"): go(how) for how in ("up", "down", "page_up", "page_down")},
    **{how: go(how) for how in ("home", "end")},
    **acting.DOES,
}
"""By action: what it does."""

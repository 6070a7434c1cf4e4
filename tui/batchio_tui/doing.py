"""What the actions do. Each takes the pane; the table of them stands in `actions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.core.sizes import format_duration
from batchio.errors import UsageError
from batchio_tui import acting
from batchio_tui.actions import ACTIONS, BY_NAME, VIEWS
from batchio_tui.dialogs import Help, Telling
from batchio_tui.failures import Failures
from batchio_tui.grid import Grid
from batchio_tui.logs import Logs
from batchio_tui.nodes import SORTS as NODE_SORTS
from batchio_tui.nodes import Nodes
from batchio_tui.task import TaskView
from batchio_tui.tasks import SORTS, Tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchio_tui.paint import Piece
    from batchio_tui.pane import JobPane

    Doing = Callable[[JobPane], Awaitable[object] | None]

__all__ = ["ACTIONS", "BY_NAME", "DOES", "urgent"]


def urgent(pane: JobPane) -> tuple[Piece, str]:
    """Return the most urgent truth with its style, and what helps."""
    live = pane.live
    assert live is not None
    view = live.view
    bad = {"unattended", "failed", "lost", "timed_out"}
    if view.concerns:
        return (view.concerns[0].text, "bad" if view.standing in bad else "wait"), ""
    if view.finished:
        return (f"{view.standing.replace('_', ' ')} in {format_duration(view.duration)}",
                "bad" if view.standing in bad else "good"), ""  # fmt: skip
    return (view.why or view.progress, "dim"), ""


def tasks_of(pane: JobPane) -> Tasks:
    """Return the table of tasks."""
    found = pane.views["tasks"]
    assert isinstance(found, Tasks)
    return found


# --- looking ----------------------------------------------------------------------


def filter_(pane: JobPane) -> None:
    """Ask for a filter, and use it while it is typed."""
    tasks = tasks_of(pane)
    before = tasks.filter
    if pane.shown != "tasks":
        pane.show("tasks")

    def typed(text: str) -> str:
        try:
            tasks.choose(text)
        except UsageError as err:
            return f"{err}" + (f"; {err.hint}" if err.hint else "")
        pane.renew_bars()
        return ""

    def done(text: str | None) -> None:
        if text is None or typed(text):
            tasks.choose(before)
        pane.renew_bars()
        tasks.focus()

    pane.field.open("filter:", before, typed, done)


def failed(pane: JobPane) -> None:
    """Show only what failed, or all again."""
    tasks = tasks_of(pane)
    if pane.shown != "tasks":
        pane.show("tasks")
    tasks.choose("" if tasks.filter == "failed" else "failed")
    pane.renew_bars()


def open_(pane: JobPane) -> None:
    """Open what the cursor is on."""
    view = pane.view
    if isinstance(view, Tasks) and view.current is not None:
        open_task(pane, view.current)
    elif isinstance(view, Failures) and view.group is not None:
        tasks_of(pane).choose("id:" + view.group.ids)
        pane.show("tasks", keep=True)
    elif isinstance(view, TaskView):
        log(pane)
    elif isinstance(view, Nodes) and view.row is not None:
        tasks_of(pane).choose(f"node:{view.row.name}")
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
    if isinstance(view, Tasks | TaskView) and view.row is not None:
        tasks = str(view.row.id)
    elif isinstance(view, Failures) and view.group is not None:
        tasks = view.group.ids
    pane.show("logs", keep=True)
    logs.open(tasks)
    pane.renew_bars()


def why(pane: JobPane) -> None:
    """Say why the task, or the job, is where it is."""
    live, view = pane.live, pane.view
    if live is None:
        return
    row = view.row if isinstance(view, Tasks | TaskView) else None
    told = live.why(None if row is None else row.id)
    title = f"job {pane.job.id}" if row is None else f"task {row.id}"
    pane.app.push_screen(Telling(f"Why {title} is where it is", told))


def sort(pane: JobPane) -> None:
    """Sort by the next column."""
    view = pane.view
    if isinstance(view, Tasks | Nodes):
        names = list(SORTS if isinstance(view, Tasks) else NODE_SORTS)
        at = names.index(view.order[0]) + 1
        view.sort(names[at % len(names)], backwards=False)


def reverse(pane: JobPane) -> None:
    """Turn the order around."""
    view = pane.view
    if isinstance(view, Tasks | Nodes):
        column, backwards = view.order
        view.sort(column, backwards=not backwards)


def mark(pane: JobPane) -> None:
    """Mark the row under the cursor."""
    if isinstance(pane.view, Tasks):
        pane.view.action_mark()


def go(how: str) -> Doing:
    """Return what moves the cursor."""

    def doing(pane: JobPane) -> None:
        if isinstance(pane.view, Grid):
            pane.view.action_go(how)

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


def nothing(pane: JobPane) -> None:
    """Say that this is not there yet."""
    pane.app.notify("this comes later")


DOES: Final[dict[str, Doing]] = {
    "filter": filter_,
    "failed": failed,
    "open": open_,
    "log": log,
    "why": why,
    "sort": sort,
    "reverse": reverse,
    "mark": mark,
    "help": help_,
    "theme": theme,
    "back": lambda pane: pane.back(),
    "quit": lambda pane: pane.app.exit(),
    "jobs": lambda pane: pane.leave(),
    **{view: show(view) for view in VIEWS},
    **{how.replace("_", "-"): go(how) for how in ("up", "down", "page_up", "page_down")},
    **{how: go(how) for how in ("home", "end")},
    **acting.DOES,
}
"""By action: what it does."""

"""Actions that change a job, or take something out of it. Each change is confirmed before."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from textual.app import SuspendNotSupported

from batchio.core.arrays import compact
from batchio_tui import words
from batchio_tui.dialogs import Asked, Choose, Confirm, Telling
from batchio_tui.failures import Failures
from batchio_tui.logs import Logs
from batchio_tui.task import TaskView
from batchio_tui.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from batchio.core.rows import TaskRow
    from batchio_tui.pane import JobPane

MOST_NOTE: Final = 1000
"""Most characters of a note."""

SHOWN: Final = 60
"""Most characters of ids in a question."""


def chosen(pane: JobPane) -> list[TaskRow]:
    """Return the tasks that an action is about: marked ones, the group, or the one shown."""
    view, tasks = pane.view, pane.views["tasks"]
    assert isinstance(tasks, Tasks)
    if isinstance(view, TaskView):
        return [view.row] if view.row is not None else []
    if isinstance(view, Failures):
        return pane.live.rows(view.positions) if pane.live is not None else []
    return tasks.rows


def _ids(rows: Sequence[TaskRow]) -> str:
    text = compact([row.id for row in rows])
    return text if len(text) <= SHOWN else text[:SHOWN].rpartition(",")[0] + ",…"


def _renewed(pane: JobPane, rows: Sequence[TaskRow]) -> list[TaskRow]:
    """Return the same tasks as they are now, without those that have another attempt by now."""
    if pane.live is None:
        return []
    known = {row.id: row.attempt for row in rows}
    now = pane.live.rows(pane.positions_of(known))
    return [row for row in now if row.attempt == known[row.id]]


async def _sure(pane: JobPane, title: str, ask: Callable[[], Asked], yes: str, **how: bool) -> bool:
    """Ask, and return whether the answer was yes and still makes sense."""
    return await pane.ask(Confirm(title, ask, yes, **how)) == "yes" and ask().number > 0


# --- changing the job -------------------------------------------------------------


async def retry(pane: JobPane) -> None:
    """Run the chosen tasks again."""
    first = chosen(pane)

    def fit() -> list[TaskRow]:
        return [row for row in _renewed(pane, first) if row.state == "done"]

    def ask() -> Asked:
        rows = fit()
        if not rows:
            return Asked("Nothing to retry here: these tasks have not ended, or run again.", 0)
        return Asked(f"Run {words.counted(len(rows), 'task')} again: {_ids(rows)}", len(rows))

    if await _sure(pane, "Retry", ask, "retry"):
        done = await pane.job.retry(compact([row.id for row in fit()]))
        pane.unmark()
        pane.tell(f"{words.counted(len(done), 'task')} will run again")


async def retry_failed(pane: JobPane) -> None:
    """Run all tasks again that ended otherwise than succeeded."""

    def ask() -> Asked:
        counts = pane.live.view.counts if pane.live is not None else None
        count = counts.bad + counts.cancelled if counts is not None else 0
        if not count:
            return Asked("No task has failed.", 0)
        return Asked(f"Run all {words.counted(count, 'task')} again that did not succeed.", count)

    if await _sure(pane, "Retry all failed", ask, "retry"):
        done = await pane.job.retry()
        pane.tell(f"{words.counted(len(done), 'task')} will run again")


async def cancel(pane: JobPane) -> None:
    """End the chosen tasks."""
    first = chosen(pane)

    def fit() -> list[TaskRow]:
        return [row for row in _renewed(pane, first) if row.state != "done"]

    def ask() -> Asked:
        rows = fit()
        if not rows:
            return Asked("Nothing to cancel here: these tasks have ended.", 0)
        running = sum(row.state in ("running", "assigned") for row in rows)
        text = f"End {words.counted(len(rows), 'task')}, {running} of them running: {_ids(rows)}"
        return Asked(text, len(rows))

    if await _sure(pane, "Cancel tasks", ask, "cancel them"):
        await pane.job.cancel(compact([row.id for row in fit()]))
        pane.unmark()
        pane.tell("they are being cancelled")


async def cancel_job(pane: JobPane) -> None:
    """End the whole job."""

    def ask() -> Asked:
        counts = pane.live.view.counts if pane.live is not None else None
        left = counts.total - counts.done if counts is not None else 0
        if not left or counts is None:
            return Asked("The job has ended: there is nothing to cancel.", 0)
        text = (
            f"End the whole job {pane.job.id}: {words.counted(left, 'task')} that have not ended, "
            f"{words.number(counts.running)} of them running. What is done stays."
        )
        return Asked(text, left)

    if await _sure(pane, "Cancel the job", ask, "cancel the job", default=False):
        await pane.job.cancel(why="cancelled in the dashboard")
        pane.tell("the job is being cancelled")


async def note(pane: JobPane) -> None:
    """Write a note into the job's journal."""
    text = await pane.line("note:", "", _too_long)
    if text and text.strip():
        await pane.job.note(text.strip())
        pane.tell("the note stands in the journal: 5 shows it")


def _too_long(text: str) -> str:
    return "" if len(text) <= MOST_NOTE else f"a note has at most {MOST_NOTE:,} characters"


async def recover(pane: JobPane) -> None:
    """Go on with a job that nobody runs."""

    def ask() -> Asked:
        view = pane.live.view if pane.live is not None else None
        if view is None or view.attended is not False:
            return Asked("The job is done, or somebody runs it: nothing to recover.", 0)
        return Asked(f"Go on with job {view.id}: {view.progress}.", 1)

    if await _sure(pane, "Recover", ask, "go on with it"):
        begun = await pane.job.recover()
        pane.tell("the job goes on" if begun else "somebody runs it already")


# --- taking something out of it ---------------------------------------------------


async def shell(pane: JobPane) -> None:
    """Open a shell where the task runs; the dashboard waits meanwhile."""
    rows = chosen(pane)
    argv = await pane.job.command_at(rows[0].id if rows else None, ())
    try:
        with pane.app.suspend():
            done = subprocess.run(argv, check=False)  # noqa: ASYNC221 - nothing goes on meanwhile
    except SuspendNotSupported:
        pane.tell("a shell cannot be opened from here: batchio ssh does it")
        return
    except OSError as err:
        pane.tell(f"the shell could not be opened: {err.strerror}", bad=True)
        return
    if done.returncode:
        pane.tell(f"the shell ended with exit code {done.returncode}", bad=True)


async def outputs(pane: JobPane) -> None:
    """Show where the outputs lie, and open the folder where there is a desktop."""
    folder = await pane.job.outputs()
    rows = chosen(pane)
    if rows and (folder / str(rows[0].id)).is_dir():
        folder = folder / str(rows[0].id)
    opener = shutil.which("xdg-open") or shutil.which("open")
    if opener and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        subprocess.Popen(  # noqa: ASYNC220 - it goes on by itself
            [opener, folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    there = "" if folder.is_dir() else " (nothing was left there yet)"
    pane.app.push_screen(Telling("Outputs", [f"{words.plain(str(folder))}{there}"]))


async def reproduce(pane: JobPane) -> None:
    """Show the commands that run a task by hand, and copy them."""
    for row in chosen(pane)[:1]:
        text = await pane.job.reproduce(row.id, row.attempt or None)
        pane.app.copy_to_clipboard(text)
        told = [words.plain(line) for line in text.splitlines()]
        pane.app.push_screen(Telling(f"Task {row.id} by hand (copied)", told))


async def copy(pane: JobPane) -> None:
    """Copy something to the clipboard of the terminal, and show it for those that have none."""
    rows = chosen(pane)
    things = {"job": pane.job.id}
    if rows:
        row = rows[0]
        things |= {"task": f"{pane.job.id}/{row.id}"}
        if row.last_words or row.reason:
            things["error"] = ": ".join(filter(None, (row.reason, row.last_words)))
        things["logs"] = f"batchio logs {pane.job.id} --task {row.id}"
        things["retry"] = f"batchio retry {pane.job.id} --task {row.id}"
        things["by hand"] = "the commands that run it by hand"
    if isinstance(pane.view, Logs) and pane.view.line is not None:
        things["line"] = pane.view.line.text
    choices = [(name, words.plain(text)) for name, text in things.items()]
    name = await pane.ask(Choose("Copy", choices))
    if name == "by hand":
        await reproduce(pane)
    elif name in things:
        pane.app.copy_to_clipboard(things[name])
        pane.tell(f"copied: {words.plain(things[name])}")


def _path(text: str) -> str:
    """Return the path that a person typed, from the root on."""
    return os.path.abspath(os.path.expanduser(text.strip()))


async def report(pane: JobPane) -> None:
    """Write the report of the job to a file that is asked for."""

    def told(text: str) -> str:
        there = os.path.isfile(_path(text))
        return "this file is there: Enter writes over it" if there else ""

    name = await pane.line("report to:", f"batchio-{pane.job.id}.html", told)
    if name and name.strip():
        target = _path(name)
        await pane.job.save_report(target, force=True)
        pane.tell(f"the report is {target}")


DOES: Final[dict[str, Callable[[JobPane], Awaitable[object] | None]]] = {
    "retry": retry,
    "retry-failed": retry_failed,
    "cancel": cancel,
    "cancel-job": cancel_job,
    "recover": recover,
    "shell": shell,
    "outputs": outputs,
    "copy": copy,
    "reproduce": reproduce,
    "note": note,
    "report": report,
}
"""By action: what it does."""

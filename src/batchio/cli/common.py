"""Parts that commands share: the JOB argument, its completion, and calls of the API."""

from __future__ import annotations

import sys
from itertools import islice
from shlex import quote
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from batchio.cli.terminal import is_terminal
from batchio.cli.words import plural
from batchio.errors import NoSuchJob, UsageError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from click.shell_completion import CompletionItem

    from batchio.api import Job

T = TypeVar("T")

NEWEST: Final = 1000
"""Number of jobs among which those that fit a shell's word are looked for."""

MOST: Final = 30
"""Most ids that are offered to a shell."""


class JobArgument(click.Argument):
    """The argument JOB: an id, a unique beginning of one, or a name."""

    def __init__(self, name: str = "job", *, required: bool = False, many: bool = False) -> None:
        shown = ("JOB" if required else "[JOB]") + ("..." if many else "")
        super().__init__([name], required=required, nargs=-1 if many else 1, metavar=shown)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the newest jobs that fit, by id and by name. Opens no journal.

        A name that a shell would have to quote is shown beside its id only.
        """
        from click.shell_completion import CompletionItem

        from batchio.api import workspace_of

        known = list(islice(workspace_of(ctx.params.get("workspace")).names(), NEWEST))
        ids = [CompletionItem(job, help=name) for job, name in known if job.startswith(incomplete)]
        names = dict.fromkeys(name for _, name in known if incomplete)
        fit = (name for name in names if name.startswith(incomplete) and quote(name) == name)
        return [
            *ids[:MOST],
            *(CompletionItem(name, help="newest job with this name") for name in fit),
        ]


class CommandArgument(click.Argument):
    """The argument COMMAND: a script or a program with its words."""

    def __init__(self, metavar: str) -> None:
        super().__init__(["command"], nargs=-1, type=click.UNPROCESSED, metavar=metavar)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return a mark for the shell to complete files."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="file")]


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Run a verb of the API to its end, without a loop; Ctrl-C stops it."""
    try:
        from batchio.api import plainly

        return plainly(work)
    finally:
        work.close()  # Ctrl-C may come before it has begun


async def found(job: str | None, workspace: str | None) -> Job:
    """Open the job that a person means; None: the newest.

    Raises:
        NoSuchJob: no job fits, or more than one.
    """
    from batchio import api

    return await api.open_job(job, workspace=workspace)


async def job_and_task(text: str | None, workspace: str | None) -> tuple[Job, int | None]:
    """Open the job of JOB/TASK; return it and the task's id. A job's name may hold slashes.

    Raises:
        NoSuchJob: no job fits, or more than one.
        UsageError: the text behind the slash is no task's id.
    """
    name, slash, task = (text or "").rpartition("/")
    if not slash:
        return await found(text or None, workspace), None
    try:
        return await found(text, workspace), None
    except NoSuchJob:
        if not (task.isascii() and task.isdecimal()):
            raise UsageError(
                f'"{task}" is not the id of a task', hint="write JOB/TASK, such as 2c4d/3"
            ) from None
    return await found(name or None, workspace), int(task)


async def chosen(job: str | None, workspace: str | None, verb: str, *, sure: bool) -> Job:
    """Open the job that a verb shall change: the named one, or the newest once the user agrees.

    Raises:
        UsageError: no job was named, and the user cannot be asked, or said no.
    """
    opened = await found(job, workspace)
    if job is not None or sure:
        return opened
    view = await opened.status()
    about = f"{opened.id} ({view.name}, {plural(view.counts.total, 'task')}, {view.standing})"
    if not _can_ask():
        raise UsageError(
            f"{verb} needs a job id", hint=f"for the newest job: batchio {verb} {opened.id}"
        )
    if not click.confirm(f"{verb} the newest job, {about}?", err=True):
        raise UsageError(f"job {opened.id} was not changed")
    return opened


def _can_ask() -> bool:
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)

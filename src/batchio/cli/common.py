"""What several commands share: the JOB argument, its completion, and the way into the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from click.shell_completion import CompletionItem

    from batchio.api import Job

T = TypeVar("T")


class JobArgument(click.Argument):
    """JOB: an id, a unique beginning of one, or a name."""

    def __init__(self, name: str = "job", *, required: bool = False) -> None:
        super().__init__([name], required=required, metavar="JOB" if required else "[JOB]")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The newest ids, each with its job's name. Opens no journal."""
        from click.shell_completion import CompletionItem

        from batchio.stores.folder import Workspace

        place = Workspace(ctx.params.get("workspace"))
        ids = [job for job in place.jobs() if job.startswith(incomplete)]
        return [CompletionItem(job, help=place.name(job)) for job in ids[:30]]


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; Ctrl-C stops it."""
    import asyncio

    return asyncio.run(work)


async def found(job: str | None, workspace: str | None) -> Job:
    """The job that a person means; None: the newest.

    Raises:
        NoSuchJob: there is none, or more than one.
    """
    from batchio import api

    return await api.open_job(job, workspace=workspace)


async def chosen(job: str | None, workspace: str | None, verb: str, *, sure: bool) -> Job:
    """For verbs that change a job: the one named, or the newest once somebody agrees.

    Raises:
        UsageError: no job was named, and nobody can be asked, or the answer was no.
    """
    opened = await found(job, workspace)
    if job is not None or sure:
        return opened
    view = await opened.status()
    about = f"{opened.id} ({view.name}, {view.counts.total} tasks, {view.state})"
    if not _can_ask():
        raise UsageError(
            f"{verb} needs the id of a job", hint=f"the newest is: batchio {verb} {opened.id}"
        )
    if not click.confirm(f"{verb} the newest job, {about}?", err=True):
        raise UsageError(f"nothing was done to job {opened.id}")
    return opened


def _can_ask() -> bool:
    import sys

    return sys.stdin.isatty() and sys.stderr.isatty()

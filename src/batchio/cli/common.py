"""What several commands share: the JOB argument, its completion, and the way into the API."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

from batchio.cli.words import plural
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

        from batchio.stores import open_workspace

        workspace = open_workspace(place(ctx.params.get("workspace")))
        ids = [job for job in workspace.jobs() if job.startswith(incomplete)]
        return [CompletionItem(job, help=workspace.job(job).name()) for job in ids[:30]]


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; Ctrl-C stops it."""
    import asyncio

    return asyncio.run(work)


def place(typed: str | None) -> str | None:
    """The workspace that counts: typed, of the environment, or of a configuration file.

    Raises:
        UsageError: a configuration file is broken.
    """
    from batchio.options.layers import environment_layer
    from batchio.options.values import CLEAR
    from batchio.submit import config
    from batchio.submit.caller import CallerContext

    here = CallerContext(os.getcwd(), os.environ)
    said = typed
    if not said:
        for layer in (environment_layer(os.environ), *config.layers(here)):
            values = [s.value for s in layer.settings if s.option.name == "workspace"]
            if values:
                said = None if values[-1] is CLEAR else values[-1]
                break
    return here.path(said) if said and "://" not in said else said


async def found(job: str | None, workspace: str | None) -> Job:
    """The job that a person means; None: the newest.

    Raises:
        NoSuchJob: there is none, or more than one.
    """
    from batchio import api

    return await api.open_job(job, workspace=place(workspace))


async def chosen(job: str | None, workspace: str | None, verb: str, *, sure: bool) -> Job:
    """For verbs that change a job: the one named, or the newest once somebody agrees.

    Raises:
        UsageError: no job was named, and nobody can be asked, or the answer was no.
    """
    opened = await found(job, workspace)
    if job is not None or sure:
        return opened
    view = await opened.status()
    about = f"{opened.id} ({view.name}, {plural(view.counts.total, 'task')}, {view.standing})"
    if not _can_ask():
        raise UsageError(
            f"{verb} needs the id of a job", hint=f"the newest is: batchio {verb} {opened.id}"
        )
    if not click.confirm(f"{verb} the newest job, {about}?", err=True):
        raise UsageError(f"nothing was done to job {opened.id}")
    return opened


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()

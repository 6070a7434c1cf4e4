"""Commands that remove jobs from the workspace: rm, prune."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from batchio.cli import diagnostics
from batchio.cli.common import JobArgument, finished
from batchio.cli.options import command
from batchio.cli.terminal import visible
from batchio.cli.words import plural
from batchio.core.sizes import format_bytes
from batchio.errors import BatchioError, UsageError

if TYPE_CHECKING:
    from batchio.core.cards import Removed


@dataclass(frozen=True, slots=True, kw_only=True)
class RmArgs:
    """Arguments of `batchio rm`."""

    job: tuple[str, ...]
    workspace: str | None
    quiet: bool


def remove_jobs(args: RmArgs) -> int:
    """Delete jobs: their journals, logs, and output files in the workspace.

    Files that --download or --sync copied to your folders are kept. A job that is not done
    is not deleted: cancel it first.

    \b
      batchio rm 2c4d 2c4f
    """
    from batchio import api

    code = 0
    for job in dict.fromkeys(args.job):
        try:
            removed = finished(api.remove(job, workspace=args.workspace))
        except BatchioError as err:
            code = diagnostics.report(err)  # it hinders none of the others
            continue
        diagnostics.say(f"deleted job {_named(removed)}")
    return code


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneArgs:
    """Arguments of `batchio prune`."""

    older_than: float | None
    dry_run: bool
    workspace: str | None
    quiet: bool


def prune_jobs(args: PruneArgs) -> int:
    """Delete all old jobs that are done, as `batchio rm` does.

    Jobs that are not done, or that cannot be read, are kept.

    \b
      batchio prune --older-than 30d --dry-run
    """
    from batchio import api

    if args.older_than is None:
        raise UsageError("prune needs --older-than", hint="for example: --older-than 30d")
    work = api.prune(older_than=args.older_than, dry_run=args.dry_run, workspace=args.workspace)
    gone = finished(work)
    for one in gone:
        diagnostics.say(f"{'would delete' if args.dry_run else 'deleted'} job {_named(one)}")
    if not gone:
        diagnostics.say("no job is old enough")
    elif args.dry_run:
        diagnostics.say(f"nothing was deleted (--dry-run); it would free {_together(gone)}")
    else:
        diagnostics.say(f"freed {_together(gone)}")
    return 0


def _named(job: Removed) -> str:
    name = f" ({visible(job.name)})" if job.name else ""
    return f"{job.id}{name}, {format_bytes(job.bytes)}"


def _together(gone: list[Removed]) -> str:
    return f"{format_bytes(sum(one.bytes for one in gone))} of {plural(len(gone), 'job')}"


rm = command("rm", remove_jobs, RmArgs, JobArgument(required=True, many=True))
prune = command(
    "prune",
    prune_jobs,
    PruneArgs,
    click.Option(["--dry-run"], is_flag=True, help="Only show which jobs would be deleted."),
)

"""The command that waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from batchio.cli import diagnostics
from batchio.cli.common import JobArgument, finished, found
from batchio.cli.diagnostics import ExitCode
from batchio.cli.follow import stay
from batchio.cli.options import command
from batchio.cli.terminal import visible
from batchio.cli.words import plural
from batchio.core.sizes import parse_duration

if TYPE_CHECKING:
    from batchio.api import Job
    from batchio.cli.output import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitArgs:
    """Arguments of `batchio wait`."""

    job: str | None
    timeout: str | None
    download: str | None
    download_clean: bool
    format: Format
    workspace: str | None


def wait_for(args: WaitArgs) -> int:
    """Wait for a job to end; the exit code tells how it ended.

    JOB is an id, the beginning of one, or a name; without it the newest job is waited
    for. Ctrl-C ends the waiting, not the job.

    \b
    Exit codes: 0 all tasks succeeded, 1 some failed, 3 nodes could not be had or kept,
    4 cancelled, 5 timed out (the job, or --timeout), 130 Ctrl-C.
    """
    limit = parse_duration(args.timeout) if args.timeout else None
    job = finished(found(args.job, args.workspace))
    if args.job is None:
        diagnostics.say(f"job {job.id}")
    code = stay(job, lines=False, form=args.format, timeout=limit)
    if args.download and code != ExitCode.INTERRUPTED:
        _fetch(job, args.download, clean=args.download_clean)
    return code


def _fetch(job: Job, target: str, *, clean: bool) -> None:
    """Copy the tasks' output files to the folder `target`, and say which files were kept."""
    done = finished(job.download(target, clean=clean))
    if done.others:
        diagnostics.warn(
            f"{visible(target)} holds files of job {done.others[-1]} too; --download-clean removes "
            "them first"
        )
    for said in done.kept:
        diagnostics.warn(visible(said))
    diagnostics.say(f"what {plural(done.tasks, 'task')} left behind is in {visible(target)}")


wait = command(
    "wait",
    wait_for,
    WaitArgs,
    JobArgument(),
    click.Option(["--timeout"], metavar="TIME", help="Wait no longer; the job goes on."),
)

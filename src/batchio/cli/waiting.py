"""The command that waits."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from batchio.cli import diagnostics, output
from batchio.cli.common import JobArgument, finished, found
from batchio.cli.follow import stay
from batchio.cli.options import command
from batchio.cli.terminal import visible
from batchio.cli.words import plural
from batchio.core.sizes import parse_duration
from batchio.errors import UsageError

if TYPE_CHECKING:
    from batchio.api import Job
    from batchio.cli.output import Format


INTERRUPTED: Final = 128
"""Least exit code that means a signal: nothing more is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitArgs:
    """Arguments of `batchio wait`."""

    job: tuple[str, ...]
    timeout: str | None
    download: str | None
    download_clean: bool
    sync: str | None
    format: Format
    workspace: str | None
    quiet: bool


def wait_for(args: WaitArgs) -> int:
    """Wait for jobs to end; the exit code says how they ended.

    JOB is an id, the beginning of an id, or a name; without it, the newest job is used.
    Ctrl-C stops the wait, not the job. For several jobs, the exit code is that of the
    first one that did not succeed.

    \b
    Exit codes: 0 all tasks succeeded, 1 some failed, 3 nodes were not available or lost,
    4 cancelled, 5 timed out (the job, or --timeout), 130 Ctrl-C.

    \b
      batchio wait hello && echo fine
      batchio wait --timeout 1h 2c4d 2c4f
    """
    for option, folder in (("--download", args.download), ("--sync", args.sync)):
        if folder and len(args.job) > 1:
            raise UsageError(
                f"{option} works for one job at a time", hint="wait for each job separately"
            )
    ends = time.monotonic() + parse_duration(args.timeout) if args.timeout else None
    jobs = [finished(found(name, args.workspace)) for name in args.job or (None,)]
    array = output.JsonArray() if len(jobs) > 1 and args.format == "json" else None
    codes = []
    for job in dict.fromkeys(jobs):
        if not args.job or len(jobs) > 1:
            diagnostics.say(f"job {job.id}")
        left = None if ends is None else max(ends - time.monotonic(), 0.0)
        codes.append(stay(job, lines=False, form=args.format, array=array, timeout=left))
        if codes[-1] >= INTERRUPTED:
            return codes[-1]
        if args.download:
            fetch(job, args.download, clean=args.download_clean)
        if args.sync:
            bring_back(job, args.sync)
    if array:
        array.close()
    return next(filter(None, codes), 0)


def fetch(job: Job, target: str, *, clean: bool) -> None:
    """Copy the tasks' output files to the folder `target`, and say which files were kept."""
    done = finished(job.download(target, clean=clean))
    if done.others:
        diagnostics.warn(
            f"{visible(target)} also contains files of job {done.others[-1]}; to remove them "
            f"first: --download-clean"
        )
    for said in done.kept:
        diagnostics.warn(visible(said))
    diagnostics.say(f"output files of {plural(done.tasks, 'task')}: {visible(target)}")


def bring_back(job: Job, target: str) -> None:
    """Copy what tasks made or changed to its places in the folder `target`."""
    for said in finished(job.bring_back(target)):
        diagnostics.warn(visible(said))
    diagnostics.say(f"what tasks made or changed is in {visible(target)}")


wait = command(
    "wait",
    wait_for,
    WaitArgs,
    JobArgument(many=True),
    click.Option(
        ["--sync"],
        metavar="FOLDER",
        help="Bring what tasks made or changed back to this folder, as --sync of run does "
        "unless the head is on another computer.",
    ),
    click.Option(
        ["--timeout"], metavar="TIME", help="Stop waiting after this time; the job keeps running."
    ),
)

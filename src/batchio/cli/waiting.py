"""The command that waits."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import click

from batchio.cli import diagnostics
from batchio.cli.common import JobArgument, finished, found
from batchio.cli.diagnostics import ExitCode
from batchio.cli.follow import stay
from batchio.cli.options import TableCommand, settled, table_options
from batchio.cli.terminal import visible
from batchio.cli.words import plural
from batchio.core.sizes import parse_duration
from batchio.errors import WorkspaceError

if TYPE_CHECKING:
    from batchio.api import Job


def wait_for(**params: Any) -> int:
    """Wait for a job to end; the exit code tells how it ended.

    JOB is an id, the beginning of one, or a name; without it the newest job is waited
    for. Ctrl-C ends the waiting, not the job.

    \b
    Exit codes: 0 all tasks succeeded, 1 some failed, 3 nodes could not be had or kept,
    4 cancelled, 5 timed out (the job, or --timeout), 130 Ctrl-C.
    """
    wanted = settled(params)
    limit = parse_duration(params["timeout"]) if params["timeout"] else None
    job = finished(found(params["job"], wanted["workspace"]))
    if params["job"] is None:
        diagnostics.say(f"job {job.id}")
    code = stay(job, lines=False, as_json=wanted["format"] != "table", timeout=limit)
    if wanted["download"] and code != ExitCode.INTERRUPTED:
        _fetch(job, wanted["download"])
    return code


def _fetch(job: Job, target: str) -> None:
    """Copy what the tasks left behind to a folder of the caller's.

    Raises:
        WorkspaceError: it cannot be written.
    """
    source = finished(job.outputs())
    if os.path.realpath(source) == os.path.realpath(target):
        return
    try:
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    except (OSError, shutil.Error) as err:
        raise WorkspaceError(f"--download: {target} cannot be written: {err}") from err
    tasks = sum(1 for _ in source.iterdir())
    diagnostics.say(f"what {plural(tasks, 'task')} left behind is in {visible(target)}")


wait = TableCommand(
    "wait",
    callback=wait_for,
    help=wait_for.__doc__,
    params=table_options(
        "wait",
        JobArgument(),
        click.Option(["--timeout"], metavar="TIME", help="Wait no longer; the job goes on."),
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

"""The command that shows jobs live: the door to `batchio_tui`, which needs textual."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from batchio.cli import diagnostics
from batchio.cli.common import JobArgument, finished, found
from batchio.cli.options import command
from batchio.cli.terminal import is_terminal
from batchio.errors import UsageError

if TYPE_CHECKING:
    from batchio.api import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardArgs:
    """Arguments of `batchio dashboard`."""

    job: str | None
    workspace: str | None


def dashboard_of(args: DashboardArgs) -> int:
    """Show a job live: its tasks, failures, nodes and logs.

    Without JOB all jobs are listed, and Enter opens one. It works for jobs that run and for
    those that are done, and leaving it ends nothing. The key ? shows all keys.

    \b
      batchio dashboard
      batchio dashboard hello
    """
    keys = ready()
    job = None if args.job is None else finished(found(args.job, args.workspace))
    return show(job, keys, args.workspace)


def ready() -> dict[str, str]:
    """Make sure that the dashboard can be shown; return a person's own keys by action.

    Raises:
        UsageError: there is no terminal or no textual, or a configuration file is broken.
    """
    for stream, name in ((sys.stdin, "standard input"), (sys.stderr, "standard error")):
        if not is_terminal(stream):
            raise UsageError(
                f"the dashboard needs a terminal, and {name} is none",
                hint="batchio status shows the same as text",
            )
    if find_spec("textual") is None:
        from batchio.extras import how_to_install

        raise UsageError("the dashboard needs textual", hint=how_to_install("tui"))
    from batchio import api
    from batchio_tui.actions import BY_NAME, KEYS

    return api.dashboard_keys(BY_NAME, KEYS)


def show(job: Job | None, keys: dict[str, str], workspace: str | None = None) -> int:
    """Show a job, or all, until the person leaves; return the exit code."""
    from batchio_tui.app import Dashboard

    app = Dashboard(job, workspace=workspace, keys=keys)
    code = app.run()
    if app.problem is not None:
        diagnostics.say(f"the dashboard broke, and the job goes on; what happened: {app.problem}")
        return 3
    return code or 0


dashboard = command("dashboard", dashboard_of, DashboardArgs, JobArgument())

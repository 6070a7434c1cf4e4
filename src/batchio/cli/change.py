"""Commands that change a job: cancel, retry, recover."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import click

from batchio.cli import diagnostics, output
from batchio.cli.common import JobArgument, chosen, finished
from batchio.cli.follow import stay
from batchio.cli.options import TableCommand, settled, table_options
from batchio.cli.words import plural
from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.api import Job


def cancel_job(**params: Any) -> int:
    """End a job, or some of its tasks.

    Tasks that have not started never will; running ones get TERM, and KILL when they
    have not ended after the grace of the job. What has finished stays finished.
    """
    wanted = settled(params)
    ids = str(wanted["task"].ids) if wanted["task"] else None

    async def end() -> tuple[Job, str | None]:
        job = await chosen(params["job"], wanted["workspace"], "cancel", sure=wanted["yes"])
        view = await job.status()
        if view.counts.done == view.counts.total:
            return job, view.standing
        await job.cancel(ids, params["why"] or "")
        return job, None

    job, over = finished(end())
    if over:
        diagnostics.say(f"job {job.id} is over already: {over.replace('_', ' ')}")
    elif ids:
        diagnostics.say(f"tasks {ids} of job {job.id} are being cancelled")
    else:
        diagnostics.say(f"job {job.id} is being cancelled")
        diagnostics.steps([(f"batchio wait {job.id}", "until everything is stopped")])
    return 0


def retry_tasks(**params: Any) -> int:
    """Run tasks of a job again: those that did not succeed, or those named.

    Also of a job that is done. Each gets a new attempt and its retries anew.
    """
    wanted = settled(params)
    if params["failed"] and wanted["task"]:
        raise UsageError("--failed and --task exclude each other", hint="choose one of them")
    ids = str(wanted["task"].ids) if wanted["task"] else None

    async def again() -> tuple[Job, list[int]]:
        job = await chosen(params["job"], wanted["workspace"], "retry", sure=wanted["yes"])
        return job, await job.retry(ids)

    job, tasks = finished(again())
    if not tasks:
        diagnostics.say(f"job {job.id} has no task to run again")
        return 0
    diagnostics.say(f"{plural(len(tasks), 'task')} of job {job.id} {_run(tasks)} again")
    if params["wait"] or params["follow"]:
        return stay(job, lines=params["follow"])
    diagnostics.steps([(f"batchio wait {job.id}", "until they are done")])
    return 0


def _run(tasks: list[int]) -> str:
    return "runs" if len(tasks) == 1 else "run"


def recover_job(**params: Any) -> int:
    """Go on with a job whose head died or was killed.

    Finished tasks stay finished; what still runs on its nodes is taken over. The values
    of secrets are never written down, so a job that has any needs them again.
    """
    wanted = settled(params)
    secrets = dict(map(_secret, params["secret_env"]))

    async def go_on() -> tuple[Job, bool]:
        job = await chosen(params["job"], wanted["workspace"], "recover", sure=wanted["yes"])
        return job, await job.recover(secrets or None)

    job, started = finished(go_on())
    if not started:
        diagnostics.say(f"job {job.id} needs no recovery: it is done, or its head runs")
        return 0
    diagnostics.say(f"job {job.id} goes on")
    if params["wait"] or params["follow"]:
        return stay(job, lines=params["follow"])
    output.flush()
    diagnostics.steps([(f"batchio wait {job.id}", "until it is done")])
    return 0


def _secret(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals and name not in os.environ:
        raise UsageError(
            f"--secret-env: {name} has no value, and is not set in your environment",
            hint=f"write {name}=value",
        )
    return name, value if equals else os.environ[name]


def _command(
    name: str, callback: Callable[..., int], *extra: click.Parameter, stays: bool = False
) -> TableCommand:
    own = [*extra, *(_STAYING if stays else ())]
    return TableCommand(
        name,
        callback=callback,
        help=callback.__doc__,
        params=table_options(name, JobArgument(), *own),
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


_STAYING: Final = (
    click.Option(["--wait"], is_flag=True, help="Wait for the job to end."),
    click.Option(["--follow"], is_flag=True, help="Show the output of the tasks, and wait."),
)
cancel = _command(
    "cancel", cancel_job, click.Option(["--why"], metavar="TEXT", help="Kept with the job.")
)
retry = _command(
    "retry",
    retry_tasks,
    click.Option(["--failed"], is_flag=True, help="All that did not succeed (the default)."),
    stays=True,
)
recover = _command(
    "recover",
    recover_job,
    click.Option(
        ["--secret-env"],
        multiple=True,
        metavar="KEY=VAL",
        help="A secret of the job; KEY alone takes yours.",
    ),
    stays=True,
)

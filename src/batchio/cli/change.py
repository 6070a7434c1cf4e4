"""Commands that change a job: cancel, retry, recover."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from batchio.cli import diagnostics, output
from batchio.cli.common import JobArgument, chosen, finished
from batchio.cli.documents import Changed
from batchio.cli.follow import stay
from batchio.cli.options import command
from batchio.cli.terminal import visible
from batchio.cli.words import plural
from batchio.core.record import SCHEMA
from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from batchio.api import Job
    from batchio.cli.output import Format
    from batchio.core.arrays import Array

    Verb = Literal["cancel", "retry", "recover"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelArgs:
    """Arguments of `batchio cancel`."""

    job: str | None
    task: Array | None
    why: str | None
    format: Format
    workspace: str | None
    yes: bool
    quiet: bool


def cancel_job(args: CancelArgs) -> int:
    """Stop a job, or some of its tasks.

    Tasks that have not started are not run. Running tasks get SIGTERM, and SIGKILL if they
    are still running after the --grace of the job. Finished tasks stay finished.

    \b
      batchio cancel hello
      batchio cancel hello --task 3,7-9 --why 'wrong input'
    """
    ids = str(args.task.ids) if args.task else None

    async def end() -> tuple[Job, str | None]:
        job = await chosen(args.job, args.workspace, "cancel", sure=args.yes)
        view = await job.status()
        if view.counts.done == view.counts.total:
            return job, view.standing
        await job.cancel(ids, args.why or "")
        return job, None

    job, over = finished(end())
    if args.format != "table":
        _write(args.format, job, "cancel", not over, args.task.ids if args.task else None)
    elif over:
        diagnostics.say(f"job {job.id} has already ended: {over.replace('_', ' ')}")
    elif ids:
        diagnostics.say(f"cancelling tasks {ids} of job {job.id}")
    else:
        diagnostics.say(f"cancelling job {job.id}")
        diagnostics.steps([(f"batchio wait {job.id}", "wait until everything has stopped")])
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryArgs:
    """Arguments of `batchio retry`."""

    job: str | None
    task: Array | None
    failed: bool
    secret_env: tuple[str, ...]
    wait: bool
    follow: bool
    format: Format
    workspace: str | None
    yes: bool
    quiet: bool


def retry_tasks(args: RetryArgs) -> int:
    """Run tasks of a job again: all that did not succeed, or those you name.

    The job may be done already. Each task gets a new attempt and all its retries again.
    Secrets are never stored: if no process runs the job any more, give them again. Tasks get
    the files that were sent when the job was submitted, even if they have changed here.

    \b
      batchio retry hello
      batchio retry hello --task 3 --follow
    """
    if args.failed and args.task:
        raise UsageError("--failed and --task cannot be used together", hint="choose one of them")
    ids = str(args.task.ids) if args.task else None
    secrets = dict(map(_secret, args.secret_env))

    async def again() -> tuple[Job, list[int]]:
        job = await chosen(args.job, args.workspace, "retry", sure=args.yes)
        return job, await job.retry(ids, secrets or None)

    job, tasks = finished(again())
    if tasks and (changed := finished(job.changed_files())):
        shown = visible(", ".join(changed))
        diagnostics.warn(f"{shown}: not as it was sent; the tasks run what was sent with the job")
        diagnostics.hint("to run what is here now, submit it again with batchio run")
    stays = bool(tasks) and (args.wait or args.follow)
    if args.format != "table" and not stays:
        return _write(args.format, job, "retry", bool(tasks), tasks)
    if not tasks:
        diagnostics.say(f"job {job.id} has no task to run again")
        return 0
    diagnostics.say(f"{plural(len(tasks), 'task')} of job {job.id} {_run(tasks)} again")
    if stays:
        return stay(job, lines=args.follow, form=args.format)
    diagnostics.steps([(f"batchio wait {job.id}", "wait until they are done")])
    return 0


def _run(tasks: list[int]) -> str:
    return "runs" if len(tasks) == 1 else "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverArgs:
    """Arguments of `batchio recover`."""

    job: str | None
    secret_env: tuple[str, ...]
    elsewhere: bool
    head: str | None
    wait: bool
    follow: bool
    format: Format
    workspace: str | None
    yes: bool
    quiet: bool


def recover_job(args: RecoverArgs) -> int:
    """Continue a job whose head died or was killed.

    Finished tasks stay finished, and tasks that still run on nodes keep running. Secrets are
    never stored, so you have to give them again. The new head runs where the last one ran;
    --head names another place.

    \b
      batchio recover hello --wait
      batchio recover hello --head local
    """
    secrets = dict(map(_secret, args.secret_env))

    async def go_on() -> tuple[Job, bool]:
        job = await chosen(args.job, args.workspace, "recover", sure=args.yes)
        return job, await job.recover(secrets or None, elsewhere=args.elsewhere, head=args.head)

    job, started = finished(go_on())
    stays = started and (args.wait or args.follow)
    if args.format != "table" and not stays:
        return _write(args.format, job, "recover", started, None)
    if not started:
        diagnostics.say(f"job {job.id} does not need this: it is done, or its head is running")
        return 0
    diagnostics.say(f"job {job.id} keeps running")
    if stays:
        return stay(job, lines=args.follow, form=args.format)
    output.flush()
    diagnostics.steps([(f"batchio wait {job.id}", "wait until it is done")])
    return 0


def _write(form: Format, job: Job, verb: Verb, acted: bool, tasks: Iterable[int] | None) -> int:
    """Write what was done as JSON; return the exit code."""
    ids = None if tasks is None else list(tasks)
    record = Changed(schema=SCHEMA, id=job.id, verb=verb, acted=acted, tasks=ids)
    output.json_document(record, form)
    return 0


def _secret(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals and name not in os.environ:
        raise UsageError(
            f"--secret-env: {name} has no value, and is not set in your environment",
            hint=f"write {name}=value",
        )
    return name, value if equals else os.environ[name]


_STAYING: Final = (
    click.Option(["--wait"], is_flag=True, help="Wait for the job to end."),
    click.Option(["-f", "--follow"], is_flag=True, help="Show the output of the tasks, and wait."),
)
_SECRETS: Final = click.Option(
    ["--secret-env"],
    multiple=True,
    metavar="KEY=VAL",
    help="A secret of the job; KEY alone copies yours.",
)
cancel = command(
    "cancel",
    cancel_job,
    CancelArgs,
    JobArgument(),
    click.Option(["--why"], metavar="TEXT", help="The reason; it is stored with the job."),
)
retry = command(
    "retry",
    retry_tasks,
    RetryArgs,
    JobArgument(),
    click.Option(["--failed"], is_flag=True, help="All tasks that did not succeed (the default)."),
    _SECRETS,
    *_STAYING,
)
recover = command(
    "recover",
    recover_job,
    RecoverArgs,
    JobArgument(),
    _SECRETS,
    click.Option(
        ["--head"],
        metavar="local|inline|HOST",
        help="Who goes on with the job (default: the last head's kind, or host).",
    ),
    click.Option(
        ["--elsewhere"],
        is_flag=True,
        help="Also continue a local job of another computer, and give up what ran there.",
    ),
    *_STAYING,
)

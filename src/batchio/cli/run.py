"""The command that submits a job."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from batchio.cli import diagnostics, output, place
from batchio.cli.common import CommandArgument, finished
from batchio.cli.dashboard import ready, show
from batchio.cli.documents import Submitted
from batchio.cli.options import SET_APART, command, spelled_alike
from batchio.cli.output import Column
from batchio.cli.terminal import STDIN, stdin_waits, visible
from batchio.cli.words import plural
from batchio.core.record import SCHEMA
from batchio.core.spec import HEADS_HERE, PYTHON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.api import Job, Plan, Prepared
    from batchio.cli.output import Format


REASONS: Final = 20
"""Number of files of which --dry-run says why they travel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArgs:
    """Arguments of `batchio run`. `submit` combines `typed` with all other sources of options."""

    command: tuple[str, ...]
    format: Format
    dry_run: bool
    typed: Mapping[str, Any]


def run_it(args: RunArgs) -> int:
    """Run a script or command as one or many tasks.

    Options stand before the COMMAND; everything after its first word, or after --,
    belongs to the program, byte for byte. Options may also stand in the script, in lines
    such as "# BATCHIO ntasks 10", in BATCHIO_* variables, and in pyproject.toml.

    In the COMMAND, $BATCHIO_TASK_ID, $BATCHIO_TASK_INPUT and the other variables of a task
    are filled in for each task; quote or escape the $ so that your shell leaves it alone.

    \b
      batchio run hello.sh
      batchio run --ntasks 100 -N 8 --wait -- ./a.out --flag 'two words'
      batchio run --map-over-file inputs.txt process.py \\$BATCHIO_TASK_INPUT
    """
    from batchio import api

    _note_behind(args.command)
    prepared = api.prepare(args.command, {}, typed=args.typed)
    for warning in prepared.warnings:
        diagnostics.warn(visible(warning))
    if stdin_waits() and prepared.effective.value("map-over-file") not in STDIN:
        diagnostics.warn(
            "tasks cannot read standard input: use batchio run - if it is a script, "
            "--map-over-file - if it has one value per line, --upload for files"
        )
    if args.dry_run:
        _show_plan(prepared, args.format)
        return 0
    return _start(prepared, args.format)


def _note_behind(command: tuple[str, ...]) -> None:
    """Warn when options of ours stand behind the program, so that they are the program's."""
    if click.get_current_context().meta.get(SET_APART):
        return
    if alike := spelled_alike(command[1:]):
        said, program = ", ".join(alike), command[0]
        diagnostics.warn(
            visible(
                f"{said} is passed to {program}, because it comes after it; options of batchio "
                f"come before it (if you meant this, write -- before {program})"
            )
        )


def _start(prepared: Prepared, form: Format) -> int:
    from batchio import api  # before any thread is, so that the head can be forked

    keys = ready() if prepared.effective.value("dashboard") else None
    known = len(prepared.warnings)
    for warning in checked(prepared):
        diagnostics.warn(visible(warning))
    job, leading = api.launch(prepared)
    try:
        for warning in prepared.warnings[known:]:  # of files that were not still
            diagnostics.warn(visible(warning))
        _announce(prepared, job, form, keys)
        from batchio.cli import follow  # within, as it takes long enough for a Ctrl-C
    except KeyboardInterrupt:
        from batchio.cli import follow

        return follow.stopped(job, leading)
    value, spec = prepared.effective.value, prepared.spec
    wait = value("wait") or prepared.head == "inline"
    if keys is not None:
        show(job, keys)
        wait = wait or finished(job.status()).state == "done"
    to_bring = None if prepared.workspace.local else spec.collect  # by whoever waits
    to_sync = None if prepared.head in HEADS_HERE else spec.sync
    if value("follow") or wait:
        from batchio.cli.waiting import INTERRUPTED, bring_back, fetch

        code = follow.stay(job, lines=value("follow"), form=form, leading=leading)
        if to_bring and code < INTERRUPTED:
            fetch(job, to_bring, clean=False)  # the folder was cleaned before
        if to_sync and code < INTERRUPTED:
            bring_back(job, to_sync)
        return code
    if form != "table":
        record = Submitted(schema=SCHEMA, id=job.id, name=spec.name, tasks=len(spec.tasks))
        output.json_document(record, form)
        return 0
    diagnostics.steps(
        (
            (f"batchio status {job.id}", "show its state"),
            (f"batchio logs {job.id} --follow", "show its output"),
            (f"batchio cancel {job.id}", "stop it"),
            *_bringing(job.id, "--download", to_bring),
            *_bringing(job.id, "--sync", to_sync),
        )
    )
    return 0


def _announce(prepared: Prepared, job: Job, form: Format, keys: dict[str, str] | None) -> None:
    """Say what was submitted; print the job's id on stdout where a program may read it."""
    from batchio import api

    value, spec = prepared.effective.value, prepared.spec
    if prepared.workspace.url != api.workspace_of(None).url:  # it may stand in the script
        place.use(value("workspace"))
    for left in finished(unattended(prepared)):
        diagnostics.warn(
            f"no process runs job {left} any more; to continue it: batchio recover {left}"
        )
    if prepared.sends:
        diagnostics.say(f"sending {visible(prepared.sends)}")
    if prepared.packages:
        diagnostics.say(f"sending packages of {visible(prepared.packages)}")
    waits = value("wait") or prepared.head == "inline"
    if (output.to_person() and form == "table") or value("follow") or keys is not None:
        tasks = plural(len(spec.tasks), "task")
        diagnostics.say(f"job {job.id}: {visible(spec.name)}, {tasks} on {spec.provider}")
    elif form == "table" and not (waits and diagnostics.is_quiet()):
        output.line(job.id)
        output.flush()


def checked(prepared: Prepared) -> list[str]:
    """Check, where nodes cost money, that the job may begin; return warnings.

    Raises:
        UsageError: it could not run.
    """
    from batchio import api

    if not prepared.rents:
        return []
    return api.blocking(partial(api.preflight, prepared))


def _bringing(job: str, option: str, folder: str | None) -> list[tuple[str, str]]:
    """Return the command that brings outputs to a folder, with its purpose, if there is one."""
    if folder is None:
        return []
    return [(f"batchio wait {job} {option} {shlex.quote(folder)}", "bring its files")]


async def unattended(prepared: Prepared) -> list[str]:
    """Return ids of jobs without a head that are not done, to warn who starts another job."""
    from batchio import api

    return await api.unattended(workspace=prepared.workspace.url)


def _show_plan(prepared: Prepared, form: Format) -> None:
    from batchio.cli.plan import quoted, show_quote

    plan, quote = prepared.plan(), quoted(prepared)
    if form != "table":
        more = {} if quote is None else {"cost": quote.to_json()}
        output.json_document({**plan.to_json(), **more}, form)
        return
    for line in plan_lines(plan):
        output.line(visible(line))
    if quote is not None:
        show_quote(quote)
    output.line()
    output.table(_OPTION_COLUMNS, ((row[0], row[1], row[2]) for row in plan.options))
    output.flush()
    diagnostics.say("nothing was started (--dry-run)")


def plan_lines(plan: Plan) -> list[str]:
    """Return what a job would run, and what it would send, in lines for people."""
    words = ["python3" if word == PYTHON else word for word in plan.argv]
    lines = [
        f"name      {plan.name}",
        f"provider  {plan.provider}",
        f"runs      {plan.argv[0] if plan.shell else shlex.join(words)}"
        + (" (in /bin/sh)" if plan.shell else ""),
        f"tasks     {plan.tasks}",
        f"first     {_task(plan.first)}",
    ]
    if plan.tasks > 1:
        lines.append(f"last      {_task(plan.last)}")
    if plan.packages:
        lines.append(f"packages  {plan.packages}")
    lines.append(f"sends     {plan.sends or 'nothing'}")
    lines += [f"          {path} ({why})" for path, why in list(plan.implied.items())[:REASONS]]
    more = len(plan.implied) - REASONS
    return [*lines, f"          and {more} more"] if more > 0 else lines


def _task(end: tuple[int, str | None]) -> str:
    task, text = end
    return f"task {task}" + ("" if text is None else f", input {text}")


_OPTION_COLUMNS: Final = (Column("Option"), Column("Value"), Column("From"))

run = command(
    "run",
    run_it,
    RunArgs,
    CommandArgument("COMMAND..."),
    allow_interspersed_args=False,
)

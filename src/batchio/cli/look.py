"""Commands that look at jobs and change nothing: status, list."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from batchio.cli import diagnostics, output
from batchio.cli.common import JobArgument, finished, found
from batchio.cli.options import command
from batchio.cli.output import Cell, Column
from batchio.cli.place import with_place
from batchio.cli.summary import failure_lines, header_lines
from batchio.cli.words import clock, dollars, done_of, lasted, stamp, standing, zone
from batchio.core.lens import ALL, COLUMNS, Order
from batchio.core.record import SCHEMA
from batchio.core.select import Filter
from batchio.core.sizes import format_bytes
from batchio.errors import UsageError
from batchio.options.table import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batchio.api import Job
    from batchio.cli.output import Format
    from batchio.core.views import JobSummary, JobView, TaskRow

AT_ONCE: Final = 1000
"""Number of tasks whose inputs are read at once."""

STATES: Final = (
    *("pending", "provisioning", "running", "done"),
    *("succeeded", "failed", "cancelled", "timed_out", "lost", "unattended", "unreadable"),
)
"""States and outcomes by which `list` chooses jobs."""

SHOWN: Final = 50
"""Number of tasks that `status` shows of a job with more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusArgs:
    """Arguments of `batchio status`."""

    job: str | None
    all: bool
    inputs: bool
    no_tasks: bool
    filter: str | None
    limit: int | None = None
    sort: str | None
    format: Format
    workspace: str | None


def status(args: StatusArgs) -> int:
    """Show the state of a job and its tasks.

    JOB is an id, the beginning of an id, or a name; without it, the newest job is shown.
    `batchio list` shows all jobs. If a job has many tasks, failed and running ones are
    shown first.

    \b
      batchio status
      batchio status hello --sort -duration --limit 5
      batchio status hello --filter 'failed node:gpu3 >10m'
      batchio status hello --inputs --format jsonl
      batchio status hello --no-tasks --format json
    """
    if args.no_tasks and (args.all or args.inputs or args.sort or args.limit or args.filter):
        raise UsageError(
            "--no-tasks leaves out what --all, --inputs, --filter, --sort and --limit choose"
        )
    chooses = _filter(args.filter)
    order = _order(args.sort) if args.sort else []

    async def look() -> tuple[Job, JobView]:
        job = await found(args.job, args.workspace)
        return job, await job.status()

    job, view = finished(look())
    groups = [group.to_json() for group in view.failures(attempts=True)]
    if args.no_tasks and args.format != "table":
        output.json_document({**view.to_json(), "failures": groups}, args.format)
        return 0
    limit = None if args.all else args.limit
    chosen = itertools.islice(_rows(view, order, chooses), limit)
    rows = _with_inputs(job, chosen) if args.inputs else (row.to_json() for row in chosen)
    match args.format:
        case "json":
            output.json_object({**view.to_json(), "failures": groups}, "tasks", rows)
        case "jsonl":
            output.json_lines({"schema": SCHEMA, **row} for row in rows)
        case _:
            _show(view)
            if not args.no_tasks:
                _show_tasks(job, view, order, chooses, args)
            if args.job is None and output.to_person():
                diagnostics.hint("this is the newest job; batchio list shows the others")
    return 0


def _with_inputs(job: Job, rows: Iterable[TaskRow]) -> Iterator[dict[str, Any]]:
    """Yield rows of tasks as JSON, each with the task's input."""
    source = iter(rows)
    while some := list(itertools.islice(source, AT_ONCE)):
        given = finished(job.inputs(row.id for row in some))
        for row, text in zip(some, given, strict=True):
            yield {**row.to_json(), "input": text}


def _show(view: JobView) -> None:
    for line in header_lines(view):
        output.line(with_place(line))
    groups = list(failure_lines(view))
    if groups:
        output.line()
        for line in groups:
            output.line(line)


def _show_tasks(
    job: Job, view: JobView, order: list[Order], chooses: Filter | None, args: StatusArgs
) -> None:
    limit = None if args.all else args.limit or SHOWN
    total = len(view.select(chooses)) if chooses else view.counts.total
    few = limit is None or total <= limit
    rows = _rows(view, order, chooses, limit) if few or order or chooses else view.urgent()
    shown = itertools.islice(rows, limit)
    output.line()
    if args.inputs:
        several = list(shown)
        given = finished(job.inputs(row.id for row in several))
        cells = (
            (*task_cells(row, view.why)[:2], text or "", *task_cells(row, view.why)[2:])
            for row, text in zip(several, given, strict=True)
        )
        output.table((*TASK_COLUMNS[:2], Column("Input"), *TASK_COLUMNS[2:]), cells)
    else:
        output.table(TASK_COLUMNS, (task_cells(row, view.why) for row in shown))
    if not few:
        first = "" if order or chooses else ", failed and running ones first"
        output.line(f"{limit} of {total} tasks{first}; --all shows all of them")
    if chooses:
        output.line(f"{total} of {view.counts.total} tasks fit --filter")


TASK_COLUMNS: Final = (
    Column("Task", right=True),
    Column("State"),
    Column("Attempt", right=True, spare=4),
    Column("Node", spare=5),
    Column("Start Time"),
    Column("Stop Time", spare=3),
    Column("Duration", right=True),
    Column("Exit Code", right=True),
    Column("Peak Memory", right=True, spare=2),
    Column("CPU", right=True, spare=1),
    Column("Note"),
)


def task_cells(row: TaskRow, known: str = "") -> tuple[Cell | str, ...]:
    """Return the cells of one task's row in the table.

    Args:
        known: A reason that was told already, of which only the first words are written.
    """
    reason = row.reason.partition(" (")[0] if row.reason == known else row.reason
    return (
        str(row.id),
        standing(row.outcome or row.state),
        str(row.attempt),
        row.node or "",
        clock(row.started),
        clock(row.stopped),
        lasted(row.duration),
        Cell(row.ending, "" if row.ending in ("", "0") else "red"),
        "" if row.memory is None else format_bytes(row.memory),
        lasted(row.cpu),
        ": ".join(part for part in (reason, row.last_words) if part),
    )


def _order(text: str) -> list[Order]:
    """Return the order that --sort asks for: columns between commas, `-` for falling order."""
    order = []
    for part in text.split(","):
        name = part.strip().removeprefix("-").replace("-", "_")
        if name not in COLUMNS:
            close = nearest(name, COLUMNS)
            raise UsageError(
                f'--sort: tasks have no column "{name}"',
                hint=f"did you mean {close}?" if close else f"columns: {', '.join(COLUMNS)}",
            )
        order.append(Order(name, part.strip().startswith("-")))
    return order


def _filter(text: str | None) -> Filter | None:
    """Return the filter that --filter asks for; None without one."""
    try:
        return Filter.parse(text) if text else None
    except UsageError as err:
        raise UsageError(f"--filter: {err.message}", hint=err.hint) from None


def _rows(
    view: JobView, order: list[Order], chooses: Filter | None, limit: int | None = None
) -> Iterable[TaskRow]:
    """Return the rows of chosen tasks in that order; tasks without a value there come last."""
    if not order and not chooses:
        return view.tasks()
    return view.rows(view.select(chooses or ALL, *order)[:limit])


@dataclass(frozen=True, slots=True, kw_only=True)
class ListArgs:
    """Arguments of `batchio list`."""

    limit: int
    state: tuple[str, ...]
    tag: tuple[str, ...]
    name: str
    format: Format
    workspace: str | None


def list_jobs(args: ListArgs) -> int:
    """List jobs, newest first. Times are in the time zone of this computer; in JSON, Unix seconds.

    \b
      batchio list --state running
      batchio list --name 'train*' --tag team=a --limit 50
    """

    async def look() -> list[JobSummary]:
        from batchio import api

        return await api.list_jobs(
            args.workspace, args.limit, states=args.state, tags=args.tag, name=args.name
        )

    jobs = finished(look())
    match args.format:
        case "json":
            output.json_list(job.to_json() for job in jobs)
        case "jsonl":
            output.json_lines(job.to_json() for job in jobs)
        case _ if not jobs and (args.state or args.tag or args.name):
            diagnostics.say("no job matches")
        case _ if not jobs:
            diagnostics.say("no jobs yet; start one: batchio run SCRIPT")
        case _:
            output.table(_job_columns(zone()), map(_job_cells, jobs))
    return 0


def _job_columns(zone: str) -> tuple[Column, ...]:
    return (
        Column("ID"),
        Column("Name"),
        Column("State"),
        Column("Tasks Done", right=True),
        Column(f"Submitted ({zone})", right=True, spare=4),
        Column(f"Finished ({zone})", right=True, spare=2),
        Column("Approx Cloud Cost", right=True, spare=1),
        Column("Tags", spare=3),
        Column("Command"),
    )


def _job_cells(job: JobSummary) -> tuple[Cell | str, ...]:
    return (
        job.id,
        job.name,
        standing(job.standing),
        done_of(job.counts) if job.counts.total else "",
        stamp(job.submitted),
        stamp(job.finished),
        dollars(job.cost) or "-",
        " ".join(job.tags),
        job.command or job.why,
    )


status_command = command(
    "status",
    status,
    StatusArgs,
    JobArgument(),
    click.Option(["--all"], is_flag=True, help="Show every task."),
    click.Option(["--inputs"], is_flag=True, help="Show the input of each task, too."),
    click.Option(
        ["--filter"],
        metavar="TEXT",
        help="Only tasks that fit all terms: failed, running, >10m, <5s, node:gpu3, exit:3, try:2, "
        "id:2,4-6, or words of a note; ! negates one.",
    ),
    click.Option(["--no-tasks"], is_flag=True, help="Show the job without its tasks."),
)
list_command = command(
    "list",
    list_jobs,
    ListArgs,
    click.Option(
        ["--state"],
        multiple=True,
        type=click.Choice(STATES),
        help="Only jobs with this state or outcome; can be repeated.",
    ),
    click.Option(
        ["-t", "--tag"],
        multiple=True,
        metavar="KEY[=VAL]",
        help="Only jobs with this tag; repeat it to require several tags.",
    ),
    click.Option(
        ["--name"],
        default="",
        metavar="NAME",
        help="Only jobs with this name; a pattern such as 'train*' works, too.",
    ),
)

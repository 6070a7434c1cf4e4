"""Commands that look at jobs and change nothing: status, list, nodes, explain."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from batchio.cli import diagnostics, output
from batchio.cli.common import JobArgument, finished, found, job_and_task
from batchio.cli.documents import Explained
from batchio.cli.options import command
from batchio.cli.output import Cell, Column
from batchio.cli.place import with_place
from batchio.cli.summary import concern_line, failure_lines, header_lines
from batchio.cli.terminal import visible
from batchio.cli.words import clock, done_of, lasted, stamp, standing
from batchio.core.lens import ALL, COLUMNS, Order
from batchio.core.record import SCHEMA
from batchio.core.sizes import format_bytes
from batchio.errors import UsageError
from batchio.options.table import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchio.cli.output import Format
    from batchio.core.views import JobSummary, JobView, NodeRow, TaskRow

SHOWN: Final = 50
"""Number of tasks that `status` shows of a job with more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusArgs:
    """Arguments of `batchio status`."""

    job: str | None
    all: bool
    limit: int | None = None
    sort: str | None
    format: Format
    workspace: str | None


def status(args: StatusArgs) -> int:
    """Show how a job and its tasks stand.

    JOB is an id, the beginning of one, or a name; without it the newest job is shown,
    and `batchio list` shows them all. Of a job with many tasks the failed and the
    running ones are shown first.
    """
    order = _order(args.sort) if args.sort else []

    async def look() -> JobView:
        job = await found(args.job, args.workspace)
        return await job.status()

    view = finished(look())
    limit = None if args.all else args.limit
    match args.format:
        case "json":
            tasks = [row.to_json() for row in itertools.islice(_rows(view, order), limit)]
            groups = [group.to_json() for group in view.failures()]
            output.json_value({**view.to_json(), "failures": groups, "tasks": tasks})
        case "jsonl":
            output.json_lines(row.to_json() for row in itertools.islice(_rows(view, order), limit))
        case _:
            _show(view, order, None if args.all else args.limit or SHOWN)
            if args.job is None and output.to_person():
                diagnostics.hint("this is the newest job; batchio list shows the others")
    return 0


def _show(view: JobView, order: list[Order], limit: int | None) -> None:
    for line in header_lines(view):
        output.line(with_place(line))
    groups = list(failure_lines(view))
    if groups:
        output.line()
        for line in groups:
            output.line(line)
    total = view.counts.total
    few = limit is None or total <= limit
    rows = _rows(view, order, limit) if few or order else view.urgent()
    shown = itertools.islice(rows, limit)
    output.line()
    output.table(TASK_COLUMNS, map(task_cells, shown))
    if not few:
        first = "" if order else ", failed and running ones first"
        output.line(f"{limit} of {total} tasks{first}; --all shows every one")


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


def task_cells(row: TaskRow) -> tuple[Cell | str, ...]:
    """Return the cells of one task's row in the table."""
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
        ": ".join(part for part in (row.reason, row.last_words) if part),
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


def _rows(view: JobView, order: list[Order], limit: int | None = None) -> Iterable[TaskRow]:
    """Return the rows of the tasks in that order; tasks without a value there come last."""
    return view.rows(view.select(ALL, *order)[:limit]) if order else view.tasks()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListArgs:
    """Arguments of `batchio list`."""

    limit: int
    format: Format
    workspace: str | None


def list_jobs(args: ListArgs) -> int:
    """List jobs, newest first."""

    async def look() -> list[JobSummary]:
        from batchio import api

        return await api.list_jobs(limit=args.limit, workspace=args.workspace)

    jobs = finished(look())
    match args.format:
        case "json":
            output.json_list(job.to_json() for job in jobs)
        case "jsonl":
            output.json_lines(job.to_json() for job in jobs)
        case _ if not jobs:
            diagnostics.say("no jobs yet; start one: batchio run SCRIPT")
        case _:
            output.table(JOB_COLUMNS, map(_job_cells, jobs))
    return 0


JOB_COLUMNS: Final = (
    Column("ID"),
    Column("State"),
    Column("Tasks Done", right=True),
    Column("Submitted", right=True),
    Column("Finished", right=True, spare=2),
    Column("Approx Cloud Cost", right=True, spare=1),
    Column("Command"),
)


def _job_cells(job: JobSummary) -> tuple[Cell | str, ...]:
    return (
        job.id,
        standing(job.standing),
        done_of(job.counts) if job.counts.total else "",
        stamp(job.submitted),
        stamp(job.finished),
        "-" if job.cost is None else f"${job.cost:.2f}",
        job.command or job.why,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LookArgs:
    """Arguments of `batchio nodes` and `batchio explain`."""

    job: str | None
    format: Format
    workspace: str | None


def show_nodes(args: LookArgs) -> int:
    """Show the nodes of a job; without JOB, of the newest."""

    async def look() -> JobView:
        return await (await found(args.job, args.workspace)).status()

    view = finished(look())
    nodes = view.nodes
    match args.format:
        case "json":
            output.json_list(node.to_json() for node in nodes)
        case "jsonl":
            output.json_lines(node.to_json() for node in nodes)
        case _ if not nodes:
            diagnostics.say("no nodes yet; batchio explain says what is waited for")
        case _:
            output.table(NODE_COLUMNS, map(_node_cells, nodes))
            for concern in view.concerns:
                output.line(concern_line(concern))
    return 0


NODE_COLUMNS: Final = (
    Column("Node", right=True),
    Column("Name"),
    Column("State"),
    Column("Slots", right=True),
    Column("Running", right=True),
    Column("Queued", right=True),
    Column("Ended", right=True),
    Column("Load", right=True),
    Column("Address", spare=1),
    Column("CPUs", right=True, spare=3),
    Column("Memory", right=True, spare=2),
    Column("Disk Free", right=True, spare=4),
    Column("Note"),
)


def _node_cells(node: NodeRow) -> tuple[Cell | str, ...]:
    return (
        str(node.number),
        node.name,
        standing(node.state),
        "" if node.slots is None else str(node.slots),
        str(node.running),
        str(node.queued),
        str(node.ended),
        "" if node.load is None else f"{node.load:.2f}",
        node.address or "",
        "" if node.cpus is None else f"{node.cpus:g}",
        "" if node.memory is None else format_bytes(node.memory),
        "" if node.disk_free is None else format_bytes(node.disk_free),
        node.why,
    )


def explain_why(args: LookArgs) -> int:
    """Say why a job, or one of its tasks, is where it is.

    JOB/TASK names a task: `batchio explain 2c4d5f6g7h/3`. Without JOB: the newest.
    """

    async def look() -> tuple[str, int | None, list[str]]:
        job, task = await job_and_task(args.job, args.workspace)
        return job.id, task, await job.explain(task)

    job_id, about, sentences = finished(look())
    match args.format:
        case "json" | "jsonl":
            record = Explained(schema=SCHEMA, job=job_id, task=about, why=sentences)
            output.json_document(record, args.format)
        case _:
            for sentence in sentences:
                output.line(with_place(visible(sentence)))
    return 0


status_command = command(
    "status",
    status,
    StatusArgs,
    JobArgument(),
    click.Option(["--all"], is_flag=True, help="Show every task."),
)
list_command = command("list", list_jobs, ListArgs)
nodes_command = command("nodes", show_nodes, LookArgs, JobArgument(), like="explain")
explain_command = command("explain", explain_why, LookArgs, JobArgument())

"""The command that shows what tasks printed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import click

from batchio.cli import diagnostics, output
from batchio.cli.common import JobArgument, finished, found
from batchio.cli.documents import HeadLog, LogRecord
from batchio.cli.follow import LABELS, let_go
from batchio.cli.options import command
from batchio.cli.terminal import harmless, painted
from batchio.cli.words import moment, precise
from batchio.core.record import SCHEMA
from batchio.errors import UsageError
from batchio.options.table import get

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchio.api import Job, LogLine
    from batchio.cli.output import Format
    from batchio.core.arrays import Array

LABEL_WIDTH = 16
"""Width in columns of "(Task 3)" and the gap behind it."""

LABELLED: Final = 1024
"""Number of labels that are kept: making one takes longer than all else about a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsArgs:
    """Arguments of `batchio logs`."""

    job: str | None
    task: Array | None
    attempt: int | None
    stdout: bool
    stderr: bool
    workers: str | None
    since: str | None
    tail: int | None
    filter: str | None
    raw: bool
    timestamps: bool
    follow: bool
    scheduler: bool
    profile: str | None
    format: Format
    workspace: str | None


def show_logs(args: LogsArgs) -> int:
    """Show what tasks printed, oldest line first.

    JOB is an id, the beginning of an id, or a name; without it, the newest job is used.
    With --follow, new lines are shown until the job ends; Ctrl-C stops the display, not
    the job. Times are in the time zone of this computer.

    A task writes to stdout and stderr through two pipes, so lines of the two may swap
    places. To keep them in order, redirect stderr to stdout (2>&1) in the program.

    \b
      batchio logs hello --task 3
      batchio logs --tail 20 -f
      batchio logs --filter Error --since 10m 2c4d
    """
    if args.stdout and args.stderr:
        raise UsageError(
            "--stdout and --stderr cannot be used together", hint="without either, both are shown"
        )
    if args.profile:
        diagnostics.warn(f"--profile: ignored, {get('profile').never}")
    job = finished(found(args.job, args.workspace))
    if args.scheduler:
        return _head_log(job, args.format)
    array = output.JsonArray() if args.format == "json" else None
    bytewise = args.raw and args.format == "table"
    try:
        if bytewise and not args.filter and args.tail is None:
            finished(_pour(job, args))
        else:
            finished(_show(job, args, array))
    except KeyboardInterrupt:
        return let_go(job)
    if array:
        array.close()
    return 0


async def _show(job: Job, args: LogsArgs, array: output.JsonArray | None) -> None:
    nodes, text = await _nodes(job, args.workers), args.filter
    names: dict[int, str] = {}
    writer = _writer(args, array, names)
    stream = job.logs(**_which(args), follow=args.follow, tail=args.tail)
    empty = True
    async with stream as lines:
        async for line in lines:
            if (text and text not in line.text) or (nodes is not None and line.node not in nodes):
                continue
            if args.format != "table" and line.node not in names:
                names.update({node.number: node.name for node in (await job.status()).nodes})
            writer(line)
            empty = False
            if args.follow:
                output.flush()
    if empty and args.format == "table" and output.to_person():
        chosen = args.filter or args.workers or any(_which(args).values())
        diagnostics.say(f"job {job.id} has printed {'no such line' if chosen else 'nothing'}")


async def _pour(job: Job, args: LogsArgs) -> None:
    """Write the bytes that tasks printed, exactly as they were."""
    nodes = await _nodes(job, args.workers)
    async with job.raw_logs(**_which(args), follow=args.follow) as pieces:
        async for printed in pieces:
            if nodes is None or printed.node in nodes:
                output.raw(printed.data)
                if args.follow:
                    output.flush()


def _which(args: LogsArgs) -> dict[str, Any]:
    """Return the arguments of `Job.logs` that choose a part of the output."""
    return {
        "task": str(args.task.ids) if args.task else None,
        "attempt": args.attempt,
        "stream": "stdout" if args.stdout else "stderr" if args.stderr else None,
        "since": moment(args.since, time.time()) if args.since else None,
    }


async def _nodes(job: Job, names: str | None) -> set[int] | None:
    """Return the numbers of the nodes with these names; None for all nodes."""
    if not names or names in ("all", "any"):
        return None
    view = await job.status()
    wanted = set(names.replace(",", " ").split())
    numbers = {
        node.number
        for node in view.nodes
        if wanted & {node.name, node.offer, node.hostname, node.address, str(node.number)}
    }
    if not numbers:
        known = ", ".join(node.name for node in view.nodes) or "none"
        raise UsageError(f"--workers: no node is named {names}", hint=f"its nodes are {known}")
    return numbers


def _writer(
    args: LogsArgs, array: output.JsonArray | None, names: Mapping[int, str]
) -> Callable[[LogLine], None]:
    """Return the function that writes a line in the form that was asked for."""
    if array:
        return lambda line: array.add(_record(line, names))
    if args.format != "table":
        return lambda line: output.json_lines([_record(line, names)])
    if args.raw:
        return lambda line: output.line(line.text)
    label = lru_cache(LABELLED)(_label)
    if args.timestamps:
        return lambda line: output.line(
            f"{label(line.task, line.attempt, line.stream)}{precise(line.time)} {_text(line)}"
        )
    return lambda line: output.line(f"{label(line.task, line.attempt, line.stream)}{_text(line)}")


def _text(line: LogLine) -> str:
    import sys

    return harmless(line.text, sys.stdout)


def _label(task: int, attempt: int, stream: str) -> str:
    import sys

    again = f" attempt {attempt}" if attempt > 1 else ""
    mark = " stderr" if stream == "stderr" and output.to_person() else ""
    text = f"(Task {task}{again}{mark})"
    gap = " " * max(LABEL_WIDTH - len(text), 1)
    return painted(text, LABELS[task % len(LABELS)], sys.stdout) + gap


def _record(line: LogLine, names: Mapping[int, str]) -> LogRecord:
    return {
        "schema": SCHEMA,
        "task": line.task,
        "attempt": line.attempt,
        "stream": line.stream,
        "time": line.time,
        "node": names.get(line.node, str(line.node)),
        "node_number": line.node,
        "text": line.text,
    }


def _head_log(job: Job, form: Format) -> int:
    """Print what the job's head wrote to its stderr; return the exit code."""
    text = finished(job.head_log())
    if form != "table":
        output.json_document(HeadLog(schema=SCHEMA, id=job.id, text=text), form)
        return 0
    if not text:
        diagnostics.say(f"the head of job {job.id} has logged nothing")
    output.write(text)
    return 0


logs = command(
    "logs",
    show_logs,
    LogsArgs,
    JobArgument(),
    click.Option(["--attempt"], type=click.INT, metavar="N", help="Only this attempt."),
    click.Option(["--stdout"], is_flag=True, help="Only what was printed to stdout."),
    click.Option(["--stderr"], is_flag=True, help="Only what was printed to stderr."),
    click.Option(
        ["--raw"],
        is_flag=True,
        help="Print the exact bytes of the output; with --filter or --tail, whole lines.",
    ),
    click.Option(
        ["--timestamps/--no-timestamps"], default=True, help="Show the time of each line, or not."
    ),
)

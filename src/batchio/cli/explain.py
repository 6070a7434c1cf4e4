"""The command that explains the state of a job or a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from batchio.cli import output
from batchio.cli.common import JobArgument, finished, job_and_task
from batchio.cli.documents import Explained
from batchio.cli.options import command
from batchio.cli.place import with_place
from batchio.cli.terminal import visible
from batchio.core.record import SCHEMA
from batchio.errors import UsageError

if TYPE_CHECKING:
    from batchio.cli.output import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainArgs:
    """Arguments of `batchio explain`."""

    job: str | None
    task: int | None
    format: Format
    workspace: str | None


def explain_why(args: ExplainArgs) -> int:
    """Explain why a job, or one of its tasks, is in its state.

    JOB/TASK names a task, as JOB --task TASK does. Without JOB, the newest job is explained.

    \b
      batchio explain hello
      batchio explain 2c4d5f6g7h/3
      batchio explain --task 3
    """

    async def look() -> tuple[str, int | None, list[str]]:
        job, task = await job_and_task(args.job, args.workspace)
        if task is not None and args.task not in (None, task):
            raise UsageError(f"--task {args.task}: {visible(args.job or '')} names another task")
        task = args.task if task is None else task
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


explain = command(
    "explain",
    explain_why,
    ExplainArgs,
    JobArgument(),
    click.Option(["--task"], type=click.INT, metavar="ID", help="Explain this task."),
)

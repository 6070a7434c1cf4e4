"""The command that writes a job's report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from batchio.cli import diagnostics, output
from batchio.cli.common import JobArgument, finished, found
from batchio.cli.options import command
from batchio.cli.terminal import visible
from batchio.core.sizes import format_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportArgs:
    """Arguments of `batchio report`."""

    job: str | None
    output: str | None
    force: bool
    workspace: str | None
    quiet: bool


def write_report(args: ReportArgs) -> int:
    """Write a report of a job: one HTML file that says what it did, why it failed, what helps.

    It holds everything itself and asks nothing of a network, so it can be mailed and kept. Of a
    job that still runs it shows how things stand. Without JOB it is about the newest.

    \b
      batchio report -o night.html
      batchio report hello -o hello.html --force
    """

    async def saved() -> Path:
        job = await found(args.job, args.workspace)
        target = Path(args.output or f"batchio-{job.id}.html")
        await job.save_report(target, force=args.force)
        return target

    target = finished(saved())
    size = format_bytes(target.stat().st_size)
    output.line(visible(args.output or str(target)))
    output.flush()
    diagnostics.say(f"{size}; open it in any browser, also without a network")
    return 0


report = command(
    "report",
    write_report,
    ReportArgs,
    JobArgument(),
    click.Option(
        ["-o", "--output"],
        metavar="FILE",
        help="The file to write (default: batchio-JOB.html in this folder).",
    ),
    click.Option(["--force"], is_flag=True, help="Write over a file that is there."),
)

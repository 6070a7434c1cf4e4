"""The command that writes a job's report."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from batchio.cli import diagnostics, output
from batchio.cli.common import JobArgument, finished, found
from batchio.cli.options import command
from batchio.cli.terminal import visible
from batchio.core.sizes import format_bytes
from batchio.errors import UsageError


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

    async def look() -> tuple[str, str]:
        job = await found(args.job, args.workspace)
        target = args.output or f"batchio-{job.id}.html"
        _check(Path(target), force=args.force)
        return target, await job.report()

    target, text = finished(look())
    data = text.encode("utf-8", "replace")
    _write(Path(target), data, force=args.force)
    output.line(visible(target))
    output.flush()
    diagnostics.say(f"{format_bytes(len(data))}; open it in any browser, also without a network")
    return 0


def _check(target: Path, *, force: bool) -> None:
    """Make sure, before the work, that a file can be written there.

    Raises:
        UsageError: it cannot, or something is there and `force` is not given.
    """
    shown = visible(str(target))
    if target.is_dir():
        raise UsageError(f"{shown} is a folder", hint=f"name a file: -o {shown}/report.html")
    if target.exists() and not target.is_file():
        raise UsageError(f"{shown} is no file", hint="name a file: -o report.html")
    if target.exists() and not force:
        raise UsageError(f"{shown} is there already", hint="--force writes over it")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {visible(str(target.parent))} to write {shown} into")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise UsageError(f"{shown} cannot be written: permission denied")


def _write(target: Path, data: bytes, *, force: bool) -> None:
    """Write the file, whole or not at all."""
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        if force:
            part.replace(target)
        else:
            os.link(part, target)  # fails when somebody else has made it meanwhile
            part.unlink()
    except OSError as err:
        part.unlink(missing_ok=True)
        shown = visible(str(target))
        raise UsageError(f"{shown} cannot be written: {err.strerror or err}") from None


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

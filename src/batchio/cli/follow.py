"""Being there while a job runs: its output, its progress, and how it ends."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from batchio.cli import diagnostics, output
from batchio.cli.common import finished
from batchio.cli.diagnostics import ExitCode
from batchio.cli.progress import progress
from batchio.cli.summary import ending_lines, next_steps
from batchio.cli.terminal import is_terminal, painted, visible
from batchio.cli.words import plural

if TYPE_CHECKING:
    from batchio.api import Job, LogLine, Result
    from batchio.cli.output import Format

LABELS: Final = ("cyan", "magenta", "blue", "green", "yellow")
"""Colours of the tasks' labels, in turn."""

BLINK_S: Final = 0.5
"""Seconds in which files may arrive without a word about it."""


TICK_S: Final = 0.5
"""Seconds after which a line that says how long it takes is drawn anew."""


def stay(job: Job, *, lines: bool, form: Format = "table", timeout: float | None = None) -> int:
    """Wait for the job, showing its output or its progress; returns the exit code.

    Ctrl-C ends the waiting, not the job.
    """
    try:
        result = finished(_to_the_end(job, lines, timeout))
    except KeyboardInterrupt:
        return let_go(job)
    except TimeoutError:
        diagnostics.error(
            f"job {job.id} is not done after {timeout:g} s",
            f"it goes on; see: batchio status {job.id}",
        )
        return ExitCode.TIMED_OUT
    if form != "table":
        view = result.job
        groups = [group.to_json() for group in view.failures()]
        record = {**view.to_json(), "failures": groups}
        output.json_lines([record]) if form == "jsonl" else output.json_value(record)
        return result.exit_code
    for line in ending_lines(result.job):
        diagnostics.say(line)
    if leaving := result.job.leaving:
        place = visible(str(finished(job.outputs())))
        diagnostics.say(f"what {plural(leaving, 'task')} left behind is in {place}")
    diagnostics.steps(next_steps(result.job))
    return result.exit_code


def let_go(job: Job) -> int:
    """Say that only the waiting has ended."""
    diagnostics.say()
    diagnostics.say(f"job {job.id} goes on")
    diagnostics.steps(
        (
            (f"batchio wait {job.id}", "wait for it again"),
            (f"batchio cancel {job.id}", "stop it"),
        )
    )
    return ExitCode.INTERRUPTED


async def _to_the_end(job: Job, lines: bool, timeout: float | None) -> Result:
    if not lines:
        await _with_progress(job, timeout)
        return await job.wait()
    if is_terminal(sys.stderr):
        await _while_sending(job)
    async with job.logs(follow=True) as stream:
        async for line in stream:
            show_line(line)
    return await job.wait()


async def _with_progress(job: Job, timeout: float | None) -> None:
    """Show how it gets on until it is done."""
    shown = progress()
    try:
        async with job.live() as live:
            shown.show(live.view, live.sending())
            async for _ in live.changes(at_least=TICK_S, must_run=True, timeout=timeout):
                shown.show(live.view, live.sending())
    finally:
        shown.close()


async def _while_sending(job: Job) -> None:
    """Show how its files get on until the first node is ready."""
    shown, soon = progress(), time.monotonic() + BLINK_S
    try:
        async with job.live() as live:
            async for _ in live.changes(at_least=TICK_S, must_run=True):
                if live.view.started:
                    return
                if (files := live.sending()) and time.monotonic() > soon:
                    shown.show(live.view, files)
    finally:
        shown.close()


def show_line(line: LogLine) -> None:
    """One line of a task, where it belongs: its stderr goes to ours."""
    if line.stream == "stderr":
        sys.stdout.flush()
        diagnostics.say(f"{label(line.task, line.attempt, stderr=True)} {line.text}")
    else:
        output.line(f"{label(line.task, line.attempt)} {line.text}")
        output.flush()


def label(task: int, attempt: int, *, stderr: bool = False) -> str:
    """ "(task 3)", in the task's colour."""
    again = f", attempt {attempt}" if attempt > 1 else ""
    stream = sys.stderr if stderr else sys.stdout
    return painted(f"(task {task}{again})", LABELS[task % len(LABELS)], stream)

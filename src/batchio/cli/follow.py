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
from batchio.core.sending import sending
from batchio.core.views import job_summary
from batchio.runtime.live_status import PREPARING, read_live_status
from batchio.runtime.watching import Watch

if TYPE_CHECKING:
    from batchio.api import Job, Result
    from batchio.cli.output import Format
    from batchio.core.machine import Machine
    from batchio.core.sending import Sending
    from batchio.stores.logs import LogLine

LABELS: Final = ("cyan", "magenta", "blue", "green", "yellow")
"""Colours of the tasks' labels, in turn."""

BLINK_S: Final = 0.5
"""Seconds in which files may arrive without a word about it."""


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
    if leaving := sum(map(bool, result.machine.tasks.files)):
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
    import asyncio

    async with asyncio.timeout(timeout):
        if lines:
            if is_terminal(sys.stderr):
                await _while_sending(job)
            async with job.logs(follow=True) as stream:
                async for line in stream:
                    show_line(line)
            return await job.wait()
        await _with_progress(job)
        return await job.wait()


async def _with_progress(job: Job) -> None:
    """Show how it gets on until it is done."""
    shown, watch = progress(), Watch(job._store)
    try:
        async for _ in watch.news():
            shown.show(job_summary(watch.machine, time.time()), _files(job, watch.machine))
    finally:
        shown.close()
        watch.close()


async def _while_sending(job: Job) -> None:
    """Show how its files get on until the first node is ready."""
    shown, watch = progress(), Watch(job._store)
    soon = time.monotonic() + BLINK_S
    try:
        async for _ in watch.news():
            machine = watch.machine
            if machine.running_job.running or not machine.running_job.spec.files:
                return
            files = _files(job, machine)
            if files and time.monotonic() > soon:
                shown.show(job_summary(machine, time.time()), files)
    finally:
        shown.close()
        watch.close()


def _files(job: Job, machine: Machine) -> Sending | None:
    return sending(machine, read_live_status(job._store, PREPARING))


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

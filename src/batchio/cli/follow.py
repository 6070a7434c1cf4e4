"""Following a job while it runs: its output, its progress, and how it ends."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from batchio.cli import diagnostics, output
from batchio.cli.common import finished
from batchio.cli.diagnostics import ExitCode
from batchio.cli.progress import Drawn, progress
from batchio.cli.summary import ending_lines, next_steps
from batchio.cli.terminal import harmless, is_terminal, painted, visible
from batchio.cli.words import plural
from batchio.core.telling import Teller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchio.api import Job, Leading, Live, LogLine, Result
    from batchio.cli.output import Format

LABELS: Final = ("cyan", "magenta", "blue", "green", "yellow")
"""Colours of the tasks' labels, in turn."""

TICK_S: Final = 0.5
"""Seconds after which a line that shows a duration is drawn anew; and of silence before it is."""


def stay(
    job: Job,
    *,
    lines: bool,
    form: Format = "table",
    array: output.JsonArray | None = None,
    timeout: float | None = None,
    leading: Leading | None = None,
) -> int:
    """Wait for the job, show its output or its progress, and return the exit code.

    JSON about the end is all that is written to stdout then; it goes to `array` if there is one.
    Ctrl-C, TERM and HUP end the waiting, not the job; one that this process leads they cancel.
    """
    try:
        with _told_to_end():
            show = (show_line if form == "table" else show_aside) if lines else None
            result = finished(_to_the_end(job, show, timeout, leading))
            if leading:
                leading.result()
    except KeyboardInterrupt as told:
        code = told.args[0] if told.args else ExitCode.INTERRUPTED
        return stopped(job, leading, code)
    except TimeoutError:
        diagnostics.error(
            f"job {job.id} is not done after {round(timeout or 0.0, 1):g} s",
            f"it keeps running; see: batchio status {job.id}",
        )
        return ExitCode.TIMED_OUT
    if form == "table":
        _tell_ending(job, result)
    else:
        groups = [group.to_json() for group in result.job.failures(attempts=True)]
        record = {**result.job.to_json(), "failures": groups}
        array.add(record) if array else output.json_document(record, form)
    output.flush()
    output.lost(excused=True)  # the exit code says how the job ended, and nothing else
    return result.exit_code


def _tell_ending(job: Job, result: Result) -> None:
    for line in ending_lines(result.job):
        diagnostics.tell(line) if result.exit_code else diagnostics.say(line)
    if leaving := result.job.leaving:
        place = visible(result.job.outputs)
        diagnostics.say(f"output files of {plural(leaving, 'task')}: {place}")
    diagnostics.steps(next_steps(result.job))


@contextmanager
def _told_to_end() -> Iterator[None]:
    """Let TERM and HUP end the waiting as Ctrl-C does, so that the terminal is left in order.

    A signal that the caller has ignored, as nohup does, stays ignored.
    """

    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt(128 + number)

    taken = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) == signal.SIG_DFL]
    try:
        for number in taken:
            signal.signal(number, stop)
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def stopped(job: Job, leading: Leading | None, code: int = ExitCode.INTERRUPTED) -> int:
    """End the waiting, or cancel a job that this process leads; return the exit code."""
    return _cancelled(job, leading, code) if leading else let_go(job, code)


def let_go(job: Job, code: int = ExitCode.INTERRUPTED) -> int:
    """Say that only the waiting has ended, not the job; return the exit code."""
    diagnostics.say()
    diagnostics.say(f"job {job.id} keeps running")
    diagnostics.steps(
        (
            (f"batchio wait {job.id}", "wait for it again"),
            (f"batchio cancel {job.id}", "stop it"),
        )
    )
    return code


def _cancelled(job: Job, leading: Leading, code: int) -> int:
    """Cancel a job that this process leads, and wait until it is tidied up."""
    diagnostics.say()
    diagnostics.say(f"cancelling job {job.id}, because it runs inside this command")
    try:
        leading.cancel()
        leading.wait()
    except KeyboardInterrupt:
        diagnostics.say(f"job {job.id} was left unfinished")
        diagnostics.steps([(f"batchio recover {job.id}", "continue it")])
        return code
    for line in ending_lines(finished(job.status())):
        diagnostics.say(line)
    return code


async def _to_the_end(
    job: Job,
    show: Callable[[LogLine], None] | None,
    timeout: float | None,
    leading: Leading | None,
) -> Result:
    if show is None:
        await _with_progress(job, timeout, leading)
        return await job._ended()
    shown = Beside()
    try:
        async with job._watched(shown.look) as stream:
            async for line in stream:
                shown.before_a_line()
                show(line)
    finally:
        shown.close()
    return await job._ended()


async def _with_progress(job: Job, timeout: float | None, leading: Leading | None) -> None:
    """Show the job's progress until it is done. Raises what a head in this process raised."""
    shown = progress()
    try:
        async with job.live() as live:
            teller = Teller(_seen_by(shown.tell), live.view)
            _tell_news(teller, live)
            shown.show(live.view, live.sending())
            async for _ in live.changes(at_least=TICK_S, must_run=True, timeout=timeout):
                _tell_news(teller, live)
                shown.show(live.view, live.sending())
                if leading and leading.has_ended():
                    leading.result()
    finally:
        shown.close()


def _tell_news(teller: Teller, live: Live) -> None:
    """Tell what is new about a job; of one that is over, what is shown of its end says all."""
    if not live.done:
        teller.look(live.view)


def _seen_by(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Return `tell` for lines that may hold what a terminal would take for orders."""
    return lambda line: tell(visible(line))


class Beside:
    """What is shown of a job beside the lines of its tasks: its progress while they are silent."""

    def __init__(self) -> None:
        drawn = is_terminal(sys.stderr) and not diagnostics.is_quiet()
        self._progress = Drawn() if drawn else None
        self._teller: Teller | None = None
        self._quiet_since = time.monotonic()
        self._drawn = 0.0

    def look(self, live: Live) -> None:
        """Tell what is new about the job's nodes, and draw its progress when it is silent."""
        tell = self._progress.tell if self._progress else diagnostics.warn
        self._teller = self._teller or Teller(_seen_by(tell), live.view)
        _tell_news(self._teller, live)
        now = time.monotonic()
        if self._progress and now > max(self._quiet_since, self._drawn) + TICK_S:
            self._drawn = now
            self._progress.show(live.view_now(), live.sending())

    def before_a_line(self) -> None:
        """Make room for a line of a task."""
        self._quiet_since = time.monotonic()
        if self._progress:
            self._progress.hide()

    def close(self) -> None:
        """Remove what is drawn."""
        if self._progress:
            self._progress.close()


def show_line(line: LogLine) -> None:
    """Print one line of a task: its stdout to our stdout, its stderr to our stderr."""
    if line.stream == "stderr":
        sys.stdout.flush()
        show_aside(line)
    else:
        output.line(f"{label(line.task, line.attempt)} {harmless(line.text, sys.stdout)}")
        output.flush()


def show_aside(line: LogLine) -> None:
    """Print one line of a task to our stderr, whatever stream it was written to."""
    told = line.stream == "stderr" and is_terminal(sys.stderr)
    about = label(line.task, line.attempt, stderr=True, mark=" stderr" if told else "")
    diagnostics.passed_on(f"{about} {harmless(line.text, sys.stderr)}")


def label(task: int, attempt: int, *, stderr: bool = False, mark: str = "") -> str:
    """Return the label of a task's line, "(task 3)", in the task's colour.

    `stderr`: it is printed there; `mark` tells a line of the task's stderr on a terminal.
    """
    again = f", attempt {attempt}" if attempt > 1 else ""
    stream = sys.stderr if stderr else sys.stdout
    return painted(f"(task {task}{again}{mark})", LABELS[task % len(LABELS)], stream)

"""The only writer of stderr: messages, warnings, errors with their hints; and the exit codes."""

from __future__ import annotations

import errno
import os
import sys
from contextvars import ContextVar
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import click

from batchio.cli.place import with_place
from batchio.cli.terminal import painted, visible
from batchio.errors import BatchioError

if TYPE_CHECKING:
    from collections.abc import Iterable

REPORT_TO: Final = "https://github.com/batchio/batchio/issues"


class ExitCode(IntEnum):
    """Exit codes of the process: how the job, or the command, ended."""

    SUCCEEDED = 0
    """Every task succeeded; or the command did what it was asked and waited for nothing."""
    TASK_FAILED = 1
    """At least one task failed, or ran out of its own time."""
    USAGE = 2
    """What was asked cannot be done as written; nothing was started."""
    INFRASTRUCTURE = 3
    """Nodes, the workspace or batchio failed; the program is not to blame."""
    CANCELLED = 4
    """The job was cancelled."""
    TIMED_OUT = 5
    """The job ran out of its time, or waiting for it did."""
    INTERRUPTED = 130
    """Ctrl-C; a job that was being waited for goes on."""
    READER_GONE = 141
    """The reader of our output has closed it, as in `batchio logs | head`."""


_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


_QUIET: Final[ContextVar[bool]] = ContextVar("batchio_quiet", default=False)
"""Whether only what is not well is told."""


def be_quiet(quiet: bool) -> None:
    """Leave out from here on, or tell again, what is said while all is well."""
    _QUIET.set(quiet)


def is_quiet() -> bool:
    """Return whether only what is not well is told."""
    return _QUIET.get()


def say(text: str = "") -> None:
    """Print a message for people on stderr, unless they want to hear of trouble only."""
    if not is_quiet():
        tell(text)


def tell(text: str) -> None:
    """Print a message for people on stderr, also to those who want to hear of trouble only."""
    _write(with_place(text))


def passed_on(text: str) -> None:
    """Print a line that a task wrote to its stderr, as it is."""
    _write(text)


def warn(text: str) -> None:
    """Print a warning: something to know that stops nothing."""
    tell(f"{painted('warning:', 'yellow', sys.stderr)} {text}")


def hint(text: str) -> None:
    """Print a hint: what to do about a warning or an error."""
    tell(f"{painted('hint:', 'cyan', sys.stderr)} {text}")


def error(text: str, remedy: str | None = None) -> None:
    """Print an error, and `remedy` as its hint: something that could not be done."""
    tell(f"{painted('error:', 'red', sys.stderr)} {text}")
    if remedy:
        hint(remedy)


def steps(lines: Iterable[tuple[str, str]]) -> None:
    """Print commands to type next, each with its purpose, as a list."""
    if is_quiet():
        return
    pairs = [(with_place(command), purpose) for command, purpose in lines]
    longest = max((len(command) for command, _ in pairs), default=0)
    for command, purpose in pairs:
        _write(
            f"  {painted(command, 'bold', sys.stderr)}{' ' * (longest - len(command))}  {purpose}"
        )


def report(problem: BaseException) -> int:
    """Print what went wrong, in a line or two, and return the exit code.

    With BATCHIO_DEBUG set the traceback follows.
    """
    if os.environ.get("BATCHIO_DEBUG") and not isinstance(problem, click.exceptions.Abort):
        import traceback

        _write("".join(traceback.format_exception(problem)).rstrip())
    match problem:
        case BatchioError():
            error(visible(str(problem)), visible(problem.hint) if problem.hint else None)
            return problem.exit_code
        case click.UsageError():
            error(*_usage(problem))
            return ExitCode.USAGE
        case click.ClickException():
            error(visible(problem.format_message()))
            return ExitCode.INFRASTRUCTURE
        case click.exceptions.Abort() | KeyboardInterrupt():
            told = problem.__cause__ if isinstance(problem, click.exceptions.Abort) else problem
            if told and str(told):
                say(visible(str(told)))
            return ExitCode.INTERRUPTED
        case MemoryError():
            error("there is not enough memory")
            return ExitCode.INFRASTRUCTURE
        case OSError() if problem.errno in _NO_ROOM and not problem.filename:
            error(f"cannot write: {problem.strerror}")
            return ExitCode.INFRASTRUCTURE
        case OSError() if problem.strerror and problem.filename:
            error(visible(f"{problem.filename}: {problem.strerror}"))
            return ExitCode.INFRASTRUCTURE
        case _:
            said = visible(f"{type(problem).__name__}: {problem}".rstrip(": "))
            error(f"batchio failed: {said}")
            hint(f"BATCHIO_DEBUG=1 shows where; please report it: {REPORT_TO}")
            return ExitCode.INFRASTRUCTURE


_SHORT: Final = {"-n": "--ntasks", "-j": "--max-workers", "-w": "--wait"}
"""Short options of other programs, and what `run` calls them."""


def _usage(problem: click.UsageError) -> tuple[str, str]:
    """Return what is wrong with the command line, and what to do about it."""
    command = problem.ctx.command_path if problem.ctx else "batchio"
    look = f"see: {command} --help"
    if isinstance(problem, click.NoSuchOption):
        close = problem.possibilities[0] if problem.possibilities else ""
        if command == "batchio":
            look = (
                "options of a command come after it, as in: batchio run --wait; see: batchio --help"
            )
        elif command == "batchio run":
            close = close or _SHORT.get(problem.option_name, "")
        text = f"no such option: {visible(problem.option_name)}"
        return text, f"did you mean {close}?" if close else look
    if isinstance(problem, click.MissingParameter) and problem.param is not None:
        name = problem.param.make_metavar(problem.ctx) if problem.ctx else problem.param.name
        return f"{name} is missing", look
    text = visible(problem.format_message()).rstrip(".")
    return text[:1].lower() + text[1:], getattr(problem, "remedy", None) or look


def _write(text: str) -> None:
    """Write one line or more to stderr; ignore a stderr that is closed or full."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass

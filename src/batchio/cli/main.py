"""The entry point of the command line. It loads a command only when it is called."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from importlib import import_module
from typing import Final

import click

from batchio.cli import diagnostics, output, place, terminal
from batchio.errors import UsageError

COMMANDS: Final = {
    "run": ("batchio.cli.run:run", "Run a script or command as one or many tasks."),
    "plan": ("batchio.cli.plan:plan", "Show what a job would take and cost."),
    "prices": ("batchio.cli.prices:prices", "Show what machines cost that can be rented."),
    "status": ("batchio.cli.look:status_command", "Show the state of a job and its tasks."),
    "list": ("batchio.cli.look:list_command", "List jobs, newest first."),
    "wait": ("batchio.cli.waiting:wait", "Wait for a job to end; the exit code says how it ended."),
    "logs": ("batchio.cli.logs:logs", "Show what tasks printed."),
    "explain": ("batchio.cli.explain:explain", "Explain why a job or a task is in its state."),
    "nodes": ("batchio.cli.nodes:nodes_command", "Show the nodes of a job."),
    "dashboard": ("batchio.cli.dashboard:dashboard", "Show a job live, in the whole terminal."),
    "report": ("batchio.cli.report:report", "Write a report of a job as one HTML file."),
    "ssh": ("batchio.cli.shell:ssh", "Open a shell where a task runs."),
    "cancel": ("batchio.cli.change:cancel", "Stop a job, or some of its tasks."),
    "retry": ("batchio.cli.change:retry", "Run tasks of a job again."),
    "recover": ("batchio.cli.change:recover", "Continue a job whose head died."),
    "check": ("batchio.cli.check:check", "Check that a job would run here."),
    "env": ("batchio.cli.env:env", "Show the Python environment that jobs take along."),
    "rm": ("batchio.cli.removing:rm", "Delete jobs."),
    "prune": ("batchio.cli.removing:prune", "Delete all old jobs that are done."),
    "doctor": ("batchio.cli.doctor:doctor", "Check that a cloud account is ready for jobs."),
    "setup": ("batchio.cli.doctor:setup", "Print what makes a cloud account ready for jobs."),
    "gc": ("batchio.cli.gc:gc", "Find and end what is left in a cloud account."),
    "completion": (
        "batchio.cli.completion:completion",
        "Print the completion script for bash, zsh or fish.",
    ),
    "version": ("batchio.cli.completion:version", "Show the version."),
    "help": (
        "batchio.cli.helping:help_command",
        "Show the help of a command.",
    ),
}
"""Module and line in --help of each command, in the order in which --help lists them."""

MEANT: Final = {
    **dict.fromkeys(("ls", "jobs", "history", "queue", "squeue"), "list"),
    **dict.fromkeys(("ps", "stat", "show", "top", "info", "describe"), "status"),
    **dict.fromkeys(("kill", "stop", "abort", "scancel", "terminate"), "cancel"),
    **dict.fromkeys(("remove", "delete", "del"), "rm"),
    **dict.fromkeys(("clean", "clear", "purge"), "prune"),
    **dict.fromkeys(("log", "output", "tail", "cat"), "logs"),
    **dict.fromkeys(("why", "debug"), "explain"),
    **dict.fromkeys(("resume", "continue", "restart-head"), "recover"),
    **dict.fromkeys(("rerun", "restart", "resubmit", "again"), "retry"),
    **dict.fromkeys(("submit", "start", "exec", "sbatch", "batch", "sub"), "run"),
    **dict.fromkeys(("watch", "attach", "join"), "wait"),
    **dict.fromkeys(("shell", "login", "connect"), "ssh"),
    **dict.fromkeys(("hosts", "machines", "workers"), "nodes"),
    **dict.fromkeys(("ui", "tui", "gui", "monitor"), "dashboard"),
    **dict.fromkeys(("test", "validate"), "check"),
    **dict.fromkeys(("man", "manual", "usage"), "help"),
}
"""Words of other programs, and the command that does here what they mean."""

HELP: Final = """Run any script or command as N parallel tasks.

\b
  batchio run hello.sh                       run a script with its directives
  batchio run --ntasks 10 --wait train.py    ten tasks; wait for them
  batchio status                             show the newest job
"""


class Commands(click.Group):
    """A group that knows its commands by name, and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command of this name; None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for each command, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is called. Raises UsageError, which suggests one."""
        name = args[0]
        if name in COMMANDS or ctx.resilient_parsing or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from batchio.options.table import nearest

        close = MEANT.get(name.lower()) or nearest(name, COMMANDS)
        remedy = f"did you mean batchio {close}?" if close else "see: batchio --help"
        if not close and ("." in name or "/" in name):
            remedy = f"did you mean batchio run {shlex.quote(name)}?"
        raise UsageError(f"no such command: {name}", hint=remedy)


def show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the version and exit."""
    if wanted and not ctx.resilient_parsing:
        from batchio import __version__

        output.line(f"batchio {__version__}")
        ctx.exit()


def choose_colour(_: click.Context, __: click.Parameter, when: str) -> None:
    """Write in colour from here on as --color says."""
    terminal.use_colour(when)


cli = Commands(
    "batchio",
    help=HELP,
    subcommand_metavar="COMMAND ...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[
        click.Option(
            ["--color"],
            type=click.Choice(("auto", "always", "never")),
            default="auto",
            is_eager=True,
            expose_value=False,
            callback=choose_colour,
            help="When to use color; NO_COLOR and FORCE_COLOR work, too.",
        ),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=show_version,
            help="Show the version and exit.",
        ),
    ],
)


def call(args: list[str]) -> int:
    """Run this command line and return the exit code; never raises."""
    place.use(None)
    diagnostics.be_quiet(False)
    terminal.use_colour("auto")
    try:
        from batchio.options.terms import for_command_line

        with for_command_line():
            code = cli.main(args or ["--help"], prog_name="batchio", standalone_mode=False)
        output.flush()
        code = code or output.lost()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException as problem:
        return (isinstance(problem, OSError) and output.cannot_flush()) or diagnostics.report(
            problem
        )
    return int(code or 0)


def main() -> None:
    """Run the `batchio` program."""
    # Some launchers ignore it, and so would we: then no child's end could be waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _fill_streams()
    code = call(sys.argv[1:])
    _drop_unwritable_stderr()
    sys.exit(code)


def _fill_streams() -> None:
    """Open /dev/null for each standard stream that is closed, as daemons have them.

    Else the next opened file would get the stream's number, and everything that is printed.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _drop_unwritable_stderr() -> None:
    """Point stderr to /dev/null if it takes nothing (a full disk): Python would exit with 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


if __name__ == "__main__":
    main()

"""The pages of docs/reference about the command line, options, exit codes and errors."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from batchio import errors
from batchio.cli.diagnostics import ExitCode
from batchio.cli.main import COMMANDS, cli
from batchio.options.schema import GROUPS
from batchio.options.table import OPTIONS, env_name
from batchio.options.values import show
from batchio.providers import NAMES, traits

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

    from batchio.options.schema import Option

NOTE = "<!-- Written by make docs; change the code, not this page. -->\n"
WIDTH = 88

EXIT_CODES = {
    ExitCode.SUCCEEDED: "Every task succeeded; or the command did what it was asked and "
    "waited for nothing.",
    ExitCode.TASK_FAILED: "At least one task failed, or ran out of its own time.",
    ExitCode.USAGE: "What was asked cannot be done as written; nothing was started.",
    ExitCode.INFRASTRUCTURE: "Nodes, the workspace or batchio failed; the program is not to blame.",
    ExitCode.CANCELLED: "The job was cancelled.",
    ExitCode.TIMED_OUT: "The job ran out of its time (`--job-timeout`), or waiting for it did "
    "(`wait --timeout`).",
    ExitCode.INTERRUPTED: "Ctrl-C. A job that was being waited for goes on.",
    ExitCode.READER_GONE: "Whoever read the output closed it, as in `batchio logs \\| head`.",
}


def cli_page() -> str:
    """Every command's help."""
    parts = [NOTE, "# Command line\n"]
    root = help_context(cli, "batchio", None)
    parts.append(_help("batchio", cli, root))
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        parts.append(_help(f"batchio {name}", command, help_context(command, name, root)))
    return "\n".join(parts)


def help_context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    """Return a context as the command line makes it, of a terminal of WIDTH columns."""
    return command.make_context(name, [], parent, resilient_parsing=True, terminal_width=WIDTH)


def _help(title: str, command: click.Command, context: click.Context) -> str:
    return f"## {title}\n\n```text\n{command.get_help(context)}\n```\n"


def options_page() -> str:
    """Every option with all of its spellings."""
    parts = [
        NOTE,
        "# Options\n",
        "One table makes the command line, the directives in scripts, the keyword arguments of "
        "`batchio.run`,\nthe `BATCHIO_*` variables and the configuration files. Highest first: "
        "command line or Python call,\n`# BATCHIO` directives, `# COILED` directives, "
        "environment, project file (`batchio.toml` or\n`[tool.batchio]` in `pyproject.toml`), "
        "user file (`~/.config/batchio/config.toml`), defaults.\n"
        "`batchio run --dry-run` shows what counts, and where it came from.\n",
    ]
    for group in GROUPS:
        rows = [o for o in OPTIONS if o.group == group]
        parts.append(f"## {group}\n")
        parts += [_option(option) for option in rows]
    return "\n".join(parts)


def _option(option: Option) -> str:
    lines = [f"### {option.name}\n", option.help + "\n"]
    lines += [f"- {label}: {text}" for label, text in _facts(option)]
    return "\n".join(lines) + "\n"


def _facts(option: Option) -> Iterator[tuple[str, str]]:
    metavar = f" {option.metavar}" if option.metavar else ""
    if "cli" in option.surfaces:
        names = [*([option.short] if option.short else []), *(f"--{n}" for n in option.spellings)]
        yield "command line", ", ".join(f"`{name}{metavar}`" for name in names)
        others = sorted(option.commands - {"run"})
        if others:
            also = "also " if "run" in option.commands else ""
            yield "commands", also + ", ".join(f"`{name}`" for name in others)
    if "directive" in option.surfaces:
        yield "directive", f"`# BATCHIO {option.name}{metavar}`"
    if "api" in option.surfaces:
        yield "keyword", ", ".join(f"`{word}`" for word in option.keywords)
    if "env" in option.surfaces:
        yield "environment", f"`{env_name(option)}`"
    if "config" in option.surfaces:
        yield "configuration file", f"`{option.name}`"
    if text := show(option, option.default):
        yield "default", text
    if option.choices:
        words = [*option.choices, *([option.others] if option.others else [])]
        yield "choices", ", ".join(f"`{choice}`" for choice in words)
    for provider in NAMES:
        if why := option.refusal(provider, traits(provider)):
            yield f"on {provider}", f"ignored with a warning: {why}"


def exit_codes_page() -> str:
    """What `batchio` exits with."""
    parts = [
        NOTE,
        "# Exit codes\n",
        "`batchio run --wait`, `batchio run --follow` and `batchio wait` exit with the truth "
        "about the job.\n",
        "| code | meaning |",
        "| ---: | --- |",
        *(f"| {code.value} | {EXIT_CODES[code]} |" for code in ExitCode),
    ]
    return "\n".join(parts) + "\n"


def errors_page() -> str:
    """The tree of errors, and the code of each."""
    tree = inspect.cleandoc(errors.__doc__ or "").split("\n\n")[1]
    found = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.BatchioError)
    ]
    parts = [
        NOTE,
        "# Errors\n",
        "Everything that batchio raises on purpose is a `BatchioError` from `batchio.errors`. "
        "Each has a `message`,\noften a `hint` (one line that says what to do) and a `where` "
        "(the place of the mistake), and a stable `code`.\n",
        f"```text\n{tree}\n```\n",
        "| error | code | exit code | meaning |",
        "| --- | --- | ---: | --- |",
        *(
            f"| `{kind.__name__}` | `{kind.code}` | {kind.exit_code} | {_first_line(kind)} |"
            for kind in found
        ),
    ]
    return "\n".join(parts) + "\n"


def _first_line(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").split("\n")[0]


PAGES = {
    "cli.md": cli_page,
    "options.md": options_page,
    "exit-codes.md": exit_codes_page,
    "errors.md": errors_page,
}
"""Names of the pages, and what makes each."""

"""The command that shows help: `batchio help COMMAND` is `batchio COMMAND --help`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batchio.cli import output

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class CommandArgument(click.Argument):
    """The argument COMMAND: the name of a command, which a shell can complete."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the names of the commands that fit."""
        from click.shell_completion import CompletionItem

        from batchio.cli.main import COMMANDS

        return [CompletionItem(name) for name in COMMANDS if name.startswith(incomplete)]


@click.pass_context
def show_help(context: click.Context, command: str | None) -> int:
    """Show the help of a command; without COMMAND, list all commands.

    The manual pages, `man batchio` and `man batchio-run`, show the same. Guides and
    examples are in the docs.

    \b
      batchio help
      batchio help run
    """
    root = context.parent
    assert root is not None
    group = root.command
    assert isinstance(group, click.Group)
    if command is None:
        output.line(group.get_help(root))
        return 0
    name, found, _ = group.resolve_command(root, [command])
    assert found is not None
    output.line(found.get_help(found.make_context(name, [], root, resilient_parsing=True)))
    return 0


help_command = click.Command(
    "help",
    callback=show_help,
    help=show_help.__doc__,
    params=[CommandArgument(["command"], required=False, metavar="[COMMAND]")],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

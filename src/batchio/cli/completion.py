"""Small commands about batchio itself: completion for shells, the version."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from batchio.cli import diagnostics, output
from batchio.cli.documents import Version
from batchio.cli.options import command
from batchio.core.record import SCHEMA

if TYPE_CHECKING:
    from batchio.cli.output import Format

SHELLS: Final = ("bash", "zsh", "fish")
VARIABLE: Final = "_BATCHIO_COMPLETE"
"""Variable that a shell sets when it asks for completions; click answers it."""

INSTALL: Final = {
    "bash": "echo 'eval \"$(batchio completion bash)\"' >> ~/.bashrc",
    "zsh": "echo 'eval \"$(batchio completion zsh)\"' >> ~/.zshrc",
    "fish": "batchio completion fish > ~/.config/fish/completions/batchio.fish",
}


def completion_script(shell: str) -> int:
    """Print a script that completes commands, options, files, and jobs by id and name.

    \b
    To enable it in every new shell:
      bash  echo 'eval "$(batchio completion bash)"' >> ~/.bashrc
      zsh   echo 'eval "$(batchio completion zsh)"' >> ~/.zshrc
      fish  batchio completion fish > ~/.config/fish/completions/batchio.fish
    """
    from click.shell_completion import get_completion_class

    from batchio.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None
    output.line(found(cli, {}, "batchio", VARIABLE).source())
    if output.to_person():
        output.flush()
        diagnostics.hint(f"to enable it in every new shell: {INSTALL[shell]}")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionArgs:
    """Arguments of `batchio version`."""

    format: Format


def show_version(args: VersionArgs) -> int:
    """Show the versions of batchio, Python and the system, for bug reports.

    \b
      batchio version
    """
    from batchio import __version__

    python, system = platform.python_version(), f"{platform.system()} {platform.release()}"
    if args.format == "table":
        output.line(f"batchio {__version__}, Python {python}, {system}")
    else:
        record = Version(schema=SCHEMA, version=__version__, python=python, system=system)
        output.json_document(record, args.format)
    return 0


_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

completion = click.Command(
    "completion",
    callback=completion_script,
    help=completion_script.__doc__,
    params=[click.Argument(["shell"], type=click.Choice(SHELLS))],
    context_settings=_SETTINGS,
)
version = command("version", show_version, VersionArgs)

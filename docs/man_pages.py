"""docs/man: manual pages of batchio and of each of its commands, made from the same help texts.

The wheel puts them into share/man/man1, where `man` finds them beside the program.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from batchio.cli.main import COMMANDS, cli
from docs.reference_pages import EXIT_CODES, help_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import click


def files() -> dict[str, Callable[[], str]]:
    """Return what makes each file, by its name below docs/man."""
    return {"batchio.1": whole, **{f"batchio-{name}.1": _maker(name) for name in COMMANDS}}


def _maker(name: str) -> Callable[[], str]:
    return lambda: page(name)


def whole() -> str:
    """Return the page about batchio, which lists the commands."""
    root = help_context(cli, "batchio", None)
    listed = [
        line
        for name, (_, said) in COMMANDS.items()
        for line in (".TP", f".BR batchio-{_text(name)} (1)", _text(said))
    ]
    return _page(
        "batchio",
        "run any script or command as N parallel tasks",
        cli,
        root,
        [".SH COMMANDS", *listed, *_exit_codes()],
    )


def page(name: str) -> str:
    """Return the page about one command."""
    root = help_context(cli, "batchio", None)
    command = cli.get_command(root, name)
    assert command is not None
    about = COMMANDS[name][1].rstrip(".")
    return _page(
        f"batchio-{name}",
        about[0].lower() + about[1:],
        command,
        help_context(command, name, root),
        [".SH SEE ALSO", ".BR batchio (1)"],
    )


def _page(
    title: str, about: str, command: click.Command, context: click.Context, more: list[str]
) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [
        '.\\" Written by make docs; change the code, not this page.',
        f'.TH {title.upper()} 1 "" batchio "User Commands"',
        ".SH NAME",
        f"{_text(title)} \\- {_text(about)}",
        ".SH SYNOPSIS",
        f".B {_text(context.command_path)}",
        _text(usage),
        ".SH DESCRIPTION",
        *_paragraphs(command.help or ""),
        ".SH OPTIONS",
        *_options(command, context),
        *more,
    ]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the lines of a help text; a paragraph behind a backspace is kept as it is."""
    for part in inspect.cleandoc(text).split("\n\n"):
        if part.startswith("\b\n"):
            yield from (".PP", ".nf", *map(_text, part[2:].splitlines()), ".fi")
        else:
            yield from (".PP", _text(" ".join(part.split())))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for param in command.get_params(context):
        record = param.get_help_record(context)
        if record and getattr(param, "useful", True):
            yield from (".TP", f".B {_text(record[0])}", _text(record[1]))


def _exit_codes() -> list[str]:
    rows = ((str(code.value), text) for code, text in EXIT_CODES.items())
    lines = (
        (".TP", f".B {number}", _text(text.replace("`", "").replace("\\|", "|")))
        for number, text in rows
    )
    return [".SH EXIT STATUS", *(line for each in lines for line in each)]


def _text(text: str) -> str:
    """Return a text for roff: backslashes, hyphens and signs at a line's beginning are plain."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{plain}" if plain[:1] in (".", "'") else plain

"""Terminals, for the writers of stdout and stderr: whether a stream is one, colours, safe text."""

from __future__ import annotations

import os
import re
import shutil
import stat
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import click

from batchio.core.visible import visible as visible

if TYPE_CHECKING:
    from typing import TextIO

_COLOURS: Final = re.compile(r"(\x1b\[[0-9;:]*m)")


def is_terminal(stream: TextIO) -> bool:
    """Return whether a stream is a terminal, so that a person looks at it."""
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False


def columns(stream: TextIO) -> int:
    """Return how many columns a terminal has: what COLUMNS says, else it itself, else 80."""
    with suppress(OSError, ValueError):
        if (
            not os.environ.get("COLUMNS")
            and (size := os.get_terminal_size(stream.fileno())).columns
        ):
            return size.columns
    return shutil.get_terminal_size().columns


STDIN: Final = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
"""The names of standard input."""


def stdin_waits() -> bool:
    """Return whether standard input is a pipe or a file of which something is not read yet."""
    import select

    try:
        kind = os.fstat(0)
        if stat.S_ISREG(kind.st_mode):
            return os.lseek(0, 0, os.SEEK_CUR) < kind.st_size
        if not stat.S_ISFIFO(kind.st_mode):
            return False
        look = select.poll()
        look.register(0, select.POLLIN)
        return any(what & select.POLLIN for _, what in look.poll(0))
    except OSError:  # it is closed
        return False


_COLOUR: Final[ContextVar[str]] = ContextVar("batchio_colour", default="auto")


def use_colour(when: str) -> None:
    """Write colours from here on "always", "never", or as stream and environment want: "auto"."""
    _COLOUR.set(when)


def has_colour(stream: TextIO) -> bool:
    """Return whether to write colours, and bold text, to a stream.

    What --color says counts first, then NO_COLOR (https://no-color.org), then FORCE_COLOR
    (https://force-color.org), then whether the stream is a terminal that knows colours.
    """
    if (when := _COLOUR.get()) != "auto":
        return when == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and is_terminal(stream)


def only_ascii() -> bool:
    """Return whether the locale is C by name, so that lines of tables must be ASCII."""
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    return next(filter(None, named), "") in ("C", "POSIX")


def painted(text: str, colour: str, stream: TextIO) -> str:
    """Return the text in a colour, or bold, when the stream shows colours.

    A colour is never the only sign of anything.
    """
    if not colour or not has_colour(stream):
        return text
    return click.style(text, bold=True) if colour == "bold" else click.style(text, colour)


def harmless(text: str, stream: TextIO) -> str:
    """Return a line of a task's output in a form that cannot control the stream's terminal.

    On a terminal only colours pass (SGR, ECMA-48), and end with the line; all other control
    characters are spelled out. Elsewhere the line stays as it is.
    """
    if (text.isascii() and text.isprintable()) or not is_terminal(stream):
        return text
    shown = "".join(
        part if at % 2 else visible(part) for at, part in enumerate(_COLOURS.split(text))
    )
    return f"{shown}\x1b[0m" if "\x1b" in shown else shown


def width(text: str) -> int:
    """Return how many columns the text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # 10 ms that plain text should not pay

    return cell_len(text)

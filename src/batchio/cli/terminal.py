"""What both writers know of the terminal: whether it is one, colours, safe text."""

from __future__ import annotations

import os
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TextIO

_CODES: Final = {
    "bold": 1,
    "dim": 2,
    "red": 31,
    "green": 32,
    "yellow": 33,
    "blue": 34,
    "magenta": 35,
    "cyan": 36,
}

_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
"""Marks that turn the order of what is seen around."""


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at it."""
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False


def has_colour(stream: TextIO) -> bool:
    """Whether to colour what is written there; https://no-color.org is honoured."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and is_terminal(stream)


def painted(text: str, colour: str, stream: TextIO) -> str:
    """The text in a colour where there are colours; never the only sign of anything."""
    if not colour or not has_colour(stream):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def visible(text: str) -> str:
    r"""The text with control characters other than tab spelled out: `\x1b`, `\n`.

    What others chose (a command, a task's last words) must not steer our terminal.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(char) if _is_control(char) else char for char in text)


def width(text: str) -> int:
    """Columns that the text takes on a terminal."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def _is_control(char: str) -> bool:
    return char != "\t" and (unicodedata.category(char) in ("Cc", "Cs") or char in _BIDI)


def _spelled(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte of a name that is no UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()

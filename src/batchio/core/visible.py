"""Text that others chose, in a form that cannot control a terminal. Pure."""

from __future__ import annotations

import unicodedata
from typing import Final

_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
"""Characters that change the direction of the text around them."""


def visible(text: str) -> str:
    r"""Return the text with control characters other than tab spelled out: `\x1b`, `\n`.

    Text that others chose (a command, a task's last words) must not control our terminal.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(char) if _is_control(char) else char for char in text)


def _is_control(char: str) -> bool:
    return char != "\t" and (unicodedata.category(char) in ("Cc", "Cs") or char in _BIDI)


def _spelled(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte of a name that is no UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()

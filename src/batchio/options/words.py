"""The words of a command as a program in Python gives them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from batchio.errors import UsageError

if TYPE_CHECKING:
    from os import PathLike

    Words: TypeAlias = str | PathLike[str] | Sequence[str | PathLike[str]]
    """A command: a list of words, byte for byte; a path, for a program or script; or one string."""


def as_words(command: object) -> str | list[str]:
    """Return a command as one string, if it is one, or as a list of words.

    A path alone is the program, or script, at that path: never one that PATH finds.

    Raises:
        UsageError: it is neither text nor words; names the word.
    """
    if isinstance(command, str):
        return command
    if hasattr(command, "__fspath__"):
        path = _word(command, "the command")
        return [path if "/" in path else f"./{path}"]
    if isinstance(command, bytes) or not isinstance(command, Iterable):
        raise _wrong(command, "the command")
    return [_word(word, f"word {at} of the command") for at, word in enumerate(command, 1)]


def _word(word: object, what: str) -> str:
    path = getattr(word, "__fspath__", None)
    text = path() if path else word
    if not isinstance(text, str):
        raise _wrong(text, what)
    return text


def _wrong(value: object, what: str) -> UsageError:
    kind = type(value).__name__
    hint = f"write {str(value)!r}" if isinstance(value, int | float) else None
    shown = f"{what} is {value!r}, of type {kind}, not a string"
    return UsageError(shown, hint=hint or "a command is a list of strings, or one string")

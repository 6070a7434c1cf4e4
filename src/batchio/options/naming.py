"""A job's name when none was given: what runs, not the shell or interpreter that runs it. Pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from itertools import dropwhile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST: Final = 24
"""Most characters of code that become a name."""

_SHELL: Final = re.compile(r"(?:ba|da|z|k|fi|a)?sh$")
_INTERPRETER: Final = re.compile(r"(?:python[\d.]*|perl|ruby|node|Rscript|julia|lua|php)$")
_WRAPPER: Final = re.compile(r"(?:env|nice|nohup|time|exec|sudo|timeout|stdbuf|srun)$")
_OPTION: Final = re.compile(r"-|[\d.]+[smhd]?$")
_SETTING: Final = re.compile(r"[A-Za-z_]\w*=")
_KEYWORD: Final = re.compile(r"(?:do|then|else|if|while|until|!|\{|\()$")
_PRELUDE: Final = re.compile(r"(?:for|case|cd|set|export|source|\.|umask|ulimit|module)$")


def program_name(words: Sequence[str] | str) -> str:
    """Return a name for a job that runs these words, or this line for the shell: never `sh`."""
    return (_of_line(words) if isinstance(words, str) else _of_words(words)) or "job"


def _of_line(line: str) -> str:
    """Return the name of the first program in a line for the shell that does the work."""
    for part in re.split(r"[;&|\n]+", line):
        words = list(dropwhile(_KEYWORD.match, _split(part)))
        if not words or _PRELUDE.match(words[0]):
            continue
        if name := _of_words(words):
            return name
    return _clipped(line)


def _of_words(words: Sequence[str]) -> str:
    """Return the name of the program that these words run; "" when there is none."""
    at = 0
    while at < len(words) and _SETTING.match(words[at]):
        at += 1
    if at == len(words):
        return ""
    program, rest = posixpath.basename(words[at]), words[at + 1 :]
    if _WRAPPER.match(program):
        behind = list(dropwhile(_OPTION.match, rest))
        return _of_words(behind) or program
    if _SHELL.match(program):
        return _behind(rest, "c", _of_line) or program
    if _INTERPRETER.match(program):
        flag = "c" if program.startswith("python") else "e"
        return _behind(rest, flag, _clipped) or program
    return program


def _behind(words: Sequence[str], flag: str, of_code: Callable[[str], str]) -> str:
    """Return the name of the code behind `-c`, of the module behind `-m`, or of the script."""
    for at, word in enumerate(words):
        value = words[at + 1] if at + 1 < len(words) else ""
        if word.startswith("-") and not word.startswith("--") and word.endswith(flag):
            return of_code(value)
        if word == "-m" and flag == "c":
            return value
        if not word.startswith("-"):
            return posixpath.basename(word)
    return ""


def _clipped(code: str) -> str:
    """Return the beginning of the first line of code that is not blank."""
    first = next((line.strip() for line in code.splitlines() if line.strip()), "")
    return first[:MOST].strip()


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that is not closed
        return text.split()

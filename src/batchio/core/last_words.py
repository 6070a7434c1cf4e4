"""Last words of a task, and what to do about them. Pure."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_MODULE: Final = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_NO_COMMAND: Final = re.compile(r": (?:line )?\d+: ([^\s:'\"]+): (?:command )?not found$")
_PYTHONS_FILE: Final = r"Error: \[Errno \d+\] {}: '([^']+)'"
_TOOLS_FILE: Final = r"(?:^|: )(?:cannot [\w ]+ )?['\"‘]?([^\s:'\"‘’]+)['\"’]?: {}$"
_PYTHON_2: Final = "SyntaxError: Missing parentheses in call to 'print'"

_VARYING: Final = re.compile(
    r"""
    (?<![\w/])(?:/private)?/(?:tmp|var/tmp|var/folders|dev/shm|scratch)/[^\s'":,;()\[\]<>]+
    | \b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b     # a UUID
    | \b0x[0-9a-f]+\b
    | \b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{6,}\b           # a commit, an address, a digest
    | \b(?=[a-z]*\d+[a-z]+\d)[a-z0-9]{8,}\b              # an id such as 2bbw29m4kv
    | \d+(?:[.,:]\d+)*(?:e[+-]?\d+\b)?
    """,
    re.VERBOSE | re.IGNORECASE,
)


def template(words: str) -> str:
    """Return last words with # for each number, hexadecimal, id and temporary path.

    So "row 17 of /tmp/x1.csv" and "row 4 of /tmp/y7.csv" are alike: "row # of #".
    """
    return _VARYING.sub("#", words)


def explained(words: str) -> Iterator[str]:
    """Yield sentences about a task's last words: the words, and a hint where there is one."""
    if words:
        yield f'Its last words: "{words}"'
    if hint := advice(words):
        yield hint


def advice(words: str) -> str:
    """Return a sentence that says what a task's last words mean and what to do; or ""."""
    if found := _NO_MODULE.search(words):
        return _module(found[1].partition(".")[0])
    if path := _path(words, "No such file or directory"):
        return _missing(path)
    if path := _path(words, "Permission denied"):
        return _denied(path)
    if found := _NO_COMMAND.search(words):
        return _command(found[1])
    if _PYTHON_2 in words:
        return "The script is written for Python 2, and Python 3 ran it."
    return ""


def _path(words: str, trouble: str) -> str:
    """Return the path that Python, a shell or a common tool reports the trouble for; or ""."""
    found = re.search(_PYTHONS_FILE.format(trouble), words) or re.search(
        _TOOLS_FILE.format(trouble), words
    )
    return found[1] if found else ""


def _module(name: str) -> str:
    return (
        f"Python found no module {name} where the task ran. If it is a file of yours, send it: "
        f"--upload {name}.py. If it is a library, install it there."
    )


def _missing(path: str) -> str:
    if path.startswith("/"):
        return f"{path} does not exist where the task ran."
    said = (
        f"The task looked for {path} in its working folder, which holds only the files that were "
        f"sent with the job."
    )
    top = posixpath.normpath(path).split("/")[0]  # the file, or the folder that it is in
    return said if top == ".." else f"{said} To send it: --upload {top}"


def _denied(path: str) -> str:
    if path.startswith("/"):
        return f"The user that runs the task may not use {path} there."
    return f"If {path} is a program, make it executable before you send it: chmod +x {path}"


def _command(name: str) -> str:
    if "/" not in name:
        return f"The program {name} is not installed where the task ran, or is not in its PATH."
    return _missing(name)

"""Which Python of this computer is the user's, and whether a command runs Python."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.spec import PYTHON
from batchio.submit.implied import PYTHON_LINE, PYTHON_WORD, split_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.options.command import Command
    from batchio.submit.caller import CallerContext

_TOOLS: Final = ("pipx_metadata.json", "uv-receipt.toml")
"""Files in the environment of a program that pipx or uv has installed for itself."""

_SYSTEM: Final = ("/usr/bin", "/bin", "/usr/local/bin")
_REQUIREMENTS: Final = re.compile(
    r"^# /// script\s*\n(?:#.*\n)*?#\s*dependencies\s*=\s*\[\s*(?:\n#\s*)*[\"']", re.MULTILINE
)
_BEFORE: Final = (
    "env",
    "nice",
    "nohup",
    "time",
    "timeout",
    "stdbuf",
    "taskset",
    "numactl",
    "xargs",
)
"""Programs whose words name another program."""


class UsersPython(NamedTuple):
    """The Python that the user works with, and how that is known."""

    path: str
    """Absolute path of the interpreter."""
    why: str
    """For people: "VIRTUAL_ENV", ".venv"."""


def users_python(given: str | None, here: CallerContext) -> UsersPython:
    """Return the Python whose packages tasks shall find.

    In this order: what --python names; VIRTUAL_ENV; CONDA_PREFIX; a `.venv` in the current folder
    or above it; the Python that runs batchio, unless it is a tool's own; python3 on PATH.
    """
    if given:
        path = here.path(given) if "/" in given else shutil.which(given) or given
        return UsersPython(path, "--python")
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        candidate = os.path.join(here.environ.get(variable, ""), "bin", "python")
        if os.path.isabs(candidate) and os.access(candidate, os.X_OK):
            return UsersPython(candidate, variable)
    for folder in _upwards(here.folder):
        candidate = os.path.join(folder, ".venv", "bin", "python")
        if os.access(candidate, os.X_OK):
            return UsersPython(candidate, here.shown(os.path.join(folder, ".venv")))
    if not any(os.path.exists(os.path.join(sys.prefix, name)) for name in _TOOLS):
        return UsersPython(sys.executable, "the Python that runs batchio")
    found = shutil.which("python3", path=here.environ.get("PATH"))
    return UsersPython(found or sys.executable, "python3 on PATH")


def runs_python(command: Command, python: str, here: CallerContext) -> bool:
    """Return whether a command, or a script of it, starts Python or a program of its packages."""
    programs = _Programs(os.path.dirname(python))
    words = split_line(command.argv[0]) if command.shell else list(command.argv)
    first, *more = words or [""]
    if programs.has(first) or (
        (command.shell or first in _BEFORE) and any(map(programs.has, more))
    ):
        return True
    return any(programs.named_in(text) for _, text in _scripts(command, here))


def notes(command: Command, here: CallerContext) -> list[str]:
    """Return a line for each script of Python that names packages (PEP 723) that it lacks."""
    if command.argv[:1] != (PYTHON,):
        return []
    return [
        f"{source or 'the script'} names packages that it needs (PEP 723); they are not installed "
        "for it: tasks find what your environment has"
        for source, text in _scripts(command, here)
        if _REQUIREMENTS.search(text)
    ]


def _scripts(command: Command, here: CallerContext) -> Iterator[tuple[str, str]]:
    """Yield name and text of each script; one that was given as text has no name."""
    if command.text is not None:
        yield "", command.text
    for source in command.sources:
        if here.look(source).is_file:
            yield source, here.text(source)


class _Programs:
    """The words that mean Python, or a program beside it.

    Args:
        folder: Where the environment's programs are.
    """

    def __init__(self, folder: str) -> None:
        self._folder = "" if folder in _SYSTEM else folder

    def has(self, word: str) -> bool:
        if word == PYTHON or PYTHON_WORD.fullmatch(word):
            return True
        plain = self._folder and word and "/" not in word
        return bool(plain) and os.access(os.path.join(self._folder, word), os.X_OK)

    def named_in(self, text: str) -> bool:
        """Return whether a script is Python, or a line of it for a shell has one of the words."""
        if "\0" in text:  # a program, not a script
            return False
        if PYTHON_LINE.match(text.encode("utf-8", "surrogateescape")):
            return True
        first = text.partition("\n")[0]
        if text.startswith("#!") and not re.search(r"\b(?:sh|bash|dash|ash|zsh|ksh)\b", first):
            return False
        return any(self.has(word) for line in text.splitlines() for word in split_line(line))


def _upwards(folder: str) -> Iterator[str]:
    """Yield a folder and all above it."""
    while True:
        yield folder
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above

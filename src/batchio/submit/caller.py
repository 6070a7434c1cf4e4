"""The caller's context: the current folder, the environment, and files as seen from there.

Reads, never writes.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batchio.errors import UsageError
from batchio.options.command import FileFact
from batchio.options.table import get
from batchio.options.values import located

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchio.options.resolve import Effective

STDIN: Final = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
"""The names of standard input."""

_DESCRIPTORS: Final = ("/dev/fd/", "/proc/self/fd/")

HEAD_BYTES: Final = 1 << 12
"""Bytes of a file in which its first line is looked for."""


@dataclass(frozen=True, slots=True)
class CallerContext:
    """The caller's current folder (absolute) and environment."""

    folder: str
    environ: Mapping[str, str]
    _facts: dict[str, FileFact] = field(default_factory=dict)
    _streams: dict[str, str] = field(default_factory=dict)

    def path(self, text: str) -> str:
        """Return the absolute path of a text, `~` expanded; symbolic links stay."""
        return os.path.normpath(os.path.join(self.folder, os.path.expanduser(text)))

    def inside(self, path: str) -> str | None:
        """Return an absolute path relative to the current folder; None when it is not below it."""
        relative = os.path.relpath(path, self.folder)
        return None if relative.split(os.sep)[0] == os.pardir else relative

    def opened(self, typed: str) -> str:
        """Return a path that can be opened: as it was typed, when this process is in the
        folder.
        """
        same = os.getcwd() == self.folder
        return os.path.expanduser(typed) if same else self.path(typed)

    def shown(self, path: str) -> str:
        """Return an absolute path as a person would write it."""
        return self.inside(path) or path

    def text(self, typed: str) -> str:
        """Return the content of a text file, line ends and undecodable bytes as they are.

        Raises:
            UsageError: it cannot be read; names it as it was typed.
        """
        try:
            with open(self.path(typed), "rb") as file:
                return file.read().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
        except OSError as err:
            raise unreadable(typed, err) from None

    def streamed(self, word: str) -> str | None:
        """Return the text that a stream holds which is named as a script; None for other words.

        Streams are `-` and /dev/stdin, and what `<(…)` of a shell becomes. Each is read once.

        Raises:
            UsageError: it cannot be read, or is a terminal.
        """
        if word not in self._streams:
            if not (word in STDIN or word.startswith(_DESCRIPTORS) or self._is_pipe(word)):
                return None
            self._streams[word] = self._read(word)
        return self._streams[word]

    @property
    def stdin_read(self) -> bool:
        """Whether standard input was read as a script."""
        return not self._streams.keys().isdisjoint(STDIN)

    def _is_pipe(self, word: str) -> bool:
        try:
            return "/" in word and stat.S_ISFIFO(os.stat(self.path(word)).st_mode)
        except (OSError, ValueError):
            return False

    def _read(self, word: str) -> str:
        shown = "standard input" if word in STDIN else word
        try:
            with open(0 if word in STDIN else word, "rb", closefd=word not in STDIN) as file:
                if file.isatty():
                    hint = "pipe the script in, or name a file"
                    raise UsageError(f"{shown} is a terminal", hint=hint)
                data = file.read()
        except OSError as err:
            raise unreadable(shown, err) from None
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")

    def look(self, path: str) -> FileFact:
        """Return facts about a path; one that is neither file nor folder counts as missing."""
        if path not in self._facts:
            self._facts[path] = self._looked(path)
        return self._facts[path]

    def _looked(self, path: str) -> FileFact:
        full = os.path.join(self.folder, path)
        try:
            found = os.stat(full)
        except ValueError:  # no path at all, but a text that is run
            return FileFact(path)
        except OSError:
            return FileFact(path, link=os.readlink(full) if os.path.islink(full) else "")
        if stat.S_ISDIR(found.st_mode):
            return FileFact(path, exists=True, is_dir=True)
        if not stat.S_ISREG(found.st_mode):
            return FileFact(path)
        first, blank = _first_line(full)
        executable = bool(found.st_mode & 0o111)
        return FileFact(path, True, False, executable, first, blank, found.st_size)

    def neighbours(self, path: str) -> Iterator[str]:
        """Yield the names in the folder of a path; it is read only when they are asked for."""
        try:
            yield from sorted(os.listdir(os.path.join(self.folder, os.path.dirname(path))))
        except (OSError, ValueError):
            return

    def on_path(self, program: str) -> bool:
        """Return whether the caller's PATH has a program of that name."""
        return shutil.which(program, path=self.environ.get("PATH")) is not None


def unreadable(shown: str, err: OSError) -> UsageError:
    """Return the error for a file that cannot be read."""
    if isinstance(err, FileNotFoundError):
        return UsageError(f"no such file: {shown}")
    if isinstance(err, IsADirectoryError):
        return UsageError(f"{shown} is a folder")
    return UsageError(f"cannot read {shown}: {err.strerror}")


def blamed(effective: Effective, name: str, err: UsageError) -> UsageError:
    """Return the same error, naming the option behind it and where that was set."""
    origin = effective.origin(name)
    where = None if origin.startswith("argument ") else origin
    return located(get(name), str(err), where, err.hint)


def _first_line(path: str) -> tuple[str, int]:
    """Return the first line that is not blank, and how many blank ones are before it."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:  # said when it is packed
        return "", 0
    for number, line in enumerate(head.split(b"\n")):
        if line.strip():
            return line.decode("utf-8", "replace"), number
    return "", 0

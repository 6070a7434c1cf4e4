"""Files that travel although no command line names them, since the command needs them here.

Modules in the folder of a Python program that it imports, and files that a shell script names;
and so on from there. A package travels whole. What ignore files name stays, but for modules.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Final

from batchio.core.sizes import format_bytes
from batchio.core.spec import PYTHON
from batchio.errors import UsageError
from batchio.options.command import inside
from batchio.submit.bundle import Bundle
from batchio.submit.caller import unreadable
from batchio.submit.ignore import Rules
from batchio.submit.imports import SOURCE, Import, ModuleFolder
from batchio.submit.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchio.options.command import Command
    from batchio.submit.bundle import Item
    from batchio.submit.caller import CallerContext

MOST: Final = 100 << 20
"""Bytes that travel at most without being named."""

NAMED: Final = 3
"""Number of files that a message names."""

PYTHON_WORD = re.compile(r"(?:.*/)?(?:python|pypy)[\d.]*t?")
PYTHON_LINE = re.compile(rb"#!.*\b(?:python|pypy)[\d.]*t?\b")
_SHELL_LINE = re.compile(rb"#!.*\b(?:sh|bash|dash|ash|zsh|ksh)\b")
_SHELL_SUFFIXES: Final = (".sh", ".bash", ".zsh", ".ksh")
_WITH_VALUE: Final = "WX"
"""Letters of Python's own options that take a value."""


def add_implied(bundle: Bundle, command: Command, here: CallerContext) -> None:
    """Add what the command needs and does not name to a bundle that holds all that is named.

    Raises:
        UsageError: a file cannot be read, or all together are larger than MOST.
    """
    needs = _Needs(bundle, here)
    words = split_line(command.argv[0]) if command.shell else command.argv
    needs.words(words, "the command line")
    if command.text is not None:
        text = command.text.encode("utf-8", "surrogateescape")
        needs.program(text, command.files[0].path, here.folder, "the script")
    for file in command.files:
        if file.source is not None:
            needs.file(file.source, file.path)
    needs.merge()


class _Needs:
    """What is needed, in the order in which it was found."""

    def __init__(self, bundle: Bundle, here: CallerContext) -> None:
        self._bundle = bundle
        self._here = here
        self._found = Bundle()
        self._walk = Walk(self._found, here, set(), modules=True)
        self._folders: dict[str, ModuleFolder] = {}
        self._read: set[tuple[str, str]] = set()

    def words(self, words: Sequence[str], by: str) -> None:
        """Add what `python -m MODULE` and `python -c PROGRAM` find in the current folder."""
        for at, word in enumerate(words):
            if word != PYTHON and not PYTHON_WORD.fullmatch(word):
                continue
            option, value = _python_option(words[at + 1 :])
            folder = self._folder(self._here.folder)
            if option == "m":
                for name in folder.find(Import(tuple(value.split(".")), ("__main__",), 0)):
                    self._module(folder, "", name, f"run by {by}")
            elif option == "c":
                self._python(value.encode("utf-8", "surrogateescape"), folder, "", by)

    def file(self, typed: str, arrival: str) -> None:
        """Add what a script needs that arrives at a path."""
        path = self._here.path(typed)
        if (path, arrival) in self._read:
            return
        self._read.add((path, arrival))
        if typed.lower().endswith((SOURCE, *_SHELL_SUFFIXES)) or (
            self._here.look(typed).first_line.startswith("#!")
        ):
            # Python looks in the folder of what a link points to.
            folder = os.path.dirname(os.path.realpath(path))
            self.program(self._text(path, typed), arrival, folder, os.path.normpath(typed))

    def program(self, text: bytes, arrival: str, folder: str, shown: str) -> None:
        """Add what a program in `folder` needs, whose text is Python or for a shell."""
        if shown.lower().endswith(SOURCE) or PYTHON_LINE.match(text):
            self._python(text, self._folder(folder), os.path.dirname(arrival), shown)
        elif (
            shown.lower().endswith(_SHELL_SUFFIXES)
            or _SHELL_LINE.match(text)
            or (shown == "the script" and not text.startswith(b"#!"))
        ):
            self._shell(text, shown)

    def merge(self) -> None:
        """Move all that was found, and is not in the bundle already, into the bundle."""
        new = {at: item for at, item in self._found.items.items() if at not in self._bundle.items}
        if sum(item.size for item in new.values()) > MOST:
            raise _too_much(new)
        self._bundle.items.update(new)
        self._bundle.warnings += self._found.warnings
        for path, why in self._found.implied.items():
            if any(at == path or (path.endswith("/") and at.startswith(path)) for at in new):
                self._bundle.implied[path] = why

    # ---- Python ---------------------------------------------------------------------

    def _python(self, text: bytes, folder: ModuleFolder, arrival: str, shown: str) -> None:
        for name, line in folder.imported(text):
            self._module(folder, arrival, name, f"imported by {shown}:{line}")

    def _module(self, folder: ModuleFolder, arrival: str, name: str, why: str) -> None:
        """Add a module, or a whole package, and what it needs in turn."""
        path, place = os.path.join(folder.path, name), os.path.join(arrival, name)
        if (path, place) in self._read:
            return
        self._read.add((path, place))
        shown = self._here.shown(path)
        if os.path.isdir(path):
            self._found.implied[f"{place}/"] = why
            known = set(self._found.items)
            rules = Rules().below(
                folder.path, os.listdir(folder.path), self._here.shown(folder.path)
            )
            self._walk.folder(path, place, shown, rules)
            texts = [item for at, item in self._found.items.items() if at not in known]
        else:
            self._found.implied[place] = why
            self._add(path, place, shown)
            texts = [self._found.items[place]]
        for item in texts:
            if isinstance(item.source, str) and item.source.endswith(SOURCE):
                text = self._text(item.source, item.said)
                self._python(text, folder, arrival, item.said)

    def _folder(self, path: str) -> ModuleFolder:
        return self._folders.setdefault(path, ModuleFolder(path))

    # ---- shell scripts --------------------------------------------------------------

    def _shell(self, text: bytes, shown: str) -> None:
        """Add the files that a shell script names, as seen from the current folder."""
        for number, line in enumerate(text.decode("utf-8", "surrogateescape").splitlines(), 1):
            words = split_line(line)
            by = f"{shown}:{number}"
            self.words(words, by)
            for before, word in zip(["", *words], words, strict=False):
                path = None if before.endswith((">", ">|", ">>")) else inside(word)
                if path is not None and self._here.look(word).is_file:
                    self._named(word, path, f"named in {by}")

    def _named(self, word: str, arrival: str, why: str) -> None:
        size = self._here.look(word).size
        if size > MOST - self._found.size:
            large = f"{word} ({why}) was not sent: it is {format_bytes(size)}"
            said = f"{large}; to send it: --upload {word}"
            self._found.warnings.append(said)
            return
        if arrival not in self._found.items and arrival not in self._bundle.items:
            self._found.implied[arrival] = why
            self._add(self._here.path(word), arrival, word)
        self.file(word, arrival)

    # ---- both -----------------------------------------------------------------------

    def _add(self, path: str, arrival: str, shown: str) -> None:
        try:
            self._walk.file(path, arrival, shown, os.stat(path))
        except OSError as err:
            raise unreadable(shown, err) from None

    def _text(self, path: str, shown: str) -> bytes:
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as err:
            raise unreadable(shown, err) from None


def _python_option(words: Sequence[str]) -> tuple[str, str]:
    """Return "m" or "c" and its value when Python's own options have one; else two "".

    Source: docs.python.org/3/using/cmdline.html; letters may stand together, as in -um.
    """
    rest = iter(words)
    for word in rest:
        if word[:1] != "-" or word[:2] in ("-", "--"):
            return "", ""
        for at, letter in enumerate(word[1:], 2):
            if letter in "mc":
                return letter, word[at:] or next(rest, "")
            if letter in _WITH_VALUE:
                if not word[at:]:
                    next(rest, "")
                break
    return "", ""


def split_line(line: str) -> list[str]:
    """Return the words and signs of a line for a shell; [] where a quote is open."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    try:
        return list(words)
    except ValueError:
        return []


def _too_much(items: Mapping[str, Item]) -> UsageError:
    largest = sorted(items.values(), key=lambda item: -item.size)[:NAMED]
    named = ", ".join(f"{item.said} ({format_bytes(item.size)})" for item in largest)
    size = format_bytes(sum(item.size for item in items.values()))
    return UsageError(
        f"the modules that the command imports are {size}; the largest files are {named}",
        hint="list what tasks do not need in .batchioignore, or send the folder with --upload, or "
        "send only the script with --no-implicit-upload",
    )

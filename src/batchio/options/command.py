"""Commands: the words a user typed become an argv, and a list of files that travel.

Pure: facts about files come in through a look-up. The rule of what travels, the same
that --dry-run prints: the script itself (from outside the current folder by its base
name), and every further word that is a relative path, without "..", to an existing
file; it arrives at the same relative path. Everything else stays. A symbolic link
travels as the file that it points to. `submit.implied` adds what scripts import; folders need
--upload.
"""

from __future__ import annotations

import posixpath
import re
import shlex
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from batchio.core.spec import PYTHON, SCRIPT_NAME, SHELL
from batchio.errors import UsageError
from batchio.options.table import nearest

EXECUTABLE: Final = 0o755
READABLE: Final = 0o644

_SHELL_SUFFIXES: Final = (".sh",)
_SCRIPT_SUFFIXES: Final = (
    *(".py", ".sh", ".bash", ".zsh", ".ksh", ".fish", ".r", ".jl", ".pl", ".rb", ".js"),
    *(".mjs", ".ts", ".lua", ".php", ".tcl", ".awk", ".sql", ".m"),
)
_INTERPRETERS: Final[Mapping[str, str]] = {
    **{".r": "Rscript", ".jl": "julia", ".pl": "perl", ".rb": "ruby", ".js": "node"},
    **{".mjs": "node", ".lua": "lua", ".php": "php", ".m": "octave", ".bash": "bash"},
    **{".zsh": "zsh", ".ksh": "ksh", ".fish": "fish", ".tcl": "tclsh"},
}
_BLANK_LINES = re.compile(r"\A(?:[ \t]*\r?\n)+")
_SHELL_SIGNS = re.compile(r"[|&;<>()`*?~\n]|\$(?!\{?(?:BATCHIO|COILED)_)")


@dataclass(frozen=True, slots=True)
class FileFact:
    """The facts known about a path on the caller's computer.

    `first_line` is the first line that is not blank, undecodable bytes replaced;
    `blank_lines` how many stand before it.
    """

    path: str
    exists: bool = False
    is_dir: bool = False
    executable: bool = False
    first_line: str = ""
    blank_lines: int = 0
    size: int = 0
    link: str = ""
    """Where a link leads that leads nowhere."""

    @property
    def is_file(self) -> bool:
        """Whether the path is a file, which can be sent."""
        return self.exists and not self.is_dir


Look = Callable[[str], FileFact]


class Travels(NamedTuple):
    """A file to send: where it arrives, where it is here, its size and mode.

    `source` is None for a script given as text, which is `Command.text`.
    """

    path: str
    source: str | None
    size: int
    mode: int


@dataclass(frozen=True, slots=True)
class Command:
    """The command of each task, before the task's own words are filled in."""

    argv: tuple[str, ...]
    """May begin with PYTHON; with `shell`, one string for SHELL -c."""
    shell: bool
    files: tuple[Travels, ...]
    shown: str
    """The command as a person typed it."""
    text: str | None = None
    """The text of a script that was given as a string."""
    sources: tuple[str, ...] = ()
    """Local scripts; the directives of the first that has any are used."""


def plan_words(
    words: Sequence[str],
    look: Look,
    *,
    listing: Iterable[str] = (),
    shell: bool = False,
    send: bool = True,
    on_path: Callable[[str], bool] = lambda _: True,
) -> Command:
    """Return the command that these words of a command line mean.

    Args:
        words: the script or program, and everything after it, as typed.
        look: facts about a path, relative to the current folder.
        listing: names in the folder of a missing script, for a suggestion.
        shell: the words, joined by blanks, are a line for SHELL.
        send: False for --no-implicit-upload: only the script travels.
        on_path: whether a program of this name is on the caller's PATH.

    Raises:
        UsageError: no words, a whole line as one word, a script that is missing, a folder,
            or cannot be run.
    """
    if not words or not words[0].strip():
        raise UsageError("no command given", hint="batchio run SCRIPT [ARGUMENTS]")
    if shell:
        return _shell_line(" ".join(words), look, send)
    _refuse_line(words, look, on_path)
    script = _script(words[0], look, listing, on_path)
    files: dict[str, Travels] = {}
    argv = tuple(words)
    if script is not None:
        sent = _sent_script(words[0], script)
        files[sent.path] = sent
        argv = (*_how_to_run(words[0], script, sent.path), *words[1:])
    if send:
        _add_named(words[1:], look, files)
    sources = ((words[0],) if script else ()) + _scripts_among(words[1:], look)
    shown = shlex.join(words)
    return Command(argv, False, tuple(files.values()), shown, None, sources)


def plan_stream(text: str, words: Sequence[str], look: Look, *, send: bool = True) -> Command:
    """Return the command for the text of a script that was read from a stream, such as a pipe.

    Args:
        text: The script; without a "#!" line it is for SHELL.
        words: The words of the command, of which the first names the stream.

    Raises:
        UsageError: there is no text, or it is no text of a script.
    """
    shown = "standard input" if words[0] == "-" else words[0]
    if not text.strip():
        raise UsageError(f"{shown} is empty", hint="pipe a script in, or name a file")
    if "\0" in text:
        raise UsageError(
            f"{shown} contains a NUL byte, so it is not a script",
            hint="name the program that reads it",
        )
    command = _script_text(_without_margin(text))
    files = {file.path: file for file in command.files}
    if send:
        _add_named(words[1:], look, files)
    return replace(command, argv=(*command.argv, *words[1:]), files=tuple(files.values()))


def plan_text(
    text: str,
    look: Look,
    *,
    as_script: bool = False,
    listing: Iterable[str] = (),
    send: bool = True,
) -> Command:
    """Return the command that one string means, as `batchio.run("…")` takes it.

    The name of an existing file: that script. A text that begins with "#!" or holds a
    line break, or any text with `as_script`: a script, sent as a file. Words of which
    the first is an existing script, without shell signs: that script with arguments.
    Anything else: a line for SHELL.

    Raises:
        UsageError: nothing given, or a script that cannot be run.
    """
    if not text.strip():
        raise UsageError("no command given", hint='batchio.run("process.py", …)')
    text = _without_margin(text)
    if as_script or text.startswith("#!") or "\n" in text.strip():
        return _script_text(text)
    if look(text).is_file:
        bare = "/" not in text and "." not in text
        return plan_words([f"./{text}" if bare else text], look, send=send)
    words = _split(text)
    if words and words[0].lower().endswith(_SCRIPT_SUFFIXES):
        if not _SHELL_SIGNS.search(text):
            return plan_words(words, look, listing=listing, send=send)
        if "/" not in words[0]:
            raise UsageError(
                f"a shell would not find {words[0]} without a path",
                hint="begin the line with its interpreter, or pass a list of words",
            )
    return _shell_line(text, look, send)


def _without_margin(text: str) -> str:
    """Return a script text without blank lines before its #! and without common indentation.

    So a script may be written between three quotes. Any other text stays as it is.
    """
    begun = _BLANK_LINES.sub("", text.removeprefix("\ufeff"))
    return textwrap.dedent(begun) if begun.lstrip().startswith("#!") else text


def _refuse_line(words: Sequence[str], look: Look, on_path: Callable[[str], bool]) -> None:
    """Refuse a first word that is a line of several words, as in `batchio run "echo hi"`."""
    word = words[0]
    parts = _split(word)
    if len(parts) < 2 or look(word).exists or on_path(word):
        return
    program = on_path(parts[0]) or look(parts[0]).is_file
    if program or not ("/" in word or word.lower().endswith(_SCRIPT_SUFFIXES)):
        line = shlex.join([*parts, *words[1:]])
        raise UsageError(
            f'no program or file is named "{word}" (with the spaces)',
            hint=f"write separate words: batchio run {line}; or a shell command: batchio run "
            f"--shell " + shlex.quote(" ".join(words)),
        )


# ---- the script ---------------------------------------------------------------------


def _script(
    word: str, look: Look, listing: Iterable[str], on_path: Callable[[str], bool]
) -> FileFact | None:
    """Return the facts of the first word when it is a file to send, None for a program."""
    fact = look(word)
    named_like_script = word.lower().endswith(_SCRIPT_SUFFIXES)
    bare = "/" not in word
    if fact.is_dir and not (bare and on_path(word)):
        raise UsageError(f"{word} is a folder, not a script")
    if not fact.exists and (named_like_script or not (bare or word.startswith("/"))):
        if fact.link:
            raise UsageError(f"{word} is a link to {fact.link}, which does not exist")
        close = nearest(posixpath.basename(word), listing)
        raise UsageError(
            f"no such file: {word}",
            hint=f"did you mean {posixpath.join(posixpath.dirname(word), close)}?"
            if close
            else None,
        )
    if not fact.is_file or (word.startswith("/") and not named_like_script):
        return None
    if bare and "." not in word and not fact.first_line.startswith("#!"):
        return None  # a program on PATH, as a shell would take it
    return fact


def _sent_script(word: str, fact: FileFact) -> Travels:
    below = inside(word)
    runs = fact.executable or fact.first_line.startswith("#!")
    mode = EXECUTABLE if runs else READABLE
    return Travels(below or posixpath.basename(word), word, fact.size, mode)


def _how_to_run(word: str, fact: FileFact, path: str) -> tuple[str, ...]:
    """Return the argv that runs a script which stands at `path` in the working directory."""
    suffix = posixpath.splitext(word)[1].lower()
    if suffix == ".py":
        return (PYTHON, path)
    first = fact.first_line.rstrip("\n")
    if first.startswith("\ufeff#!"):
        raise UsageError(
            'a byte order mark comes before "#!", so the system cannot run the script',
            where=f"{word}:{fact.blank_lines + 1}",
            hint=f"remove it, for example with: sed -i '1s/^\\xef\\xbb\\xbf//' {word}",
        )
    if first.startswith("#!"):
        _refuse_return(word, fact, first)
        if fact.blank_lines == 0:
            return (f"./{path}",)
        interpreter, _, argument = first[2:].strip().partition(" ")
        extra = (argument.strip(),) if argument.strip() else ()
        return (interpreter, *extra, path)
    if suffix in _SHELL_SUFFIXES:
        _refuse_return(word, fact, first)
        return (SHELL, path)
    if fact.executable:
        return (f"./{path}",)
    program = _INTERPRETERS.get(suffix, "INTERPRETER")
    raise UsageError(
        f'{word} cannot be run: it has no "#!" line and is not executable',
        hint=f"name the program that runs it: batchio run {program} {word}",
    )


def _refuse_return(word: str, fact: FileFact, first: str) -> None:
    if first.endswith("\r"):
        raise UsageError(
            "the first line ends with a carriage return (a Windows line ending)",
            where=f"{word}:{fact.blank_lines + 1}",
            hint=f"convert the file, for example: dos2unix {word}",
        )


def _script_text(text: str) -> Command:
    """Return the command for a script given as text; without a "#!" line it is for SHELL."""
    runs = text.startswith("#!")
    argv = (f"./{SCRIPT_NAME}",) if runs else (SHELL, SCRIPT_NAME)
    size = len(text.encode("utf-8", "surrogateescape"))
    mode = EXECUTABLE if runs else READABLE
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    file = Travels(SCRIPT_NAME, None, size, mode)
    return Command(argv, False, (file,), first, text)


# ---- what travels -------------------------------------------------------------------


def _shell_line(line: str, look: Look, send: bool) -> Command:
    """Return the command for a line for SHELL, which gets it byte for byte."""
    files: dict[str, Travels] = {}
    words = _split(line)
    if send:
        _add_named(words, look, files)
    sources = _scripts_among(words, look)
    return Command((line,), True, tuple(files.values()), line, None, sources)


def _add_named(words: Iterable[str], look: Look, files: dict[str, Travels]) -> None:
    """Add every word that is a relative path to an existing file."""
    for word in words:
        path = inside(word)
        fact = look(word) if path else None
        if path is None or fact is None or not fact.is_file:
            continue
        known = files.get(path)
        if known and known.source and posixpath.normpath(known.source) != path:
            raise UsageError(
                f"{known.source} and {word} would both be copied to {path}",
                hint="rename one of them, or run batchio in the folder of the script",
            )
        mode = EXECUTABLE if fact.executable else READABLE
        files.setdefault(path, Travels(path, word, fact.size, mode))


def _scripts_among(words: Iterable[str], look: Look) -> tuple[str, ...]:
    """Return the words that are scripts to look at, as in "timeout 600 python train.py"."""
    return tuple(
        word for word in words if word.lower().endswith(_SCRIPT_SUFFIXES) and look(word).is_file
    )


def inside(word: str) -> str | None:
    """Return the word as a path below the current folder; None when it is not one."""
    if not word or word.startswith("/") or "\0" in word or ".." in word.split("/"):
        return None
    path = posixpath.normpath(word)
    return None if path == "." else path


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an open quote: the shell will say so
        return []

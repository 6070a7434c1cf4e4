"""Hosts as people write them: one word each, or a file with one host a line. Text to values.

A word is `[USER@]HOST[:PORT]`, and may go on like a web address: `?slots=4&key=~/.ssh/id`.
`node[01-16,20]` and `gpu{a,b}` are several, as pdsh, Slurm and shells write them.
A file of any of these two forms is read into words, so that a job needs no file later:

    [gpu]                                       # hosts below get the label gpu
    gpu1 slots=4 user=ubuntu port=2222 key=~/.ssh/lab rack=3
    alice@gpu2

    [[hosts]]                                   # FILE.toml
    name = "gpu1"
    slots = 4
    labels = ["rack=3"]

No host is asked anything here, and no name is looked up.
"""

from __future__ import annotations

import difflib
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote

from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_KEYS: Final = ("user", "port", "slots", "key", "python", "work", "label")
_LONGEST_WORK: Final = 50
"""Most bytes of a work folder: below it a socket lies, whose path has room for 107."""
_PORTS: Final = range(1, 1 << 16)
_MOST: Final = 10_000
"""Most hosts in one range; more is a typo."""

_SEVERAL: Final = re.compile(r"\[([\d,-]+)\]|\{([^{}]*(?:,|\.\.)[^{}]*)\}")
"""A pattern: brackets around numbers, which no IPv6 address has, or braces around words."""
_BOUNDS: Final = re.compile(r"(\d+)(?:-|\.\.)(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host. What is None is left to OpenSSH's configuration, or to the node.

    Attributes:
        name: What people wrote, `user@host:port`; unique within a job.
        address: Name, address or alias to connect to.
        slots: Tasks at once; None: by its cores, memory and GPUs.
        key: Path of the private key.
        python: Where a Python is there.
        work: The folder there in which the user's own folder of batchio is made.
    """

    name: str
    address: str
    user: str | None = None
    port: int | None = None
    slots: int | None = None
    key: str | None = None
    python: str | None = None
    work: str | None = None
    labels: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The host as one word without blanks or commas; `parse_host` reads it back."""
        pairs = [("slots", self.slots), ("key", self.key)]
        pairs += [("python", self.python), ("work", self.work)]
        pairs += [("label", label) for label in self.labels]
        query = "&".join(f"{k}={quote(str(v), safe='/~=:@')}" for k, v in pairs if v is not None)
        return f"{self.name}?{query}" if query else self.name


def parse_host(word: str) -> Host:
    """Return the host that a word means.

    Raises:
        UsageError: it cannot be one; says why.
    """
    name, _, query = word.partition("?")
    return _host(name, parse_qsl(query, keep_blank_values=True), where=None)


def expand(words: Iterable[str]) -> list[str]:
    """Write hosts out, one a word: `node[1-3]`, `node[1,5-7]`, `gpu{a,b}`, `gpu{1..4}`.

    Words that were split at the commas inside brackets are put together again.

    Raises:
        UsageError: a range makes no sense.
    """
    whole: list[str] = []
    for word in words:
        last = whole[-1].partition("?")[0] if whole else ""
        if any(last.count(left) > last.count(right) for left, right in ("[]", "{}")):
            whole[-1] += f",{word}"
        else:
            whole.append(word)
    return [
        f"{name}?{query}" if mark else name
        for pattern, mark, query in (word.partition("?") for word in whole)
        for name in _names(pattern)
    ]


def parse_hosts(words: Iterable[str]) -> list[Host]:
    """Return the hosts that words mean.

    Raises:
        UsageError: one cannot be a host, or is listed twice; both places are named.
    """
    placed = [(f"host {n}", parse_host(word)) for n, word in enumerate(words, 1)]
    _refuse_duplicates(placed)
    return [host for _, host in placed]


def read(path: str | Path) -> list[str]:
    """Return the hosts of a file, as words. A name ending in `.toml` means TOML.

    Raises:
        UsageError: the file cannot be read or understood; one line a mistake,
            each with file and line.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")  # a byte order mark is no part of a name
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"cannot read the hosts file: {why}", where=str(path)) from error
    rows = _toml_rows(path, text) if path.suffix == ".toml" else _line_rows(path, text)
    placed: list[tuple[str, Host]] = []
    mistakes: list[UsageError] = []
    for line, name, pairs in rows:
        where = f"{path}:{line}"
        try:
            rooted = _rooted(pairs, path)
            placed += [(where, _host(one, rooted, where)) for one in _names(name)]
        except UsageError as error:
            mistakes.append(error)
    if mistakes:
        first, *others = mistakes
        text = "\n".join([first.message, *map(str, others)])
        raise UsageError(text, where=first.where, hint=first.hint)
    if not placed:
        raise UsageError("it contains no host", where=str(path), hint="write one host per line")
    _refuse_duplicates(placed)
    return [host.word for _, host in placed]


# -- files ---------------------------------------------------------------------------------

Pairs = list[tuple[str, str]]


def _line_rows(path: Path, text: str) -> Iterator[tuple[int, str, Pairs]]:
    """Yield line, name and settings of the hosts of a text; `[group]` labels those below it."""
    group: Pairs = []
    for number, line in enumerate(text.splitlines(), 1):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.commenters = True, "#;"
        try:
            words = list(lexer)
        except ValueError as error:
            raise UsageError(f"{error}".lower(), where=f"{path}:{number}") from error
        if not words:
            continue
        name, *rest = words
        if name.startswith("[") and name.endswith("]") and not rest and ":" not in name:
            group = [("label", name[1:-1])] if name != "[]" else []
            continue
        yield number, name, [*map(_pair, rest), *group]


def _pair(word: str) -> tuple[str, str]:
    """Return `key=value` as a pair when the key is ours, or nearly; any other word is a label."""
    key, equals, value = word.partition("=")
    meant = difflib.get_close_matches(key, _KEYS, 1, 0.75)
    return (key, value) if equals and meant else ("label", word)


def _toml_rows(path: Path, text: str) -> Iterator[tuple[int, str, Pairs]]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"not TOML: {error}", where=str(path)) from error
    # tomllib tells no lines; tables come in the order of their headings.
    headings = [n for n, line in enumerate(text.splitlines(), 1) if "[[" in line]
    rows = table.get("hosts")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError("no [[hosts]] tables in it", where=str(path))
    for number, row in enumerate(rows):
        line = headings[number] if len(headings) == len(rows) else 1
        labels = row.get("labels", [])
        pairs = [("label", str(label)) for label in labels] if isinstance(labels, list) else []
        pairs += [(k, _plain(v)) for k, v in row.items() if k not in ("name", "labels")]
        yield line, str(row.get("name", "")), pairs


def _plain(value: Any) -> str:
    return str(value) if not isinstance(value, bool | list | dict) else repr(value)


def _rooted(pairs: Pairs, path: Path) -> Pairs:
    """Return the settings with the path of a key made absolute, from the file that names it."""
    return [
        (k, v if k != "key" or v.startswith("~") else str((path.parent / v).absolute()))
        for k, v in pairs
    ]


# -- several hosts in one word -------------------------------------------------------------


def _names(pattern: str) -> list[str]:
    """Return the names that a pattern means; the leftmost range counts slowest."""
    found = _SEVERAL.search(pattern)
    if found is None:
        return [pattern]
    before, after = pattern[: found.start()], pattern[found.end() :]
    items = (found[1] or found[2]).split(",")
    parts = [part for item in items for part in _range(item, pattern)]
    return [f"{before}{part}{rest}" for part in parts for rest in _names(after)]


def _range(item: str, pattern: str) -> list[str]:
    """Return `1-3`, `01-03` or `1..3` written out; anything else stands for itself."""
    bounds = _BOUNDS.fullmatch(item)
    if bounds is None:
        return [item]
    first, last = int(bounds[1]), int(bounds[2])
    if not first <= last < first + _MOST:
        raise UsageError(
            f"{item} in {pattern} is not a range of hosts", hint=f"at most {_MOST:,}, upwards"
        )
    return [str(number).zfill(len(bounds[1])) for number in range(first, last + 1)]


# -- one host ------------------------------------------------------------------------------


def _host(name: str, pairs: Sequence[tuple[str, str]], where: str | None) -> Host:
    address, user, port = _split(name, where)
    given: dict[str, Any] = {"user": user, "port": port}
    labels = []
    for key, value in pairs:
        if key == "label":
            labels.append(value)
            continue
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(_KEYS)}"
            raise UsageError(f"a host has no setting {key!r}", where=where or name, hint=hint)
        if given.get(key) is not None:
            raise UsageError(f"{key} is listed twice", where=where or name)
        if key == "key" and not value.startswith(("/", "~")):
            hint = "write it with / or ~ at the start: the job may continue from another folder"
            raise UsageError(f"the key's path is relative: {value}", where=where or name, hint=hint)
        if key == "python" and "/" in value and not value.startswith("/"):
            hint = "write the full path on the host, with / at the start"
            raise UsageError(f"python is relative: {value}", where=where or name, hint=hint)
        if key == "work" and not value.startswith("/"):
            hint = "write the full path on the host, with / at the start"
            raise UsageError(
                f"work is not an absolute path: {value!r}", where=where or name, hint=hint
            )
        if key == "work" and len(value.encode()) > _LONGEST_WORK:
            hint = (
                f"{_LONGEST_WORK} bytes at most, because it contains a socket; you can use a link"
            )
            raise UsageError(f"work is too long: {value}", where=where or name, hint=hint)
        given[key] = _number(key, value, where or name) if key in ("port", "slots") else value
    shown = f"[{address}]" if ":" in address else address
    shown = f"{given['user']}@{shown}" if given["user"] else shown
    shown = f"{shown}:{given['port']}" if given["port"] else shown
    return Host(name=shown, address=address, labels=tuple(labels), **given)


def _split(name: str, where: str | None) -> tuple[str, str | None, int | None]:
    """Return address, user and port of `[USER@]HOST[:PORT]`; with a port, IPv6 is `[A]:P`."""
    user, at, place = name.rpartition("@")
    host, port = place, None
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        host = host if bracket else ""
        port = rest.removeprefix(":") if rest else None
    elif place.count(":") == 1:
        host, port = place.split(":")
    bad = not host or (at and not user) or any(c.isspace() or c in ",/?*{}" for c in place)
    # A host that begins with a dash would be an option to the ssh command in our hints.
    if bad or host.startswith("-"):
        raise UsageError(
            f"{name!r} is not a host",
            where=where,
            hint="write [USER@]HOST[:PORT], or an alias of ~/.ssh/config",
        )
    return host, user or None, None if port is None else _number("port", port, where or name)


def _number(key: str, text: str, where: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1 or (key == "port" and number not in _PORTS):
        wanted = f"from 1 to {_PORTS[-1]}" if key == "port" else "above 0"
        raise UsageError(f"{key} must be a whole number {wanted}, not {text!r}", where=where)
    return number


def _refuse_duplicates(placed: Sequence[tuple[str, Host]]) -> None:
    seen: dict[tuple[str, int | None], str] = {}
    for where, host in placed:
        first = seen.setdefault((host.address.lower(), host.port), where)
        if first != where:
            raise UsageError(
                f"{host.name} is listed twice: at {first} and at {where}",
                hint="list each host once; to run more tasks at a time on it: slots=N",
            )

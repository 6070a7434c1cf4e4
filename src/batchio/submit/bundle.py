"""The files that travel with a job: collected, checked, described, packed.

What the command names travels by the rule of `core.command`; --upload, --sync and buffers
add to it. A path inside the current folder arrives at the same relative path, one outside
under its base name. Symbolic links travel as what they point to.
"""

from __future__ import annotations

import io
import os
import posixpath
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from batchio.core.command import EXECUTABLE, READABLE
from batchio.core.sizes import format_bytes
from batchio.core.spec import SentFile
from batchio.errors import UsageError
from batchio.submit.here import blamed, unreadable
from batchio.submit.ignore import Rules

if TYPE_CHECKING:
    from pathlib import Path
    from tarfile import TarInfo

    from batchio.core.command import Command
    from batchio.core.resolve import Effective
    from batchio.submit.here import Here

NAMED: Final = 3
"""How many files a description names."""

_BLOCK: Final = 512  # of a tar
_CHUNK: Final = 1 << 20
_EFFECTIVE_IDS: Final = os.access in os.supports_effective_ids


class Item(NamedTuple):
    """One file, or one empty folder, that travels.

    `source` is an absolute path or the content itself; `said` names it in messages.
    """

    source: str | bytes
    size: int
    mode: int
    said: str
    is_folder: bool = False


@dataclass
class Bundle:
    """Everything that travels, by the path at which it arrives."""

    items: dict[str, Item] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def files(self) -> tuple[SentFile, ...]:
        """The files, for the job's spec."""
        return tuple(
            SentFile(path, item.size, item.mode)
            for path, item in self.items.items()
            if not item.is_folder
        )

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(item.size for item in self.items.values())

    def __str__(self) -> str:
        """For people: "process.py, data/a.csv (2 files, 12 KiB)"; empty for no files."""
        paths = [file.path for file in self.files]
        if not paths:
            return ""
        more = len(paths) - NAMED
        names = ", ".join(paths[:NAMED]) + (f" and {more} more" if more > 0 else "")
        count = "1 file" if len(paths) == 1 else f"{len(paths)} files"
        return f"{names} ({count}, {format_bytes(self.size)})"

    def add(self, arrival: str, item: Item) -> None:
        """Raises: UsageError: another file would arrive at the same path."""
        other = self.items.setdefault(arrival, item)
        same = isinstance(item.source, str) and other.source == item.source
        if other is item or same or (other.is_folder and item.is_folder):
            return
        raise UsageError(
            f"{other.said} and {item.said} would both arrive as {arrival}",
            hint="rename one of them, or send only one",
        )

    def check(self) -> None:
        """Raises: UsageError: a file would stand where a folder must be."""
        for path, item in self.items.items():
            above = posixpath.dirname(path)
            while above:
                other = self.items.get(above)
                if other is not None and not other.is_folder:
                    raise UsageError(
                        f"{other.said} would arrive as {above}, and {item.said} below it",
                        hint="rename one of them, or send only one",
                    )
                above = posixpath.dirname(above)

    def pack(self, target: Path) -> str:
        """Write a tar of it; returns its SHA-256 in hexadecimal.

        Raises:
            UsageError: a file cannot be read, or changed while it was.
            OSError: the tar cannot be written.
        """
        with target.open("wb") as file:
            tar = _Tar(file)
            for arrival, item in self.items.items():
                _add(tar, arrival, item)
            return tar.end()


def collect(command: Command, effective: Effective, here: Here, avoid: Path) -> Bundle:
    """Everything that shall travel.

    Args:
        avoid: the folder of jobs; never travels from within another folder.

    Raises:
        UsageError: a file is missing or cannot be read, two would arrive at one path.
    """
    bundle = Bundle()
    for file in command.files:
        if file.source is None:
            text = (command.text or "").encode("utf-8", "surrogateescape")
            bundle.add(file.path, Item(text, len(text), file.mode, "the script"))
            continue
        source = here.path(file.source)
        _check_readable(source, file.source)
        bundle.add(file.path, Item(source, file.size, file.mode, file.source))
    for name in ("upload", "sync"):
        value = effective.value(name)
        for typed in (value,) if isinstance(value, str) else value or ():
            try:
                _Walk(bundle, here, os.path.abspath(avoid), typed).start()
            except UsageError as err:
                raise blamed(effective, name, err) from None
    for number, given in enumerate(effective.value("buffers-to-upload") or (), 1):
        arrival, data = _buffer(given, f"buffers_to_upload: item {number}")
        bundle.add(arrival, Item(data, len(data), READABLE, f'the buffer "{arrival}"'))
    bundle.check()
    return bundle


class _Walk:
    """Adds one path, and what is below it, to a bundle."""

    def __init__(self, bundle: Bundle, here: Here, avoid: str, typed: str) -> None:
        self._bundle = bundle
        self._here = here
        self._avoid = avoid
        self._typed = typed
        self._root = here.path(typed)

    def start(self) -> None:
        typed, path = self._typed, self._root
        inside = self._here.inside(path)
        arrival = os.path.basename(path) if inside is None else inside
        if not arrival:
            raise UsageError(f"{typed} has no name to arrive under")
        arrival = "" if arrival == os.curdir else arrival
        try:
            found = os.stat(path)
        except FileNotFoundError:
            if os.path.islink(path):
                raise _broken(typed, path) from None
            raise UsageError(f"no such file or folder: {typed}") from None
        except OSError as err:
            raise unreadable(typed, err) from None
        if stat.S_ISDIR(found.st_mode):
            self._folder(path, arrival, Rules(), ())
        else:
            self._file(path, arrival, found)

    def _folder(self, path: str, arrival: str, rules: Rules, above: tuple[str, ...]) -> None:
        shown = self._shown(path)
        real = os.path.realpath(path)
        if real in above:
            raise UsageError(f"{shown} is a link to a folder that it stands in")
        try:
            names = sorted(os.listdir(path))
        except OSError as err:
            raise unreadable(shown, err) from None
        rules = rules.below(path, names, shown)
        for name in names:
            self._entry(
                os.path.join(path, name), posixpath.join(arrival, name), rules, (*above, real)
            )
        if arrival and not names:
            empty = Item(path, 0, EXECUTABLE, shown, is_folder=True)
            self._bundle.add(arrival, empty)

    def _entry(self, path: str, arrival: str, rules: Rules, above: tuple[str, ...]) -> None:
        try:
            found = os.stat(path)
        except OSError as err:
            if rules.ignores(path, False):
                return
            shown = self._shown(path)
            if os.path.islink(path) and isinstance(err, FileNotFoundError):
                raise _broken(shown, path) from None
            raise unreadable(shown, err) from None
        is_folder = stat.S_ISDIR(found.st_mode)
        if path == self._avoid or rules.ignores(path, is_folder):
            return
        if is_folder:
            self._folder(path, arrival, rules, above)
        else:
            self._file(path, arrival, found)

    def _file(self, path: str, arrival: str, found: os.stat_result) -> None:
        shown = self._shown(path)
        if not stat.S_ISREG(found.st_mode):
            self._bundle.warnings.append(f"{shown}: not sent, it is neither a file nor a folder")
            return
        _check_readable(path, shown)
        mode = EXECUTABLE if found.st_mode & 0o111 else READABLE
        self._bundle.add(arrival, Item(path, found.st_size, mode, shown))

    def _shown(self, path: str) -> str:
        """A path below the root, as the person would have typed it."""
        return os.path.normpath(os.path.join(self._typed, os.path.relpath(path, self._root)))


def _broken(shown: str, path: str) -> UsageError:
    return UsageError(
        f"{shown} is a broken link to {os.readlink(path)}",
        hint="remove it, or name it in .batchioignore",
    )


def _check_readable(path: str, shown: str) -> None:
    if not os.access(path, os.R_OK, effective_ids=_EFFECTIVE_IDS):
        raise UsageError(f"cannot read {shown}: Permission denied")


def _buffer(given: Any, where: str) -> tuple[str, bytes]:
    """The path and the content of one item of buffers_to_upload."""
    shape = 'write {"relative_path": "hello.txt", "buffer": io.BytesIO(b"hello")}'
    if not isinstance(given, Mapping) or not {"relative_path", "buffer"} <= given.keys():
        raise UsageError("not a relative_path and a buffer", where=where, hint=shape)
    path, data = str(given["relative_path"]), given["buffer"]
    arrival = posixpath.normpath(path)
    if arrival.split("/")[0] in ("", ".", ".."):
        raise UsageError(
            f'"{path}" is not a path below the working directory', where=where, hint=shape
        )
    if isinstance(data, io.BytesIO):
        data = data.getvalue()  # all of it, wherever it was last read to
    elif hasattr(data, "read"):
        data = data.read()
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise UsageError(f"{type(data).__name__} is not bytes", where=where, hint=shape)
    return arrival, bytes(data)


class _Tar:
    """Writes a tar and hashes it in one pass; `tarfile` would do four times the work a file."""

    def __init__(self, out: IO[bytes]) -> None:
        import hashlib  # only where files are sent

        self._out = out
        self._hash = hashlib.sha256()

    def add(self, info: TarInfo, file: IO[bytes] | None = None) -> bool:
        """One member; False when `file` ended before its size."""
        from tarfile import PAX_FORMAT, USTAR_FORMAT

        try:
            header = info.tobuf(USTAR_FORMAT, "ascii", "strict")
        except ValueError:  # not ASCII, too long or too large for a plain one
            header = info.tobuf(PAX_FORMAT, "utf-8", "surrogateescape")
        self._put(header)
        left = info.size
        while file is not None and left:
            chunk = file.read(min(left, _CHUNK))
            if not chunk:
                return False
            self._put(chunk)
            left -= len(chunk)
        self._put(bytes(-info.size % _BLOCK))
        return True

    def end(self) -> str:
        """All is added; returns the SHA-256 in hexadecimal."""
        self._put(bytes(2 * _BLOCK))
        return self._hash.hexdigest()

    def _put(self, data: bytes) -> None:
        self._out.write(data)
        self._hash.update(data)


def _add(tar: _Tar, arrival: str, item: Item) -> None:
    from tarfile import DIRTYPE, TarInfo

    info = TarInfo(arrival)
    info.mode = item.mode
    if item.is_folder:
        info.type = DIRTYPE
        tar.add(info)
    elif isinstance(item.source, bytes):
        info.size = len(item.source)
        tar.add(info, io.BytesIO(item.source))
    else:
        try:
            file = open(item.source, "rb")  # noqa: SIM115 - its errors are not the tar's
        except OSError as err:
            raise unreadable(item.said, err) from None
        with file:
            now = os.fstat(file.fileno())
            info.size, info.mtime = item.size, int(now.st_mtime)
            if now.st_size != item.size or not tar.add(info, file):
                raise UsageError(f"{item.said} changed while it was read")

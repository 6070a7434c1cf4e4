"""The files that travel with a job: found, checked, described, packed.

Files that the command names travel by the rule of `options.command`; --upload, --sync and
buffers add to them. A path inside the current folder arrives at the same relative path, one
outside under its base name. Symbolic links travel as what they point to.
"""

from __future__ import annotations

import io
import os
import posixpath
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.core.sizes import format_bytes
from batchio.core.spec import SentFile
from batchio.errors import UsageError
from batchio.options.command import EXECUTABLE, READABLE
from batchio.submit.caller import blamed, unreadable
from batchio.submit.ignore import Rules
from batchio.submit.tar import Tar

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.options.command import Command
    from batchio.options.resolve import Effective
    from batchio.submit.caller import CallerContext

NAMED: Final = 3
"""Number of files that a description names."""

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
    """All files that travel with a job, by the path at which they arrive."""

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
        """The size of all files together, in bytes."""
        return sum(item.size for item in self.items.values())

    def __str__(self) -> str:
        """Describe the files for people: "process.py, data/a.csv (2 files, 12 KiB)"; "" for
        none.
        """
        paths = [file.path for file in self.files]
        if not paths:
            return ""
        more = len(paths) - NAMED
        names = ", ".join(paths[:NAMED]) + (f" and {more} more" if more > 0 else "")
        count = "1 file" if len(paths) == 1 else f"{len(paths)} files"
        return f"{names} ({count}, {format_bytes(self.size)})"

    def add(self, arrival: str, item: Item) -> None:
        """Add a file that arrives at this path.

        Raises:
            UsageError: another file would arrive at the same path.
        """
        other = self.items.setdefault(arrival, item)
        same = isinstance(item.source, str) and other.source == item.source
        if other is item or same or (other.is_folder and item.is_folder):
            return
        raise UsageError(
            f"{other.said} and {item.said} would both arrive as {arrival}",
            hint="rename one of them, or send only one",
        )

    def check(self) -> None:
        """Check that every file can arrive.

        Raises:
            UsageError: a file would stand where a folder must be.
        """
        folders = {""}
        for path, item in self.items.items():
            above = path.rpartition("/")[0]
            while above not in folders:
                other = self.items.get(above)
                if other is not None and not other.is_folder:
                    raise UsageError(
                        f"{other.said} would arrive as {above}, and {item.said} below it",
                        hint="rename one of them, or send only one",
                    )
                folders.add(above)
                above = above.rpartition("/")[0]

    def pack(self, target: Path) -> str:
        """Write the files as a tar; return its SHA-256 in hexadecimal.

        Raises:
            UsageError: a file cannot be read, or changed while it was.
            OSError: the tar cannot be written.
        """
        with target.open("wb", buffering=0) as file:
            tar = Tar(file)
            for arrival, item in self.items.items():
                _add(tar, arrival, item)
            return tar.end()


def bundle_for(
    command: Command, effective: Effective, here: CallerContext, avoid: Path | None
) -> Bundle:
    """Return the bundle of every file that shall travel.

    Args:
        avoid: the folder of jobs, if it is one; never travels from within another folder, as
            the folder of --download does not, which holds what came back the last time.

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
    avoided = {os.path.abspath(avoid)} if avoid else set()
    download = effective.value("download")
    back = here.path(download) if download else ""
    for name in ("upload", "sync"):
        value = effective.value(name)
        for typed in (value,) if isinstance(value, str) else value or ():
            try:
                _Walk(bundle, here, avoided, back, typed).start()
            except UsageError as err:
                raise blamed(effective, name, err) from None
    for number, given in enumerate(effective.value("buffers-to-upload") or (), 1):
        arrival, data = _buffer(given, f"buffers_to_upload: item {number}")
        bundle.add(arrival, Item(data, len(data), READABLE, f'the buffer "{arrival}"'))
    bundle.check()
    return bundle


class _Walk:
    """A walk that adds one path, and what is below it, to a bundle."""

    def __init__(
        self, bundle: Bundle, here: CallerContext, avoided: set[str], back: str, typed: str
    ) -> None:
        self._bundle = bundle
        self._here = here
        self._avoided = avoided
        self._back = back
        self._typed = typed
        self._root = here.path(typed)
        self._user = os.geteuid()

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
        shown = os.path.normpath(typed)
        if stat.S_ISDIR(found.st_mode):
            self._folder(path, arrival, shown, Rules(), ())
        else:
            self._file(path, arrival, shown, found)

    def _folder(
        self, path: str, arrival: str, shown: str, rules: Rules, above: tuple[str, ...]
    ) -> None:
        real = os.path.realpath(path)
        if real in above:
            raise UsageError(f"{shown} is a link to a folder that it stands in")
        try:
            with os.scandir(path) as found:
                entries = sorted(found, key=_name)
        except OSError as err:
            raise unreadable(shown, err) from None
        rules = rules.below(path, map(_name, entries), shown)
        for entry in entries:
            place, said = _below(arrival, entry.name), _below(shown, entry.name)
            self._entry(entry, place, said, rules, (*above, real))
        if arrival and not entries:
            empty = Item(path, 0, EXECUTABLE, shown, is_folder=True)
            self._bundle.add(arrival, empty)

    def _entry(
        self,
        entry: os.DirEntry[str],
        arrival: str,
        shown: str,
        rules: Rules,
        above: tuple[str, ...],
    ) -> None:
        path, is_folder = entry.path, _is_folder(entry)
        if path == self._back and is_folder:
            self._bundle.warnings.append(f"{shown}: not sent, it is the folder of --download")
            return
        if path in self._avoided or rules.ignores(path, entry.name, is_folder):
            return
        if is_folder:
            self._folder(path, arrival, shown, rules, above)
            return
        try:
            found = entry.stat()
        except OSError as err:
            if entry.is_symlink() and isinstance(err, FileNotFoundError):
                if entry.name.startswith(".#"):  # how Emacs marks a file that is being edited
                    self._bundle.warnings.append(f"{shown}: not sent, it is an editor's lock")
                    return
                raise _broken(shown, path) from None
            raise unreadable(shown, err) from None
        self._file(path, arrival, shown, found)

    def _file(self, path: str, arrival: str, shown: str, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            self._bundle.warnings.append(f"{shown}: not sent, it is neither a file nor a folder")
            return
        if not (found.st_uid == self._user and found.st_mode & stat.S_IRUSR):  # else surely
            _check_readable(path, shown)
        mode = EXECUTABLE if found.st_mode & 0o111 else READABLE
        self._bundle.add(arrival, Item(path, found.st_size, mode, shown))


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _below(folder: str, name: str) -> str:
    """Join two paths that have no needless parts; the current folder is left out."""
    return name if folder in ("", os.curdir) else f"{folder}/{name}"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere
        return False


def _broken(shown: str, path: str) -> UsageError:
    return UsageError(
        f"{shown} is a broken link to {os.readlink(path)}",
        hint="remove it, or name it in .batchioignore",
    )


def _check_readable(path: str, shown: str) -> None:
    if not os.access(path, os.R_OK, effective_ids=_EFFECTIVE_IDS):
        raise UsageError(f"cannot read {shown}: Permission denied")


def _buffer(given: Any, where: str) -> tuple[str, bytes]:
    """Return the path and the content of one item of buffers_to_upload."""
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


def _add(tar: Tar, arrival: str, item: Item) -> None:
    if item.is_folder:
        tar.folder(arrival, item.mode)
        return
    if isinstance(item.source, bytes):
        tar.data(arrival, item.mode, item.source)
        return
    try:
        file = os.open(item.source, os.O_RDONLY)
    except OSError as err:
        raise unreadable(item.said, err) from None
    try:
        now = os.fstat(file)
        same = now.st_size == item.size
        if not (same and tar.file(arrival, item.mode, file, item.size, int(now.st_mtime))):
            raise UsageError(f"{item.said} changed while it was read")
    finally:
        os.close(file)

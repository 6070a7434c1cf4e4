"""A walk over paths of the caller's, which adds what it finds to a bundle.

Symbolic links travel as what they point to. What ignore files name stays.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from batchio.errors import UsageError
from batchio.options.command import EXECUTABLE, READABLE
from batchio.submit.bundle import Item
from batchio.submit.caller import unreadable
from batchio.submit.ignore import Rules
from batchio.submit.imports import MODULES

if TYPE_CHECKING:
    from collections.abc import Container

    from batchio.submit.bundle import Bundle
    from batchio.submit.caller import CallerContext

NOWHERE: Final = (errno.ENOENT, errno.ELOOP)
"""Error numbers of a link that leads to nothing, or back to itself."""

_EFFECTIVE_IDS: Final = os.access in os.supports_effective_ids


class Walk:
    """Adds paths, and what is below them, to a bundle.

    Args:
        avoided: Absolute paths that never travel from within another folder.
        back: Absolute path of the folder of --download, which does not either, and is named in
            a warning; "" for none.
        modules: Files that Python can import travel also when an ignore file names them.
    """

    def __init__(
        self,
        bundle: Bundle,
        here: CallerContext,
        avoided: set[str],
        back: str = "",
        *,
        modules: bool = False,
    ) -> None:
        self._bundle = bundle
        self._here = here
        self._avoided = avoided
        self._back = back
        self._modules = modules
        self._user = os.geteuid()
        self.brought: Container[str] = ()
        """Paths of arrival at which earlier jobs brought something; it does not travel."""

    def upload(self, typed: str, *, bare: bool) -> None:
        """Add the file or folder that was typed.

        Args:
            bare: A folder arrives without its name, a file without its folder.

        Raises:
            UsageError: it is missing or cannot be read, or something would arrive twice.
        """
        path = self._here.path(typed)
        inside = None if bare else self._here.inside(path)
        arrival = os.path.basename(path) if inside is None else inside
        try:
            found = os.stat(path)
        except OSError as err:
            if err.errno in NOWHERE and os.path.islink(path):
                raise _leads_nowhere(typed, path, err) from None
            if err.errno == errno.ENOENT:
                raise UsageError(f"no such file or folder: {typed}") from None
            raise unreadable(typed, err) from None
        shown = os.path.normpath(typed)
        if not stat.S_ISDIR(found.st_mode):
            if typed.endswith("/"):
                raise UsageError(f"{shown} is not a folder", hint="leave out the / at the end")
            self.file(path, arrival, shown, found)
            return
        if bare:
            arrival = ""
        elif not arrival:
            raise UsageError(f"{typed} has no folder name", hint="add a / at the end")
        self.folder(path, "" if arrival == os.curdir else arrival, shown)

    def folder(
        self,
        path: str,
        arrival: str,
        shown: str,
        rules: Rules | None = None,
        above: tuple[str, ...] = (),
    ) -> None:
        """Add all that is in a folder.

        Args:
            path: Absolute path of the folder.
            arrival: Path at which it arrives; "" for the working directory itself.
            shown: Name of the folder in messages.
            rules: What is not sent, of the folders above it.
            above: Real paths of the folders above it.

        Raises:
            UsageError: something cannot be read, or would arrive twice.
        """
        above = (*above, os.path.realpath(path))
        try:
            with os.scandir(path) as found:
                entries = sorted(found, key=_name)
        except OSError as err:
            raise unreadable(shown, err) from None
        rules = (rules or Rules()).below(path, map(_name, entries), shown)
        for entry in entries:
            place, said = _below(arrival, entry.name), _below(shown, entry.name)
            self._entry(entry, place, said, rules, above)
        if arrival and not entries and arrival not in self.brought:
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
            self._leave(shown, "it is the folder of --download")
        elif path in self._avoided or self._stays(entry, arrival, is_folder, rules):
            return
        elif is_folder and os.path.realpath(path) in above:
            self._leave(shown, f"it is a link to {os.readlink(path)}, a folder that contains it")
        elif is_folder:
            self.folder(path, arrival, shown, rules, above)
        else:
            self._other(entry, arrival, shown)

    def _stays(self, entry: os.DirEntry[str], arrival: str, is_folder: bool, rules: Rules) -> bool:
        if not is_folder and arrival in self.brought:
            return True
        if not is_folder and self._modules and entry.name.endswith(MODULES):
            return False
        return rules.ignores(entry.path, entry.name, is_folder)

    def _other(self, entry: os.DirEntry[str], arrival: str, shown: str) -> None:
        try:
            found = entry.stat()
        except OSError as err:
            if not entry.is_symlink() or err.errno not in NOWHERE:
                raise unreadable(shown, err) from None
            if not entry.name.startswith(".#"):
                raise _leads_nowhere(shown, entry.path, err) from None
            # how Emacs marks a file that is being edited
            self._leave(shown, "it is an editor's lock")
            return
        self.file(entry.path, arrival, shown, found)

    def file(self, path: str, arrival: str, shown: str, found: os.stat_result) -> None:
        """Add one file; name it in a warning when it is a pipe, a socket or a device.

        Raises:
            UsageError: it cannot be read, or would arrive twice.
        """
        if not stat.S_ISREG(found.st_mode):
            self._leave(shown, "it is neither a file nor a folder")
            return
        if not (found.st_uid == self._user and found.st_mode & stat.S_IRUSR):  # else surely
            check_readable(path, shown)
        mode = EXECUTABLE if found.st_mode & 0o111 else READABLE
        self._bundle.add(arrival, Item(path, found.st_size, mode, shown))

    def _leave(self, shown: str, why: str) -> None:
        self._bundle.warnings.append(f"{shown} was not sent: {why}")


def check_readable(path: str, shown: str) -> None:
    """Check that this process may read a file. Raises UsageError."""
    if not os.access(path, os.R_OK, effective_ids=_EFFECTIVE_IDS):
        raise UsageError(f"cannot read {shown}: Permission denied")


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


def _leads_nowhere(shown: str, path: str, err: OSError) -> UsageError:
    what = "which links back to it" if err.errno == errno.ELOOP else "which does not exist"
    return UsageError(
        f"{shown} is a link to {os.readlink(path)}, {what}",
        hint="remove it, or list it in .batchioignore",
    )

"""How each thing that a Python finds travels: as a wheel of what is installed, or as a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from batchio.core.recipe import Kind
    from batchio.software.capture import Captured, CapturedFile, CapturedPackage

SOURCES: Final = "src"
"""Folder of an environment for folders of the user's own code."""

LOOSE: Final = "files of no package"
"""Name for people of what lies in site-packages and belongs to no package."""


class SourceFile(NamedTuple):
    """A file that is packed."""

    arrival: str
    """Path in its piece: that of a wheel, or below its folder."""
    path: str
    """Absolute path here."""
    size: int
    mtime_ns: int
    executable: bool


class Item(NamedTuple):
    """One package or folder that travels."""

    name: str
    version: str
    kind: Kind
    into: str
    """Path in the environment; "" for a wheel, and for what lies in the environment itself."""
    files: tuple[SourceFile, ...]
    why: str
    """For people: "as installed", "editable: /home/me/project"."""
    tags: tuple[str, ...] = ()
    """Of a package that is as an index has it: those of its wheel."""

    @property
    def size(self) -> int:
        """The size of its files, in bytes."""
        return sum(file.size for file in self.files)


class Items(NamedTuple):
    """All that travels of an environment, and what does not."""

    items: tuple[Item, ...]
    first: tuple[str, ...]
    """Folders in the environment that Python searches before its own modules; `last`: after its
    packages."""
    last: tuple[str, ...]
    left: tuple[tuple[str, str], ...]
    """What does not travel, and why."""
    patched: tuple[str, ...] = ()
    """Paths in the environment of files that the prefix stands in."""


def items_of(
    captured: Captured,
    listed: Callable[[str], Iterable[SourceFile]],
    ignored: Collection[str] = (),
) -> Items:
    """Return what travels of a captured environment.

    Args:
        listed: Returns the files of a folder of the user's own code that travel.
        ignored: Names of packages that do not.
    """
    return _Sorting(captured, listed, {normal(name) for name in ignored}).sorted()


def normal(name: str) -> str:
    """Return a package's name as indexes compare it: lower case, with dashes."""
    return "-".join(part for part in _dashed(name).split("-") if part)


def _dashed(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


class _Sorting:
    def __init__(
        self,
        captured: Captured,
        listed: Callable[[str], Iterable[SourceFile]],
        ignored: set[str],
    ) -> None:
        self._captured = captured
        self._listed = listed
        self._ignored = ignored
        self._items: list[Item] = []
        self._left = list(captured.left)
        self._folders: dict[str, str] = {}
        """Place in the environment of each folder that travels, by its path here."""
        self._mapped: list[str] = []
        self._patched: list[str] = []

    def sorted(self) -> Items:
        captured = self._captured
        owners = {folder: package for package in captured.packages for folder in package.folders}
        for package in captured.packages:
            if package.name and normal(package.name) in self._ignored:
                self._left.append((package.name, "--package-sync-ignore names it"))
                continue
            self._package(package)
        for path in (*captured.first, *captured.last):
            owner = owners.get(path)
            if owner is None:
                self._folder(path, "", f"on the path of Python: {path}")
            elif normal(owner.name) not in self._ignored:
                self._folder(path, owner.version, f"editable: {path}", owner.name)
        places = self._folders
        return Items(
            tuple(self._items),
            tuple(places[path] for path in captured.first if path in places),
            (*self._mapped, *(places[path] for path in captured.last if path in places)),
            tuple(self._left),
            tuple(sorted(set(self._patched))),
        )

    def _package(self, package: CapturedPackage) -> None:
        if package.hook:
            why = "it is editable, and found by code of its own; install it without -e"
            self._left.append((package.name, why))
            return
        if package.origin == "conda":
            self._conda(package)
            return
        if package.mapping:
            self._map(package)
        if package.files:
            self._items.append(installed(package))

    def _conda(self, package: CapturedPackage) -> None:
        """Add a package of conda, whose files lie anywhere in the prefix."""
        files = tuple(
            SourceFile(file.below, file.path, file.size, file.mtime_ns, file.executable)
            for file in package.files
        )
        if files:
            item = Item(package.name, package.version, "folder", "", files, "package of conda")
            self._items.append(item)
        self._patched += package.patched
        self._patched += (
            file.below
            for file in package.files
            if file.below.startswith("bin/") and _begins(file.path, self._captured.prefix)
        )

    def _map(self, package: CapturedPackage) -> None:
        """Add the modules of an editable package that are found one by one."""
        into = self._into(package.name)
        files: list[SourceFile] = []
        for module, path in sorted(package.mapping.items()):
            arrival = module.replace(".", "/")
            files += (
                (file._replace(arrival=f"{arrival}/{file.arrival}") for file in self._listed(path))
                if os.path.isdir(path)
                else _modules(path, arrival)
            )
        place = next(iter(package.mapping.values()))
        why = f"editable: {os.path.dirname(place)}"
        files.sort()
        self._items.append(Item(package.name, package.version, "folder", into, tuple(files), why))
        self._mapped.append(into)

    def _folder(self, path: str, version: str, why: str, name: str = "") -> None:
        name = name or os.path.basename(path) or path
        into = self._into(name)
        if os.path.isdir(path):
            files = tuple(sorted(self._listed(path)))
        else:  # a zip file
            found = os.stat(path)
            files = (SourceFile(name, path, found.st_size, found.st_mtime_ns, False),)
            self._folders[path] = f"{into}/{name}"
        self._folders.setdefault(path, into)
        self._items.append(Item(name, version, "folder", into, files, why))

    def _into(self, name: str) -> str:
        number = sum(bool(item.into) for item in self._items)
        plain = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in name)
        return f"{SOURCES}/{number}-{plain[:40]}"


def installed(package: CapturedPackage) -> Item:
    """Return what travels of a package that lies in a folder of packages."""
    files = tuple(_in_wheel(package, file) for file in package.files)
    editable = package.origin == "editable"
    said = "metadata of the editable package" if editable else "as installed"
    name = package.name or LOOSE
    return Item(name, package.version, "wheel", "", files, said, package.tags)


def _in_wheel(package: CapturedPackage, file: CapturedFile) -> SourceFile:
    """Return a file of a package with its path in a wheel."""
    arrival = file.below
    if file.area != "site":
        arrival = f"{package.name or 'loose'}-{package.version}.data/{file.area}/{file.below}"
    return SourceFile(arrival, file.path, file.size, file.mtime_ns, file.executable)


def _begins(path: str, prefix: str) -> bool:
    """Return whether a file is a script of a program below a prefix."""
    with open(path, "rb") as file:
        return file.read(2 + len(os.fsencode(prefix))) == b"#!" + os.fsencode(prefix)


def _modules(path: str, arrival: str) -> Iterator[SourceFile]:
    """Yield the files of one module, whose path has no suffix: source, or compiled."""
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        return
    for entry in sorted(os.listdir(folder)):
        if entry.startswith(f"{name}.") and entry.endswith((".py", ".so")):
            found = os.stat(os.path.join(folder, entry))
            above = os.path.dirname(arrival)
            yield SourceFile(
                f"{above}/{entry}" if above else entry,
                os.path.join(folder, entry),
                found.st_size,
                found.st_mtime_ns,
                bool(found.st_mode & 0o111),
            )

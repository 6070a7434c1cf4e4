"""The user's Python environment: whether it travels with a job, what of it, and what does not.

Looking makes nothing; `Environment.pack` makes the pieces.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchio.core.sizes import GIB, format_bytes
from batchio.core.spec import Software
from batchio.core.traits import Trait
from batchio.errors import UsageError
from batchio.providers import traits
from batchio.submit.bundle import Bundle
from batchio.submit.caller import blamed
from batchio.submit.ignore import Rules
from batchio.submit.interpreter import UsersPython, runs_python, users_python
from batchio.submit.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from batchio.options.to_spec import ResolvedJob
    from batchio.ports import PieceStore
    from batchio.software.capture import Captured
    from batchio.software.items import Items, SourceFile
    from batchio.submit.caller import CallerContext

MOST: Final = 2 * GIB
"""Bytes of a folder on the path of Python that travel at most."""

NAMED: Final = 3
"""Number of files, or packages, that a message names."""

WITHOUT: Final = "to use what the nodes have: --no-package-sync"


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python environment that travels.

    Attributes:
        python: The interpreter that it belongs to, and how that is known.
        captured: All that was found.
        found: What of it travels, and what does not.
    """

    python: UsersPython
    captured: Captured
    found: Items

    def __str__(self) -> str:
        """Describe it in one line: "Python 3.12.1 of .venv, 55 packages (575 MiB)"."""
        count = len(self.found.items)
        packages = "1 package" if count == 1 else f"{count} packages"
        of = f"Python {self.captured.version} ({self.python.why}: {self.captured.prefix})"
        return f"{of}, {packages} ({format_bytes(self.size)})"

    @property
    def size(self) -> int:
        """The size of all its files, in bytes."""
        return sum(item.size for item in self.found.items)

    def pack(self, here: CallerContext, pieces: PieceStore | None) -> tuple[Software, str]:
        """Pack it, and return what the job's spec says of it, and a warning or "".

        Args:
            pieces: Where it is kept besides, for heads on other computers.

        Raises:
            UsageError: a file cannot be read, or changed meanwhile; there is no room.
            JournalDown, WorkspaceError: it cannot be kept there.
        """
        from batchio.software.cache import Cache, cache_folder
        from batchio.software.elsewhere import known_of
        from batchio.software.index import shortcuts
        from batchio.software.packing import pack

        cache = Cache(cache_folder(here.environ))
        recipe = pack(self.captured, self.found, cache)
        if pieces:
            pieces.put(cache.files(recipe.digest))
        wheels, warning = shortcuts(
            self.found.items, self.captured, cache, here.environ, here.folder
        )
        cache.put_wheels(recipe, wheels)
        cache.put_known(recipe.digest, known_of(self.captured, self.found), here.folder)
        packages = len(recipe.packages)
        return Software(recipe.digest, self.captured.version, packages, recipe.size), warning


def environment_for(
    resolved: ResolvedJob, here: CallerContext, avoided: Collection[str] = ()
) -> tuple[Environment | None, list[str]]:
    """Return the environment that travels with a job, if one does, and warnings.

    It travels to other computers, where the command runs Python, unless the job names a Python
    of theirs or runs in a container. --package-sync and --no-package-sync decide otherwise.

    Args:
        avoided: Absolute paths that never travel.

    Raises:
        UsageError: it was asked for and cannot be had; its Python cannot be asked.
    """
    effective = resolved.effective
    wanted = effective.value("package-sync")
    contained = bool(resolved.container)
    if wanted and contained:
        hint = "leave one of them out, or run on the node itself: --run-on-host"
        wrong = UsageError("a container has packages of its own", hint=hint)
        raise blamed(effective, "package-sync", wrong)
    if (
        (wanted is False and not resolved.environment)
        or contained
        or Trait.REMOTE not in traits(resolved.provider)
    ):
        return None, []
    given = effective.value("python")
    if resolved.environment:
        wanted, python = True, UsersPython(*resolved.environment)
    elif given and not wanted:
        return None, []
    else:
        python = users_python(given, here)
    if not wanted and not runs_python(resolved.command, python.path, here):
        return None, []
    try:
        found = look(python, here, effective.value("package-sync-ignore"), avoided)
    except UsageError as err:
        hint = err.hint or WITHOUT
        raise UsageError(err.message, where=err.where, hint=hint) from None
    if not wanted and not found[0].found.items:
        return None, []  # any Python of the nodes will do
    return found


def look(
    python: UsersPython,
    here: CallerContext,
    ignored: Collection[str] = (),
    avoided: Collection[str] = (),
) -> tuple[Environment, list[str]]:
    """Return what travels of a Python's environment, and warnings about what does not.

    Raises:
        UsageError: it cannot be asked, or a folder cannot be read or is too large.
    """
    from batchio.software.capture import capture
    from batchio.software.items import items_of, normal

    captured = capture(python.path, here.environ)
    bundle = Bundle()
    found = items_of(captured, _lister(here, bundle, set(avoided)), ignored)
    warnings = [f"{line} (part of your Python environment)" for line in bundle.warnings]
    names = {normal(package.name) for package in captured.packages}
    warnings += [
        f"--package-sync-ignore {name}: there is no such package"
        for name in ignored
        if normal(name) not in names
    ]
    named = [f"{what} ({why})" for what, why in found.left if not why.startswith("--")]
    if named:
        more = len(named) - NAMED
        rest = f" and {more} more; batchio env show lists them" if more > 0 else ""
        warnings.append(f"not sent: {', '.join(named[:NAMED])}{rest}")
    return Environment(python, captured, found), warnings


def _lister(
    here: CallerContext, warned: Bundle, avoided: set[str]
) -> Callable[[str], list[SourceFile]]:
    """Return a function that lists the files of a folder of the user's own code that travel."""
    from batchio.software.items import SourceFile

    def listed(folder: str) -> list[SourceFile]:
        bundle = Bundle()
        inner = {
            path
            for name in os.listdir(folder)
            if os.path.exists(os.path.join(path := os.path.join(folder, name), "pyvenv.cfg"))
        }
        walk = Walk(bundle, here, avoided | inner, modules=True)
        walk.folder(folder, "", here.shown(folder), _rules_above(folder, here))
        warned.warnings += bundle.warnings
        if bundle.size > MOST:
            raise _too_large(folder, bundle, here)
        out = []
        for arrival, item in bundle.items.items():
            if not item.is_folder:
                found = os.stat(str(item.source))
                executable = bool(found.st_mode & 0o111)
                out.append(
                    SourceFile(
                        arrival, str(item.source), found.st_size, found.st_mtime_ns, executable
                    )
                )
        return out

    return listed


def _rules_above(folder: str, here: CallerContext) -> Rules:
    """Return the rules of the folders above, up to that of the git repository they stand in."""
    levels: list[str] = []
    above = os.path.dirname(folder)
    if os.path.exists(os.path.join(folder, ".git")):
        return Rules()
    while True:
        levels.insert(0, above)
        if os.path.exists(os.path.join(above, ".git")):
            break
        if above == os.path.dirname(above):
            return Rules()
        above = os.path.dirname(above)
    rules = Rules()
    for level in levels:
        rules = rules.below(level, os.listdir(level), here.shown(level))
    return rules


def _too_large(folder: str, bundle: Bundle, here: CallerContext) -> UsageError:
    largest = sorted(bundle.items.items(), key=lambda row: -row[1].size)[:NAMED]
    named = ", ".join(f"{path} ({format_bytes(item.size)})" for path, item in largest)
    return UsageError(
        f"{here.shown(folder)} is on the path of Python and holds {format_bytes(bundle.size)}; "
        f"the largest files are {named}",
        hint="name what tasks do not need in its .batchioignore, or send no packages: "
        "--no-package-sync",
    )

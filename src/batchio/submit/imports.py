"""The imports of Python programs that name a module in the program's own folder.

Texts are read, nothing is imported. What only a run can tell, such as `importlib` with a name
that is made up, or a changed `sys.path`, is not found.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

SOURCE: Final = ".py"
COMPILED: Final = ".so"
"""End of the name of a compiled module: helper.so, helper.cpython-312-x86_64-linux-gnu.so."""

MODULES: Final = (SOURCE, COMPILED)


class Import(NamedTuple):
    """An import: the names that lead to the module, each name that is taken from it, the line."""

    names: tuple[str, ...]
    taken: tuple[str, ...]
    line: int


class ModuleFolder:
    """A folder in which Python looks for modules first: that of the script, or the current one.

    Args:
        path: Absolute path of the folder; one that cannot be read has no modules.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.entries: frozenset[str] = frozenset()
        """The names of all that is in the folder."""
        with suppress(OSError):
            self.entries = frozenset(os.listdir(path))
        self._modules = frozenset(
            name for entry in self.entries if (name := _module(entry)).isidentifier()
        )

    def imported(self, text: bytes) -> Iterator[tuple[str, int]]:
        """Yield the files and folders of this folder that a program imports, and each line.

        A package is its folder, whatever of it is imported. A text that is no Python has none.
        """
        if any(name.encode() in text for name in self._modules):  # few programs need more
            for found in imports(text):
                for entry in self.find(found):
                    yield entry, found.line

    def find(self, wanted: Import) -> list[str]:
        """Return the names of the files, or of the folder, that an import means; [] for none.

        Source: docs.python.org/3/reference/import.html, "Path entry finders": a package comes
        before a module, and both before a folder without `__init__.py`.
        """
        first, *below = wanted.names
        if first not in self._modules:
            return []
        if first in self.entries and _is_package(os.path.join(self.path, first)):
            return [first]
        files = [
            entry for entry in self.entries if entry.endswith(MODULES) and _module(entry) == first
        ]
        if files or first not in self.entries:
            return sorted(files)
        inner = ModuleFolder(os.path.join(self.path, first))
        further = below[:1] or wanted.taken
        return [first] if any(name in inner._modules for name in further) else []


def imports(text: bytes) -> Iterator[Import]:
    """Yield the absolute imports of a program, wherever they stand in it; none if it is broken."""
    tree = _parsed(text)
    if tree is None:
        return
    import ast

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(tuple(alias.name.split(".")), (), node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            taken = tuple(alias.name for alias in node.names)
            yield Import(tuple(node.module.split(".")), taken, node.lineno)


def _parsed(text: bytes) -> ast.AST | None:
    import ast  # only programs beside which there are modules need it
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is odd in the program is told when it runs
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _module(entry: str) -> str:
    """Return the name of the module that a file or folder would be: "helper" of "helper.py"."""
    if entry.endswith(COMPILED):
        return entry.partition(".")[0]
    return entry.removesuffix(SOURCE)


def _is_package(path: str) -> bool:
    try:
        return any(name.startswith("__init__.") for name in os.listdir(path))
    except OSError:
        return False

"""The rules by which files of an uploaded folder are not sent: `.gitignore`, `.batchioignore`.

A few names are never sent. Both files have the syntax of git
(https://git-scm.com/docs/gitignore) and may stand in any folder that is uploaded; in one
folder `.batchioignore` has the last word, and deeper folders have it over upper ones. Files
above the uploaded folder are not read: what was named travels.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from batchio.errors import UsageError
from batchio.submit.caller import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pathspec import GitIgnoreSpec

ALWAYS: Final = frozenset((".git", "__pycache__", ".venv"))
"""Names that never travel from within an uploaded folder."""

FILES: Final = (".gitignore", ".batchioignore")


class Rules:
    """The rules of a folder and of those above it, up to the uploaded one."""

    def __init__(self, levels: tuple[tuple[str, GitIgnoreSpec], ...] = ()) -> None:
        self._levels = levels

    def below(self, folder: str, names: Iterable[str], shown: str) -> Rules:
        """Return the rules inside `folder`, which holds `names`.

        Raises:
            UsageError: an ignore file cannot be read or understood.
        """
        there = set(names)
        present = [name for name in FILES if name in there]
        if not present:
            return self
        from pathspec import GitIgnoreSpec  # 50 ms that only projects with such files pay

        lines: list[str] = []
        for name in present:
            place = os.path.join(shown, name)
            try:
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                    lines += file.read().splitlines()
            except OSError as err:
                raise unreadable(place, err) from None
        try:
            spec = GitIgnoreSpec.from_lines(lines)
        except ValueError as err:
            raise UsageError(f"not a pattern: {err}", where=place) from None
        return Rules((*self._levels, (folder, spec)))

    def ignores(self, path: str, name: str, is_folder: bool) -> bool:
        """Return whether the file or folder at this absolute path, called `name`, is not sent."""
        if name in ALWAYS:
            return True
        for folder, spec in reversed(self._levels):
            relative = path[len(folder) + 1 :] + ("/" if is_folder else "")
            verdict = spec.check_file(relative).include
            if verdict is not None:
                return verdict
        return False

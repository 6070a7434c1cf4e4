"""The pieces and recipes that are kept on this computer: a folder of the user's cache.

    pieces/<digest>     bytes, under their SHA-256
    recipes/<digest>    JSON, as `core.recipe` has it
    packed/<key>        which pieces files have become, by their paths, sizes and times

Whoever uses something touches it; what nobody has used for KEPT_S goes. Everything blocks.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batchio.core.recipe import Recipe
from batchio.errors import BatchioError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEPT_S: Final = 20 * 86_400
"""Seconds after its last use for which something is kept."""

PARTS: Final = ("pieces", "recipes", "packed")


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder in which pieces are kept, as the XDG Base Directory Specification says.

    Raises:
        UsageError: there is no home folder to keep them in.
    """
    given = environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if os.path.isabs(given) else Path(os.path.expanduser("~/.cache"))
    if not base.is_absolute():
        raise UsageError(
            "there is no home folder: HOME is not set, and this user is not in /etc/passwd",
            hint="set a folder for packages: XDG_CACHE_HOME=FOLDER",
        )
    return base / "batchio" / "software"


class Cache:
    """The kept pieces and recipes of one user.

    Args:
        folder: It is made when something is to be kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Make the folder, and remove what was not used for KEPT_S.

        Raises:
            UsageError: it cannot be made.
        """
        try:
            for part in PARTS:
                (self.folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as err:
            raise UsageError(
                f"packages cannot be packed below {self.folder}: {err.strerror}",
                hint="set XDG_CACHE_HOME to another folder, or send none: --no-package-sync",
            ) from None
        self._sweep(time.time() - KEPT_S)

    def clean(self) -> int:
        """Remove all that is kept; return how many bytes that were."""
        return self._sweep(float("inf"))

    def piece(self, digest: str) -> Path:
        """Return the path of a piece, which need not be there."""
        return self.folder / "pieces" / digest

    def put_recipe(self, recipe: Recipe) -> None:
        """Keep a recipe under its digest."""
        self._write(self._recipe(recipe.digest), recipe.text)

    def recipe(self, digest: str) -> Recipe:
        """Return the recipe of this digest; all of its pieces are there, and count as used.

        Raises:
            BatchioError: the recipe or a piece is not there any more.
        """
        path = self._recipe(digest)
        try:
            recipe = Recipe.from_json(json.loads(path.read_bytes()))
            for used in (path, *map(self.piece, recipe.pieces())):
                os.utime(used)
        except (OSError, ValueError, LookupError, TypeError):
            raise BatchioError(
                f"the packages of this job are not below {self.folder} any more",
                hint="submit it again",
            ) from None
        return recipe

    def put_known(self, digest: str, rows: Any, folder: str) -> None:
        """Keep what must be known of the packages of a recipe, and the folder of its user."""
        self.note(f"{digest}-known", {"packages": rows, "folder": folder})

    def known(self, digest: str) -> tuple[list[Any], str]:
        """Return what `put_known` kept for a recipe.

        Raises:
            LookupError: nothing, as on another computer.
        """
        found = self.packed(f"{digest}-known")
        if not isinstance(found, dict):
            raise LookupError(digest)
        return found["packages"], found["folder"]

    def put_wheels(self, recipe: Recipe, wheels: Mapping[str, list[str]]) -> None:
        """Keep where an index has packages of a recipe: SHA-256 and URL, by the package's name."""
        self.note(f"{recipe.digest}-wheels", wheels)

    def wheels(self, recipe: Recipe) -> dict[str, list[str]]:
        """Return what `put_wheels` kept for a recipe; {} when it kept nothing."""
        found = self.packed(f"{recipe.digest}-wheels")
        return found if isinstance(found, dict) else {}

    def files(self, digest: str) -> dict[str, Path]:
        """Return the files that a recipe and its pieces are, each by its digest.

        Raises:
            BatchioError: as `recipe`.
        """
        pieces = self.recipe(digest).pieces()
        return {digest: self._recipe(digest)} | {piece: self.piece(piece) for piece in pieces}

    def fill(self, digest: str, fetch: Callable[[str, Path], bool]) -> None:
        """Fetch what is missing of a recipe and its pieces, as far as it is to be had.

        Args:
            fetch: Writes the bytes of a digest into a file; returns False when it has none.

        Raises:
            BatchioError: what was fetched is something else; or as `make`, or as `fetch`.
        """
        self.make()
        path = self._recipe(digest)
        if self._fetched(digest, path, fetch):
            with suppress(ValueError, LookupError, TypeError):  # of another version
                for piece in Recipe.from_json(json.loads(path.read_bytes())).pieces():
                    self._fetched(piece, self.piece(piece), fetch)

    def _fetched(self, digest: str, path: Path, fetch: Callable[[str, Path], bool]) -> bool:
        """Return whether the bytes of a digest are here, or could be fetched."""
        if path.exists():
            return True
        part = path.with_name(f"part-{os.getpid()}-{digest}")
        try:
            if not fetch(digest, part):
                return False
            with part.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != digest:
                raise BatchioError(
                    f"packages of this job are damaged: what is stored as {digest} is {found}",
                    hint=f"delete sha256/{digest} in the workspace, and submit the job again",
                )
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return True

    def _recipe(self, digest: str) -> Path:
        return self.folder / "recipes" / digest

    def packed(self, key: str) -> Any:
        """Return what was noted under a key by `note`; None when nothing was."""
        path = self.folder / "packed" / key
        with suppress(OSError, ValueError):
            found = json.loads(path.read_bytes())
            os.utime(path)
            return found
        return None

    def note(self, key: str, value: Any) -> None:
        """Note a JSON value under a key."""
        self._write(self.folder / "packed" / key, json.dumps(value))

    def _write(self, path: Path, text: str) -> None:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix="part-", delete=False
        ) as part:  # another one for each of two that write at once
            part.write(text)
        os.replace(part.name, path)

    def _sweep(self, before: float) -> int:
        size = 0
        for part in PARTS:
            with suppress(OSError), os.scandir(self.folder / part) as entries:
                for entry in entries:
                    with suppress(OSError):
                        found = entry.stat()
                        if found.st_mtime < before:
                            os.unlink(entry.path)
                            size += found.st_size
        return size

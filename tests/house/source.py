"""The project's own files, for the tests that read them."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "src" / "batchio"


@cache
def files() -> tuple[str, ...]:
    """What git tracks, or would: paths relative to ROOT."""
    # A checkout that belongs to another user is no danger: nothing of it is run here.
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT)]
    listing = [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, capture_output=True, check=True, text=True).stdout
    return tuple(name for name in names.split("\0") if name and (ROOT / name).is_file())


def python_files(*folders: str) -> Iterator[Path]:
    """Every Python file below these folders of ROOT."""
    for name in files():
        if name.endswith(".py") and name.startswith(folders):
            yield ROOT / name

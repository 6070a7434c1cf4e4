"""Libraries that only some commands need, and how to install them into the Python that runs."""

from __future__ import annotations

import os
import re
import shlex
import sys
from importlib.util import find_spec

_EXTRA = re.compile(r"""(?P<library>[^;]+?)\s*;\s*extra\s*==\s*["'](?P<extra>[\w-]+)["']""")


def how_to_install(extra: str) -> str:
    """Return the command that installs the libraries of an extra, such as `tui`.

    It names the libraries and the Python that runs, so it works in a clone, in an environment,
    and for what pipx has installed; and it asks no index for a package called batchio.
    """
    from importlib.metadata import requires  # slow, and only errors need it

    wanted = filter(None, map(_EXTRA.fullmatch, requires("batchio") or ()))
    words = [found["library"] for found in wanted if found["extra"] == extra]
    return shlex.join([*_installer(), *words])


def _installer() -> list[str]:
    """Return the words of the program that installs libraries where this Python finds them."""
    if os.path.exists(os.path.join(sys.prefix, "pipx_metadata.json")):
        return ["pipx", "inject", os.path.basename(sys.prefix)]
    if find_spec("pip") is None:
        return ["uv", "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install"]

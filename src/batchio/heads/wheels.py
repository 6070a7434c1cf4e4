"""Libraries for another kind of computer, fetched as wheels by pip or uv."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchio.heads.platform import Platform

PATIENCE_S: Final = 600.0
"""Seconds that fetching may take, on a slow line too."""


_WRONG: Final = ("ERROR", "error", "×", "cause: ", "╰─▶")
"""What stands in lines of pip and uv that say what is wrong."""

UV_GLIBC: Final = (17, 28, *range(31, 41))
"""Versions of glibc, 2.N, that `--python-platform` of `uv pip install` knows (uv 0.13)."""


def download(wanted: Sequence[str], platform: Platform, folder: Path) -> None:
    """Install distributions, and what they need, for a platform into a folder.

    Raises:
        UsageError: neither pip nor uv is here, or it finds no wheels for that platform.
    """
    command = _command(platform, folder)
    try:
        done = subprocess.run(
            [*command, *wanted], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        why = _why(done.stderr) if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as err:
        why = str(err)
    if why:
        raise UsageError(
            f"the libraries for a head on {_called(platform)} cannot be fetched: {why}",
            hint="run batchio with the Python, and on the kind of computer, that the host has; "
            "then what is installed here is sent",
        )


def _command(platform: Platform, folder: Path) -> list[str]:
    ending = [f"--python-version={platform.python}", "--only-binary=:all:", f"--target={folder}"]
    if find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
        tags = [f"--platform={tag}" for tag in platform.tags()]
        return [*pip, "install", "--no-compile", "--implementation=cp", *tags, *ending]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", f"--python-platform={_uv_name(platform)}", *ending]
    raise UsageError(
        f"a head on {_called(platform)} needs other libraries than are installed here, and "
        "there is neither pip nor uv to fetch them",
        hint=f"{sys.executable} -m ensurepip, or install uv",
    )


def _uv_name(platform: Platform) -> str:
    """Return uv's name of the newest platform that it knows and whose wheels run there."""
    known = [minor for minor in UV_GLIBC if minor <= platform.version[1]]
    if platform.libc == "musl" or not known:
        return f"{platform.machine}-unknown-linux-{'musl' if platform.libc == 'musl' else 'gnu'}"
    return f"{platform.machine}-manylinux_2_{known[-1]}"


def _called(platform: Platform) -> str:
    libc = f"{platform.libc} {platform.version[0]}.{platform.version[1]}"
    return f"Python {platform.python}, {platform.machine}, {libc}"


def _why(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    wrong = [line for line in lines if any(mark in line for mark in _WRONG)]
    said = (wrong or lines or ["it gives no reason"])[-1].strip()
    return said.removeprefix("ERROR: ").removeprefix("cause: ").removeprefix("╰─▶ ")

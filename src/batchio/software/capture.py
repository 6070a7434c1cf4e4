"""What a Python of this computer is, and the packages it finds: asked of that Python itself."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE_S: Final = 120.0
"""Seconds that a Python may take to answer; on a cold network disk it reads slowly."""

_START: Final = (
    'import os, sys; sys.version_info < (3, 8) and sys.exit("old "+sys.version.split()[0]); '
    "path, own = sys.path, os.path.dirname(os.__file__); "
    'sys.path = [own, own + "/lib-dynload"]; '
    'exec(sys.stdin.read(), {"__name__": "__main__", "PATH": path})'
)
"""What the Python begins with: the user may have a module `json`, and the probe means Python's."""


class CapturedFile(NamedTuple):
    """A file of a package."""

    area: str
    """site, scripts or data: as the folders of a wheel are called; or root: the prefix itself."""
    below: str
    """Path below its area."""
    path: str
    """Absolute path here."""
    size: int
    mtime_ns: int
    executable: bool


class CapturedPackage(NamedTuple):
    """A package that is installed, or the files in site-packages that belong to none."""

    name: str
    version: str
    origin: str
    """"": an index, as far as anybody knows; "local"; "editable"; "conda"."""
    files: tuple[CapturedFile, ...]
    folders: tuple[str, ...] = ()
    """Of an editable package: absolute paths that Python searches."""
    mapping: Mapping[str, str] = {}
    """Of an editable package: module to absolute path, without a suffix."""
    hook: bool = False
    """Whether an editable package is found by code that nobody but it understands."""
    patched: tuple[str, ...] = ()
    """Of a package of conda: paths below the prefix of files that the prefix stands in."""
    tags: tuple[str, ...] = ()
    """Of a package that is as an index has it: those of its wheel, "cp312-cp312-linux_x86_64"."""
    requires: tuple[str, ...] = ()
    """Names of the packages that it may need, under whichever condition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A Python of this computer, and all that it finds."""

    version: str
    abi: str
    library: str
    executable: str
    prefix: str
    base: str
    """Prefix of the Python itself; in a virtual environment another one."""
    base_executable: str
    conda: bool
    """Whether it is an environment of conda, mamba or pixi."""
    packages: tuple[CapturedPackage, ...]
    first: tuple[str, ...]
    """Folders and zip files that it searches before its own modules."""
    last: tuple[str, ...]
    left: tuple[tuple[str, str], ...]
    """What cannot travel, and why."""
    system: bool
    """Whether it also finds packages that the distribution has installed."""

    @property
    def minor(self) -> str:
        """The minor version, "3.12"."""
        return ".".join(self.version.split(".")[:2])


def capture(python: str, environ: Mapping[str, str]) -> Captured:
    """Ask a Python what it is and which packages it finds.

    Args:
        python: Path of the interpreter.
        environ: The environment in which it is asked, with its PYTHONPATH.

    Raises:
        UsageError: it cannot be run, is too old, or fails.
    """
    with tempfile.TemporaryDirectory(prefix="batchio-") as empty:
        try:
            done = subprocess.run(
                [python, "-c", _START],
                input=_program(),
                capture_output=True,
                cwd=empty,
                env=dict(environ),
                timeout=PATIENCE_S,
                check=False,
            )
        except OSError as err:
            raise UsageError(f"{python} cannot be run: {err.strerror}") from None
        except subprocess.TimeoutExpired:
            raise UsageError(f"{python} did not answer in {PATIENCE_S:.0f} s") from None
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    if done.returncode and said and said[-1].startswith("old "):
        raise UsageError(f"{python} is Python {said[-1][4:]}, and tasks need 3.8 or later")
    try:
        return _captured(json.loads(done.stdout))
    except (ValueError, LookupError, TypeError):
        why = said[-1] if said else f"exit code {done.returncode}"
        raise UsageError(f"{python} cannot say which packages it has: {why}") from None


@cache
def _program() -> bytes:
    return Path(__file__).with_name("probe.py").read_bytes()


def package_of(found: Mapping[str, Any]) -> CapturedPackage:
    """Return a package as the probe has found it."""
    return CapturedPackage(
        found["name"],
        found["version"],
        found["origin"],
        _files(found["files"]),
        tuple(found.get("folders") or ()),
        dict(found.get("mapping") or {}),
        bool(found.get("hook")),
        tuple(found.get("patched") or ()),
        tuple(found.get("tags") or ()),
        tuple(found.get("requires") or ()),
    )


def _captured(found: Mapping[str, Any]) -> Captured:
    packages = [package_of(each) for each in found["packages"]]
    if found["loose"]:
        packages.append(CapturedPackage("", "", "local", _files(found["loose"])))
    return Captured(
        version=found["version"],
        abi=found["abi"],
        library=found["library"],
        executable=os.path.abspath(found["executable"]),
        prefix=found["prefix"],
        base=found["base"],
        base_executable=found["base_executable"],
        conda=found["conda"],
        packages=tuple(packages),
        first=tuple(found["first"]),
        last=tuple(found["last"]),
        left=tuple((what, why) for what, why in found["left"]),
        system=found["system"],
    )


def _files(rows: list[list[Any]]) -> tuple[CapturedFile, ...]:
    return tuple(CapturedFile(*row) for row in rows)

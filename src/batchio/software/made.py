"""Environments that uv makes on this computer: of a file that says what is needed, or with a name.

One of a file lies in the user's cache, under a digest of what went in; one with a name lies with
the user's data until it is deleted. Either is a virtual environment like any: tasks on this
computer run in it, and to others it travels as it is installed. Everything blocks.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tomllib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from batchio.errors import UsageError
from batchio.software.cache import KEPT_S, cache_folder
from batchio.software.uv import need_uv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchio.software.uv import Uv

Kind = Literal["lock", "project lock", "requirements", "project", "script"]

KINDS: Final = (
    "pylock.toml, uv.lock, pyproject.toml, requirements.txt, or a script with a PEP 723 block"
)

WHOLE: Final = "batchio-made.json"
"""The file in an environment that is written last: what it was made of."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LOCK: Final = re.compile(r"pylock(\.[^.]+)?\.toml")
_BLOCK: Final = re.compile(r"^# /// script[ \t]*\n((?:#(?:| .*)\n)+?)# ///[ \t]*$", re.MULTILINE)
"""Source: packaging.python.org/specifications/inline-script-metadata"""

_ELSEWHERE: Final = re.compile(r"^\s*(-[rce]|--|\.|/|file:)", re.MULTILINE)
"""Lines of a requirements file that depend on other files, which may have changed."""


class Source(NamedTuple):
    """A file that says what an environment is made of."""

    path: str
    """Absolute."""
    kind: Kind
    wanted: str
    """Which Python it wants, ">=3.11"; "" for any."""


class Made(NamedTuple):
    """An environment with a name."""

    name: str
    folder: Path
    sources: tuple[str, ...]
    """The files that it was made of."""

    @property
    def python(self) -> str:
        """The path of its Python."""
        return str(self.folder / "bin" / "python")


def source_of(path: str) -> Source | None:
    """Return what a file says; None for a script of Python that names no packages.

    Raises:
        UsageError: it cannot be read, or is of no kind that is known, or is broken.
    """
    name = os.path.basename(path)
    try:
        text = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as err:
        raise UsageError(f"cannot read {path}: {err.strerror}") from None
    if _LOCK.fullmatch(name):
        return Source(path, "lock", str(_toml(text, path).get("requires-python", "")))
    if name == "uv.lock":
        return Source(path, "project lock", str(_toml(text, path).get("requires-python", "")))
    if name == "pyproject.toml":
        project = _toml(text, path).get("project")
        if not isinstance(project, dict):
            raise UsageError(f"{path} has no [project]")
        return Source(path, "project", str(project.get("requires-python", "")))
    if name.endswith((".txt", ".in")):
        return Source(path, "requirements", "")
    found = _BLOCK.search(text)
    if found:
        lines = (line[2:] if line.startswith("# ") else line[1:] for line in found[1].splitlines())
        block = _toml("\n".join(lines), path)
        if block.get("dependencies"):
            return Source(path, "script", str(block.get("requires-python", "")))
    if name.endswith(".py"):
        return None
    raise UsageError(f"{path} says nothing of packages", hint=f"give one of {KINDS}")


def _toml(text: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        raise UsageError(f"{path} is broken: {err}") from None


def environment_of(source: Source, python: str, environ: Mapping[str, str]) -> str:
    """Return the Python of the environment that a file says, which is made when it is not there.

    Args:
        python: The Python of which it is made, unless the file wants another.

    Raises:
        UsageError: there is no uv, or it cannot make it; in its words.
    """
    base = cache_folder(environ) / "environments"
    text = Path(source.path).read_bytes()
    project = Path(source.path).with_name("pyproject.toml")
    if source.kind == "project lock" and project.exists():
        text += project.read_bytes()
    what = [source.path if source.kind != "lock" else "", source.wanted or python]
    key = hashlib.sha256(json.dumps(what).encode() + b"\0" + text).hexdigest()[:32]
    folder = base / key
    with _held(base, key):
        if (folder / WHOLE).exists():
            os.utime(folder / WHOLE)
            if source.kind == "requirements" and _ELSEWHERE.search(os.fsdecode(text)):
                _install(source, folder, _uv(source, environ))
        else:
            _make(folder, [source], python, _uv(source, environ))
            _sweep(base, (folder / WHOLE).stat().st_mtime - KEPT_S)
    return str(folder / "bin" / "python")


def _sweep(base: Path, before: float) -> None:
    """Remove the environments of files that nobody has used since then, in Unix seconds."""
    for found in base.glob(f"*/{WHOLE}"):
        with suppress(OSError):
            if found.stat().st_mtime < before:
                found.unlink()
                shutil.rmtree(found.parent, ignore_errors=True)


def create(name: str, sources: list[Source], python: str, environ: Mapping[str, str]) -> Made:
    """Make an environment with a name, of files; one of that name is made anew.

    Raises:
        UsageError: it is no name; there is no uv, or it cannot make it.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f'"{name}" is no name of an environment', hint="letters, digits, - . _")
    base = _named(environ)
    with _held(base, f".{name}"):
        _make(base / name, sources, python, _uv(sources[0], environ))
    return Made(name, base / name, tuple(source.path for source in sources))


def environments(environ: Mapping[str, str]) -> list[Made]:
    """Return the environments with a name, in the order of their names."""
    out = []
    for found in sorted(_named(environ).glob(f"*/{WHOLE}")):
        with suppress(OSError, ValueError, LookupError, TypeError):
            sources = json.loads(found.read_bytes())["sources"]
            out.append(Made(found.parent.name, found.parent, tuple(map(str, sources))))
    return out


def named(name: str, environ: Mapping[str, str]) -> Made | None:
    """Return the environment of that name; None when there is none."""
    return next((made for made in environments(environ) if made.name == name), None)


def delete(name: str, environ: Mapping[str, str]) -> None:
    """Delete the environment of that name.

    Raises:
        UsageError: there is none.
    """
    made = named(name, environ)
    if made is None:
        raise UsageError(f'there is no environment called "{name}"', hint="batchio env list")
    with _held(made.folder.parent, f".{name}"):
        (made.folder / WHOLE).unlink(missing_ok=True)
        shutil.rmtree(made.folder, ignore_errors=True)


def _named(environ: Mapping[str, str]) -> Path:
    given = environ.get("XDG_DATA_HOME", "")
    base = Path(given) if os.path.isabs(given) else Path(os.path.expanduser("~/.local/share"))
    return base / "batchio" / "environments"


def _uv(source: Source, environ: Mapping[str, str]) -> Uv:
    folder = os.path.dirname(source.path)
    return need_uv(environ, folder, f"the packages of {source.path}")


def _make(folder: Path, sources: list[Source], python: str, uv: Uv) -> None:
    """Make an environment at its place, since its programs name it; nothing half-made counts."""
    (folder / WHOLE).unlink(missing_ok=True)
    wanted = next((source.wanted for source in sources if source.wanted), "")
    shutil.rmtree(folder, ignore_errors=True)
    uv.run(["venv", "--quiet", "--no-project", "--python", wanted or python, str(folder)])
    for source in sources:
        _install(source, folder, uv)
    said = {"sources": [source.path for source in sources]}
    (folder / WHOLE).write_text(json.dumps(said))


def _install(source: Source, folder: Path, uv: Uv) -> None:
    above = os.path.dirname(source.path)
    if source.kind == "project lock":
        more = {"UV_PROJECT_ENVIRONMENT": str(folder)}
        uv.run(["sync", "--quiet", "--frozen", "--project", above], more)
        return
    what = ["-r", source.path]
    if source.kind == "project" and b"[build-system]" in Path(source.path).read_bytes():
        what = ["-e", above]
    uv.run(["pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *what])


@contextmanager
def _held(base: Path, name: str) -> Iterator[None]:
    """Keep others from making the same environment meanwhile."""
    try:
        base.mkdir(parents=True, exist_ok=True)
        with (base / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as err:
        raise UsageError(f"no environment can be made below {base}: {err.strerror}") from None

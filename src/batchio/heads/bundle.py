"""The bundle of a head for another computer: batchio and all that a head imports, as one tar.gz.

It is unpacked there and run with `python -I -S FOLDER`: no pip, no venv and no index are needed
where it runs, and nothing that is installed there is loaded. What is installed here is copied
when it fits that computer's Python, processor and C library, else pip or uv is asked for what
fits, once: bundles are kept in the user's cache folder.

Everything here blocks; making a bundle takes seconds.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import py_compile
import shutil
import sys
import tarfile
import tempfile
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import batchio
from batchio.heads.platform import Platform, fits, here
from batchio.heads.wheels import download

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Needed = dict[str, metadata.Distribution]

ROOTS: Final = ("asyncssh", "obstore")
"""Distributions that a head imports by itself; what these need comes with them."""

BESIDES: Final = {"s3": ("botocore",)}
"""Distributions that a head uses where they are installed, by the scheme of its workspace."""

LEFT_OUT: Final = ("cli", "testing")
"""Packages of batchio that no head imports."""

MAIN: Final = "from batchio.heads.there import main\n\nraise SystemExit(main())\n"

KEPT_S: Final = 30 * 86400.0
"""Seconds for which a bundle that nobody used stays in the cache."""

_USELESS: Final = ("__pycache__", "tests", "bin")
_SERVICES: Final = ("signin", "sso", "sso-oidc", "sts")
"""Services that botocore asks for credentials; its data on all others is 20 MB."""

_METADATA: Final = ("METADATA", "WHEEL")


class Bundle(NamedTuple):
    """A bundle in the cache."""

    file: Path
    digest: str
    """SHA-256 of the file, in hexadecimal."""


def bundle_for(platform: Platform, cache: Path, scheme: str = "") -> Bundle:
    """Return the bundle for a computer, from the cache or made now.

    Args:
        cache: The folder where bundles are kept.
        scheme: Of the URL of the workspace that its head opens.

    Raises:
        UsageError: it cannot be made here; says what to install.
    """
    roots = (*ROOTS, *filter(_is_installed, BESIDES.get(scheme, ())))
    needed = _needed(roots)
    file = cache / f"head-{platform}-{_key(platform, needed)}.tar.gz"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as scratch:
            folder, part = Path(scratch, "head"), Path(scratch, "packed")
            _fill(folder, platform, roots, needed)
            _pack(folder, part)
            part.replace(file)
    os.utime(file)
    _sweep(cache, file.stat().st_mtime - KEPT_S)
    return Bundle(file, hashlib.sha256(file.read_bytes()).hexdigest())


def _key(platform: Platform, needed: Needed) -> str:
    """Return a digest of what a bundle would be made of, so that another one is made anew."""
    seen = hashlib.sha256()
    for place, name in _own():
        seen.update(name.encode() + b"\0" + place.read_bytes())
    for name, found in needed.items():
        seen.update(f"{name} {found.version}\n".encode())
    seen.update(
        f"{platform} {MAIN} {sys.version if platform.python == here().python else ''}".encode()
    )
    return seen.hexdigest()[:16]


def _sweep(cache: Path, before: float) -> None:
    """Delete the bundles that were last used before a moment (Unix seconds)."""
    for old in cache.glob("head-*.tar.gz"):
        with suppress(OSError):
            if old.stat().st_mtime < before:
                old.unlink()


def _fill(folder: Path, platform: Platform, roots: Sequence[str], needed: Needed) -> None:
    """Put everything into a folder, as it lies in the bundle."""
    folder.mkdir()
    if all(fits(found, platform) for found in needed.values()):
        _copy(_files(needed.values()), folder)
    else:
        download([f"{name}=={needed[name].version}" for name in roots], platform, folder)
        _trim(folder)
    _copy(_own(), folder)
    (folder / "__main__.py").write_text(MAIN)
    if platform.python == here().python:
        _compile(folder)


def _is_installed(name: str) -> bool:
    try:
        return bool(metadata.distribution(name))
    except metadata.PackageNotFoundError:
        return False


def _needed(roots: Sequence[str]) -> Needed:
    """Return these and all that they need, by name. What is not installed is not needed here."""
    found: Needed = {}
    names = list(roots)
    while names:
        name = names.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if name in roots:
                raise
            continue  # of another Python, or of another system
        wants = [one for one in found[name].requires or () if "extra ==" not in one]
        names += [_name(one) for one in wants]
    return dict(sorted(found.items()))


def _name(requirement: str) -> str:
    """Return the name at the beginning of a requirement (PEP 508)."""
    end = next((n for n, c in enumerate(requirement) if not (c.isalnum() or c in "-_.")), None)
    return requirement[:end]


def _files(found: Iterable[metadata.Distribution]) -> Iterator[tuple[Path, str]]:
    """Yield path and name of every file that these distributions brought and a program loads."""
    for distribution in found:
        for file in distribution.files or ():
            if file.parts[0] != ".." and not _is_useless(file.parts):
                yield Path(str(distribution.locate_file(file))), file.as_posix()


def _is_useless(parts: tuple[str, ...]) -> bool:
    if parts[0].endswith(".dist-info"):
        return parts[-1] not in _METADATA
    if parts[:2] == ("botocore", "data") and len(parts) > 3 and parts[2] not in _SERVICES:
        return True
    return any(part in _USELESS for part in parts[:-1]) or parts[-1].endswith((".pyi", ".pyc"))


def _own() -> Iterator[tuple[Path, str]]:
    """Yield path and name of every file of batchio that a head may import, in order."""
    top = Path(batchio.__file__).parent
    for file in sorted(top.rglob("*.py")):
        parts = file.relative_to(top).parts
        if parts[0] not in LEFT_OUT:
            yield file, f"batchio/{'/'.join(parts)}"


def _copy(files: Iterable[tuple[Path, str]], folder: Path) -> None:
    for place, name in files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place, target)


def _trim(folder: Path) -> None:
    """Remove what pip or uv put there and no program loads."""
    for file in [file for file in folder.rglob("*") if file.is_file()]:
        if _is_useless(file.relative_to(folder).parts):
            file.unlink()


def _compile(folder: Path) -> None:
    """Compile every module for this Python, without a look at times: the files never change."""
    for file in folder.rglob("*.py"):
        py_compile.compile(
            str(file),
            dfile=str(file.relative_to(folder)),
            doraise=False,
            quiet=2,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


def _pack(folder: Path, target: Path) -> None:
    """Pack a folder, the same bytes each time."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    with target.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:  # noqa: SIM117
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for file in sorted(folder.rglob("*")):
                tar.add(file, str(file.relative_to(folder)), recursive=False, filter=plain)

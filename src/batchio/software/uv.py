"""Running uv on this computer: to ask package indexes, and to install what they have.

uv alone knows the user's indexes and how to log in there (its variables, netrc, keyring, the
configuration of the folder it stands in). So no password passes through our hands: none is in
what we give it, read of it, or keep. Its sentences are shown to people and never read.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from batchio.errors import UsageError
from batchio.extras import how_to_install

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OLDEST: Final = (0, 6, 15)
"""The oldest uv that writes lock files as PEP 751 has them (0.5.31 does not, 0.6.17 does)."""


PATIENCE_S: Final = 1800.0
"""Seconds that uv may take to install packages, over a slow connection."""

LINES: Final = 12
"""Last lines of what uv said that an error shows."""

_USERINFO: Final = re.compile(r"(?<=://)[^/@\s]+@")


class Wheel(NamedTuple):
    """A wheel of an index."""

    name: str
    version: str
    digest: str
    """SHA-256 in hexadecimal."""
    url: str
    tags: frozenset[str]
    """As its file name has them: "cp312-cp312-manylinux_2_28_x86_64"."""


class Uv:
    """The uv of this computer.

    Args:
        path: The program.
        environ: The environment in which it runs.
        folder: The user's folder, whose configuration counts.
    """

    def __init__(self, path: str, environ: Mapping[str, str], folder: str) -> None:
        self.path = path
        self._environ = {**environ, "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
        self._environ.setdefault("UV_HTTP_TIMEOUT", "10")
        self._folder = folder

    def lock(
        self,
        requirements: Iterable[str],
        words: Sequence[str],
        *,
        constraints: Iterable[str] = (),
        patience: float = PATIENCE_S,
        once: bool = False,
    ) -> list[Wheel]:
        """Return the wheels that these requirements become.

        Args:
            words: Options of `uv pip compile`: for which Python, whether with dependencies.
            constraints: Versions of packages that may be among them.
            patience: Seconds that it may take.
            once: Whether a request that fails is not tried again.

        Raises:
            UsageError: an index has no such packages, or does not answer; in uv's words.
        """
        argv = ["pip", "compile", "--no-header", "--no-annotate", "--format", "pylock.toml"]
        argv += ["--only-binary", ":all:", "--quiet", *words]
        with tempfile.TemporaryDirectory(prefix="batchio-") as folder:
            if lines := list(constraints):
                Path(folder, "constraints.txt").write_text("\n".join(lines))
                argv += ["--constraints", f"{folder}/constraints.txt"]
            more = {"UV_HTTP_RETRIES": "0"} if once else {}
            said = self._run([*argv, "-"], "\n".join(requirements), patience, more)
        return list(_wheels(said))

    def install(self, wheels: Iterable[Wheel], prefix: str, words: Sequence[str]) -> None:
        """Install exactly these wheels into an empty folder.

        Raises:
            UsageError: it cannot; in uv's words.
        """
        argv = ["pip", "install", "--quiet", "--prefix", prefix, "--no-deps", *words]
        pins = "".join(
            f"{wheel.name}=={wheel.version}"
            + (f" --hash=sha256:{wheel.digest}\n" if wheel.digest else "\n")
            for wheel in wheels
        )
        argv += ["--only-binary", ":all:", "-r"]
        with tempfile.NamedTemporaryFile("w", prefix="batchio-", suffix=".txt") as file:
            file.write(pins)
            file.flush()
            self._run([*argv, file.name], "", PATIENCE_S)

    def run(self, words: Sequence[str], more: Mapping[str, str] = {}) -> None:
        """Run another command of uv, with these variables besides.

        Raises:
            UsageError: it failed; in uv's words.
        """
        self._run(words, "", PATIENCE_S, more)

    def _run(
        self, words: Sequence[str], given: str, patience: float, more: Mapping[str, str] = {}
    ) -> bytes:
        try:
            done = subprocess.run(
                [self.path, *words],
                input=given.encode(),
                capture_output=True,
                cwd=self._folder,
                env={**self._environ, **more},
                timeout=patience,
                check=False,
            )
        except OSError as err:
            raise UsageError(
                f"{self.path} cannot be run: {err.strerror}", hint=how_to_install("env")
            ) from None
        except subprocess.TimeoutExpired:
            raise UsageError(f"uv was not ready in {patience:.0f} s") from None
        if done.returncode:
            self._check_age()
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-LINES:]
            shown = _USERINFO.sub("", " ".join(" ".join(said).split())).removeprefix("error: ")
            raise UsageError(f"uv: {shown}" if shown else f"uv: exit code {done.returncode}")
        return done.stdout

    def _check_age(self) -> None:
        done = subprocess.run([self.path, "--version"], capture_output=True, check=False)
        found = re.match(rb"uv (\d+)\.(\d+)\.(\d+)", done.stdout)
        if found and tuple(map(int, found.groups())) < OLDEST:
            old = done.stdout.decode().split()[1]
            wanted = ".".join(map(str, OLDEST))
            raise UsageError(
                f"uv {old} ({self.path}) is too old: {wanted} is needed", hint=how_to_install("env")
            )


def find_uv(environ: Mapping[str, str], folder: str) -> Uv | None:
    """Return the uv on PATH, or the one that is installed beside batchio; None: there is none."""
    beside = os.path.join(sys.prefix, "bin", "uv")
    found = shutil.which("uv", path=environ.get("PATH", os.defpath))
    if found is None and os.access(beside, os.X_OK):
        found = beside
    return Uv(found, environ, folder) if found else None


def need_uv(environ: Mapping[str, str], folder: str, what: str) -> Uv:
    """Return uv, for something that cannot be done without it.

    Args:
        what: That, for people: "packages for another kind of computer".

    Raises:
        UsageError: it is not here, or too old.
    """
    found = find_uv(environ, folder)
    if found is None:
        raise UsageError(
            f"uv is needed for {what}, and is not on this computer", hint=how_to_install("env")
        )
    return found


def _wheels(lock: bytes) -> Iterable[Wheel]:
    """Yield the wheels of a lock file (PEP 751) that a node may ask for."""
    for package in tomllib.loads(lock.decode())["packages"]:
        for wheel in package.get("wheels", ()):
            url = wheel.get("url", "")
            name = wheel.get("name") or urlsplit(url or wheel.get("path", "")).path
            yield Wheel(
                package["name"],
                package.get("version", ""),
                wheel["hashes"].get("sha256", ""),
                url if _is_open(url) else "",
                tags_of(name.rpartition("/")[2]),
            )


def tags_of(filename: str) -> frozenset[str]:
    """Return the tags in the name of a wheel's file, each for one kind of Python."""
    parts = filename.removesuffix(".whl").split("-")[-3:]
    if len(parts) < 3:
        return frozenset()
    pythons, abis, platforms = (part.split(".") for part in parts)
    return frozenset(f"{one}-{abi}-{on}" for one in pythons for abi in abis for on in platforms)


def _is_open(url: str) -> bool:
    """Return whether a URL can be shown to a node: it names no user, and nothing is signed."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and "@" not in parts.netloc and not parts.query

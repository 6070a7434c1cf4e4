"""The host keys that are known for a host, from OpenSSH's known-hosts files.

Read as OpenSSH reads them: a host is known by its name alone, never by the address that the
name has at the moment, and a line that makes no sense is passed over.
"""

from __future__ import annotations

import binascii
import fnmatch
import functools
import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PATTERN: Final = re.compile(r"[*?!]")
_PORT: Final = 22


class _Line(NamedTuple):
    marker: str
    """`""`, `@cert-authority` or `@revoked`."""
    names: str
    """One name, a list of patterns, or a hash."""
    key: str


@dataclass(frozen=True, slots=True)
class Known:
    """The keys that are known for one host."""

    keys: tuple[asyncssh.SSHKey, ...] = ()
    authorities: tuple[asyncssh.SSHKey, ...] = ()
    revoked: tuple[asyncssh.SSHKey, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.keys or self.authorities)


class KnownHosts:
    """The lines of some known-hosts files, in order."""

    def __init__(self, text: str) -> None:
        self._exact: dict[str, list[_Line]] = {}
        self._others: list[_Line] = []
        for line in filter(None, map(_line, text.splitlines())):
            if line.names.startswith("|") or _PATTERN.search(line.names):
                self._others.append(line)
                continue
            for name in line.names.lower().split(","):
                self._exact.setdefault(name, []).append(line)

    def about(self, host: str, port: int | None = None) -> Known:
        """Return the known keys of a host: by name and port, else by its name alone.

        Args:
            host: The name that the configuration gives, or its HostKeyAlias.
            port: None for a HostKeyAlias, which has none.
        """
        host = host.lower()
        if port in (None, _PORT):
            return self._known([host])
        known = self._known([f"[{host}]:{port}"])
        return known or self._known([host, f"[{host}]:{port}"])

    def _known(self, names: list[str]) -> Known:
        found: dict[str, list[asyncssh.SSHKey]] = {"": [], "@cert-authority": [], "@revoked": []}
        for name in names:
            for line in self._lines(name):
                if (key := _key(line.key)) is not None:
                    found[line.marker].append(key)
        keys, authorities, revoked = map(tuple, found.values())
        return Known(keys, authorities, revoked)

    def _lines(self, name: str) -> Iterator[_Line]:
        yield from self._exact.get(name, ())
        yield from (line for line in self._others if _is_about(line.names, name))


def known_hosts(paths: Iterable[str]) -> KnownHosts:
    """Return the keys in these files, read again when changed; a missing file holds none."""
    stamps = []
    for path in paths:
        try:
            status = Path(path).stat()
        except OSError:
            continue
        stamps.append((path, status.st_mtime_ns, status.st_size))
    return _read(tuple(stamps))


def revoked_keys(path: str) -> tuple[asyncssh.SSHKey, ...]:
    """Return the public keys of a `RevokedHostKeys` file, one a line.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a binary list of `ssh-keygen -k`.
    """
    text = Path(path).read_bytes()
    if text.startswith(b"SSHKRL\n"):
        raise ValueError("a binary list of revoked keys")
    lines = text.decode("utf-8", "replace").splitlines()
    return tuple(key for key in map(_key, lines) if key is not None)


@functools.lru_cache(maxsize=8)
def _read(files: tuple[tuple[str, int, int], ...]) -> KnownHosts:
    texts = []
    for name, _, _ in files:
        try:
            texts.append(Path(name).read_text("utf-8", "replace"))
        except OSError:
            continue
    return KnownHosts("\n".join(texts))


def _line(text: str) -> _Line | None:
    marker = ""
    words = text.split(None, 1)
    if words and words[0].startswith("@"):
        marker, text = words[0], words[1] if len(words) > 1 else ""
        words = text.split(None, 1)
    known = marker in ("", "@cert-authority", "@revoked")
    if len(words) < 2 or words[0].startswith("#") or not known:
        return None
    return _Line(marker, *words)


@functools.lru_cache(maxsize=4096)
def _key(text: str) -> asyncssh.SSHKey | None:
    try:
        return asyncssh.import_public_key(text.strip())
    except asyncssh.KeyImportError:
        return None


def _is_about(names: str, name: str) -> bool:
    """Return whether a hash is that of the name, or a list of patterns matches it."""
    if names.startswith("|"):
        try:
            _, kind, salt, digest = names.split("|")
            hashed = hmac.new(binascii.a2b_base64(salt), name.encode(), hashlib.sha1).digest()
            return kind == "1" and hashed == binascii.a2b_base64(digest)
        except ValueError:
            return False
    meant = False
    for pattern in names.lower().split(","):
        if _matches(pattern.removeprefix("!"), name):
            if pattern.startswith("!"):
                return False
            meant = True
    return meant


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    plain = pattern.replace("[", "[[]")  # a bracket stands for itself: `[host]:port`
    return re.compile(fnmatch.translate(plain))


def _matches(pattern: str, name: str) -> bool:
    return _compiled(pattern).match(name) is not None

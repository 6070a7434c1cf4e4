"""Which packages an index has as they are installed here, so that nodes may get them there.

That is a shorter way to the same bytes and nothing else: a wheel counts when its name says the
tags that the installed package names, and a node that does not get it is sent what is installed.
What was found is kept, so an unchanged environment asks nobody.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from batchio.errors import UsageError
from batchio.software.items import normal
from batchio.software.uv import Uv, Wheel, find_uv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from batchio.software.cache import Cache
    from batchio.software.capture import Captured
    from batchio.software.items import Item

PATIENCE_S: Final = 20.0
"""Seconds that indexes may take to answer for all packages, and again for each alone."""

AGAIN_S: Final = 3600.0
"""Seconds after which an index is asked again that did not answer."""

AT_ONCE: Final = 4
"""Packages that are asked for at once, when an index does not have all of them."""

NOTE: Final = "no package index has them; packages are sent as they are installed here"

TORCH: Final = "https://download.pytorch.org/whl"
"""Where builds of PyTorch and its friends are, by the local part of their versions (their docs)."""

_LOCAL: Final = re.compile(r"\+(cpu|cu\d+|rocm[\d.]+|xpu)$")
_SETTINGS: Final = re.compile(r"UV_(.*INDEX|FIND_LINKS|CONFIG_FILE|NO_CONFIG|OFFLINE)")


class Shortcuts(NamedTuple):
    """The wheels that nodes may get from an index."""

    wheels: dict[str, list[str]]
    """SHA-256 and URL, by the name of the package."""
    note: str
    """What people should know: that no index answered with any of them; or ""."""


def shortcuts(
    items: Iterable[Item],
    captured: Captured,
    cache: Cache,
    environ: Mapping[str, str],
    folder: str,
) -> Shortcuts:
    """Return the wheels of an index that are what is installed here.

    Args:
        folder: The user's, whose configuration of indexes counts.
    """
    asked = {normal(item.name): item for item in items if item.tags}
    uv = find_uv(environ, folder)
    if not asked or uv is None:
        return Shortcuts({}, "")
    pins = {name: f"{name}=={item.version}" for name, item in asked.items()}
    key = _key(list(pins.values()), captured, environ, folder)
    known = cache.packed(key)
    if known is None or (known["failed"] and time.time() - known["at"] > AGAIN_S):
        known = _ask(uv, pins, ["--python", captured.executable])
        cache.note(key, known)
    wheels = {}
    for name, _, digest, url, tags in known["wheels"]:
        item = asked.get(normal(name))
        if item and url and digest and set(item.tags) == set(tags):
            wheels[item.name] = [digest, url]
    return Shortcuts(wheels, NOTE if known["failed"] else "")


def _ask(uv: Uv, pins: Mapping[str, str], words: Sequence[str]) -> dict[str, Any]:
    """Return the wheels for exactly these versions; an index may lack some of them."""
    groups = defaultdict[str, list[str]](list)
    for pin in pins.values():
        found = _LOCAL.search(pin)
        groups[found[1] if found else ""].append(pin)
    wheels: list[Wheel] = []
    for local, each in groups.items():
        more = ["--index", f"{TORCH}/{local}"] if local else []
        wheels += _locked(uv, each, [*words, "--no-deps", *more])
    rows = [[*wheel[:4], sorted(wheel.tags)] for wheel in wheels]
    return {"wheels": rows, "failed": not wheels, "at": time.time()}


def _locked(uv: Uv, pins: Sequence[str], words: Sequence[str]) -> list[Wheel]:
    """Return the wheels of all pins; where they are not to be had together, of each that is."""
    try:
        return uv.lock(pins, words, patience=PATIENCE_S, once=True)
    except UsageError:
        if len(pins) == 1:
            return []
    until = time.monotonic() + PATIENCE_S

    def alone(pin: str) -> list[Wheel]:
        left = until - time.monotonic()
        try:
            return uv.lock([pin], words, patience=left, once=True) if left > 0 else []
        except UsageError:
            return []

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [wheel for wheels in pool.map(alone, pins) for wheel in wheels]


def _key(pins: list[str], captured: Captured, environ: Mapping[str, str], folder: str) -> str:
    """Return a digest of all that decides what an index is asked for, without passwords."""
    settings = sorted(
        (name, " ".join(map(_without_user, value.split())))
        for name, value in environ.items()
        if _SETTINGS.match(name) and not name.endswith(("USERNAME", "PASSWORD"))
    )
    rows = ["index", sorted(pins), captured.abi, captured.executable, settings, _config(folder)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _without_user(word: str) -> str:
    parts = urlsplit(word)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.netloc else word


def _config(folder: str) -> list[tuple[str, int]]:
    """Return the files in which uv may find indexes, with their times."""
    out = []
    while True:
        for name in ("uv.toml", "pyproject.toml"):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                out.append((path, os.stat(path).st_mtime_ns))
        above = os.path.dirname(folder)
        if above == folder:
            return out
        folder = above

"""What a computer needs of compiled libraries: its Python, its processor, its C library.

Tags of wheels: packaging.python.org/en/latest/specifications/platform-compatibility-tags.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_OLD_NAMES: Final = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}
"""Names of tags for a version of glibc, 2.N, before tags had it in them (PEP 600)."""

_TAG: Final = re.compile(r"(many|musl)linux_(\d+)_(\d+)_(\w+)")


class Platform(NamedTuple):
    """The kind of a computer, as far as compiled libraries care."""

    python: str
    """Version of its Python, as `3.12`."""
    machine: str
    """Its processor, as `uname -m` names it."""
    libc: str
    """glibc or musl."""
    version: tuple[int, int]
    """Version of its C library."""

    def __str__(self) -> str:
        return f"{self.python}-{self.machine}-{self.libc}{self.version[0]}.{self.version[1]}"

    def tags(self) -> list[str]:
        """Return the platform tags of wheels that run there, the best first."""
        kind = "manylinux" if self.libc == "glibc" else "musllinux"
        major, minor = self.version
        found = [f"{kind}_{major}_{n}_{self.machine}" for n in range(minor, -1, -1)]
        if self.libc == "glibc":
            found += [f"{old}_{self.machine}" for old in reversed(_OLD_NAMES)]
        return found


def here() -> Platform:
    """Return what this computer is."""
    try:
        libc, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        libc, version = "", ""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    machine = os.uname().machine
    if sys.platform != "linux":
        return Platform(python, machine, sys.platform, (0, 0))
    return platform_of(python, machine, f"{libc} {version}")


def platform_of(python: str, machine: str, libc: str) -> Platform:
    """Return the platform of a Linux; its C library said so of itself: "glibc 2.36", or nothing.

    musl says nothing; that it is 1.2 is true of all that are less than five years old.
    """
    name, _, version = libc.strip().partition(" ")
    numbers = [int(part) for part in version.split(".") if part.isdigit()]
    if name != "glibc" or len(numbers) < 2:
        return Platform(python, machine, "musl", (1, 2))
    return Platform(python, machine, "glibc", (numbers[0], numbers[1]))


def fits(distribution: Distribution, platform: Platform) -> bool:
    """Return whether a distribution, as it is installed here, runs on that platform.

    What came from no wheel, or from one that was built for this very computer, is taken to run
    where all is as here.
    """
    said = (distribution.read_text("WHEEL") or "").splitlines()
    tags = [line.removeprefix("Tag:").strip() for line in said if line.startswith("Tag:")]
    return any(_tag_fits(tag, platform) for tag in tags) or platform == here()


def _tag_fits(tag: str, platform: Platform) -> bool:
    python, abi, places = (part.split(".") for part in tag.split("-"))
    minor = int(platform.python.partition(".")[2])
    if "none" in abi and "any" in places:
        return "py3" in python
    for name in python:
        known = re.fullmatch(r"cp3(\d+)", name)
        older = known is not None and int(known[1]) <= minor
        same = known is not None and int(known[1]) == minor
        if (same if "abi3" not in abi else older) or (name == "py3" and "none" in abi):
            return any(_place_fits(place, platform) for place in places)
    return False


def _place_fits(place: str, platform: Platform) -> bool:
    for old, minor in _OLD_NAMES.items():
        if place.startswith(f"{old}_"):
            place = f"manylinux_2_{minor}_{place.removeprefix(f'{old}_')}"
    if (known := _TAG.fullmatch(place)) is None:
        return False
    libc = "glibc" if known[1] == "many" else "musl"
    return (libc, known[4]) == (platform.libc, platform.machine) and (
        int(known[2]),
        int(known[3]),
    ) <= platform.version

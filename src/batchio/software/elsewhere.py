"""The same environment for another kind of computer: another processor, C library, or Python.

What an index has is locked for that kind, at the versions that are installed here, and installed
by uv into a folder of this computer, from which it is packed like any environment. The user's own
code travels as it is, unless it was compiled.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.errors import BatchioError, UsageError
from batchio.software import probe
from batchio.software.capture import package_of
from batchio.software.items import installed, normal
from batchio.software.packing import Into, pack_item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from batchio.core.recipe import Need, Package, Recipe
    from batchio.software.cache import Cache
    from batchio.software.capture import Captured
    from batchio.software.items import Items
    from batchio.software.uv import Uv, Wheel

GLIBCS: Final = (17, 28, *range(31, 41))
"""Minor versions of glibc 2 for which uv can lock (`uv pip compile --help`)."""

_PLAIN_ABI: Final = re.compile(r"cpython-\d+-.*-linux-")


class Target(NamedTuple):
    """A kind of computer, and its Python."""

    python: str
    """Minor version, "3.12"."""
    abi: str
    library: str
    machine: str
    """The processor, as `uname -m` names it."""
    libc: str
    """ "glibc 2.36", or "musl"."""

    def __str__(self) -> str:
        """Describe it: "Python 3.12, aarch64, glibc 2.36"."""
        return f"Python {self.python}, {self.machine}, {self.libc}"

    @property
    def platform(self) -> str:
        """What uv calls it; "" when it has no name for it."""
        if self.machine not in ("x86_64", "aarch64") or not _PLAIN_ABI.match(self.abi):
            return ""
        if self.libc == "musl":
            return f"{self.machine}-unknown-linux-musl"
        major, _, minor = self.libc.removeprefix("glibc ").partition(".")
        known = [one for one in GLIBCS if major == "2" and minor.isdigit() and one <= int(minor)]
        return f"{self.machine}-manylinux_2_{known[-1]}" if known else ""


class Known(NamedTuple):
    """A package of an environment, as far as another kind of computer matters."""

    name: str
    version: str
    indexed: bool
    """Whether it is as an index may have it."""
    compiled: str
    """A file of it that was compiled; ""."""
    requires: tuple[str, ...]


class Elsewhere(NamedTuple):
    """The environment of another kind of computer."""

    recipe: Recipe
    differences: tuple[str, ...]
    """For people: "Python 3.11 instead of 3.12", "without appnope 0.1"."""


def known_of(captured: Captured, found: Items) -> list[Known]:
    """Return what must be known of the packages of an environment, to make it elsewhere."""
    needs = {package.name: package.requires for package in captured.packages}
    return [
        Known(
            item.name,
            item.version,
            bool(item.tags),
            next((file.arrival for file in item.files if ".so" in Path(file.path).suffixes), ""),
            needs.get(item.name, ()),
        )
        for item in found.items
    ]


def elsewhere(
    recipe: Recipe, known: Sequence[Known], target: Target, uv: Uv, cache: Cache
) -> Elsewhere:
    """Return an environment for another kind of computer; what was made once is kept.

    Raises:
        UsageError: there is none: own code was compiled for this kind, or no index has a package.
        OSError: the cache cannot be written.
    """
    plan = [recipe.digest, list(target), [list(row) for row in known]]
    key = hashlib.sha256(json.dumps(plan).encode()).hexdigest()
    if made := cache.packed(key):
        try:
            return Elsewhere(cache.recipe(made["recipe"]), tuple(made["differences"]))
        except BatchioError:
            pass  # it was not used for long
    _check(recipe, known, target)
    wheels = _locked(known, target, uv)
    packages, needs = _packed(wheels, target, uv, cache)
    own = {package.name for package in known if not package.indexed}
    other = replace(
        recipe,
        python=target.python,
        abi=target.abi,
        library=target.library,
        packages=(
            *(_moved(each, recipe, target) for each in recipe.packages if each.name in own),
            *packages,
        ),
        needs=(*(need for need in recipe.needs if need.package in own), *needs),
        interpreter=None,
    )
    cache.put_recipe(other)
    open_ones = {normal(wheel.name): wheel for wheel in wheels if wheel.url and wheel.digest}
    cache.put_wheels(
        other,
        {
            each.name: [wheel.digest, wheel.url]
            for each in packages
            if (wheel := open_ones.get(normal(each.name)))
        },
    )
    differences = tuple(_differences(recipe, known, target, wheels))
    cache.note(key, {"recipe": other.digest, "differences": list(differences)})
    return Elsewhere(other, differences)


def _check(recipe: Recipe, known: Iterable[Known], target: Target) -> None:
    if not target.platform:
        raise UsageError(f"no packages can be had for {target} ({target.abi})")
    for package in known:
        if package.compiled and not package.indexed and target.abi != recipe.abi:
            raise UsageError(
                f"{package.name} was compiled for {recipe.abi} ({package.compiled}), "
                f"and this is {target}",
                hint=f"leave it out: --package-sync-ignore {package.name}",
            )


def _locked(known: Sequence[Known], target: Target, uv: Uv) -> list[Wheel]:
    """Return the wheels of all that an index has, for a target, at the versions of here."""
    words = _words(target)
    pins = {normal(each.name): f"{each.name}=={each.version}" for each in known if each.indexed}
    roots = list(_roots(known))
    if not roots:
        return []
    try:
        return uv.lock([pins[name] for name in roots], words, constraints=pins.values())
    except UsageError as err:
        names = list(_refused(roots, pins, words, uv))
        raise UsageError(
            f"no packages for {target}: {err.message}",
            hint=f"leave out what is not needed there: --package-sync-ignore {','.join(names)}"
            if names
            else err.hint,
        ) from None


def _words(target: Target) -> list[str]:
    """Return the options of uv for a target; it looks for no Python besides that of batchio."""
    kind = ["--python-platform", target.platform, "--python-version", target.python]
    return [*kind, "--python", sys.executable]


def _roots(known: Sequence[Known]) -> Iterator[str]:
    """Yield the packages of an index that no other package needs; of a circle, one."""
    needs = {normal(each.name): set(map(normal, each.requires)) for each in known if each.indexed}
    needed = {one for name, each in needs.items() for one in each - {name}}
    reached = set[str]()
    for name in sorted(needs, key=lambda name: (name in needed, name)):
        if name not in reached:
            yield name
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if one not in reached and one in needs:
                reached.add(one)
                waiting += needs[one]


def _refused(
    roots: Iterable[str], pins: Mapping[str, str], words: Sequence[str], uv: Uv
) -> Iterator[str]:
    """Yield the packages that cannot even be had alone."""
    for name in roots:
        try:
            uv.lock([pins[name]], words, constraints=pins.values(), patience=60.0)
        except UsageError:
            yield name


def _packed(
    wheels: Sequence[Wheel], target: Target, uv: Uv, cache: Cache
) -> tuple[list[Package], list[Need]]:
    """Install wheels into a folder, and pack what they became."""
    packages, needs = list[Any](), list[Any]()
    if not wheels:
        return packages, needs
    cache.make()
    with tempfile.TemporaryDirectory(prefix="batchio-") as prefix:
        uv.install(wheels, prefix, _words(target))
        for folder in sorted(Path(prefix).glob("**/lib/python*/*-packages")):
            site = probe.Site(str(folder), set())
            site.prefix = str(folder.parents[2])
            for found in site.packages(set()):
                item = installed(package_of(found))
                package, glibc = pack_item(item, Into("", target.library), cache)
                packages.append(package)
                needs += glibc
    return packages, needs


def _moved(package: Package, recipe: Recipe, target: Target) -> Package:
    """Return a package whose large files lie in the library of another Python."""
    old, new = f"lib/{recipe.library}/", f"lib/{target.library}/"
    pieces = (
        piece._replace(into=new + piece.into.removeprefix(old))
        if piece.into.startswith(old)
        else piece
        for piece in package.pieces
    )
    return package._replace(pieces=tuple(pieces))


def _differences(
    recipe: Recipe, known: Sequence[Known], target: Target, wheels: Sequence[Wheel]
) -> Iterator[str]:
    if target.python != recipe.python:
        yield f"Python {target.python} instead of {recipe.python}"
    here = {normal(each.name): each for each in known if each.indexed}
    there = {normal(wheel.name): wheel for wheel in wheels}
    for name in sorted(here.keys() | there.keys()):
        if name not in there:
            yield f"without {name} {here[name].version}"
        elif name not in here:
            yield f"with {name} {there[name].version}"
        elif here[name].version != there[name].version:
            yield f"{name} {there[name].version} instead of {here[name].version}"

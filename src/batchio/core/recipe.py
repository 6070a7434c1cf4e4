"""The recipe of an environment: what it is made of, and for which Python. Pure.

What travels are *pieces*: bytes under their SHA-256. The recipe says where each goes in the
environment, so the digest of the recipe names the environment: the same packages of the same
files have the same digest everywhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from batchio.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = 3

Kind = Literal["wheel", "folder", "file"]
"""wheel: a zip as wheels are, for site-packages; folder: a zip for the folder `into`; file: one
file, for the path `into`."""


class Piece(NamedTuple):
    """Bytes that travel, and their place in the environment."""

    digest: str
    """SHA-256 in hexadecimal."""
    size: int
    kind: Kind
    into: str
    """Path in the environment; "" for a wheel, and for the environment itself."""
    mode: int
    """Mode bits of a file."""


class Need(NamedTuple):
    """What a compiled file needs of the node."""

    package: str
    file: str
    glibc: str
    """Oldest version of glibc that has all it uses, "2.34"."""


class Package(NamedTuple):
    """A package, or a folder of the user's own code."""

    name: str
    version: str
    """"" for a folder."""
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """The size of all its pieces, in bytes."""
        return sum(piece.size for piece in self.pieces)


class Interpreter(NamedTuple):
    """The user's own Python, which can be moved to another computer."""

    path: str
    """Path of the executable in the environment."""
    always: bool
    """Whether the environment uses it also where the node has a Python of its own."""
    pieces: tuple[Piece, ...]
    """Empty when its files are among those of the packages."""
    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Recipe(Record):
    """An environment.

    Attributes:
        python: Minor version of the Python that it is for, "3.12".
        abi: Its extension ABI with machine and libc, "cpython-312-x86_64-linux-gnu".
        library: Name of the folder in `lib`, "python3.12".
        packages: What is in it; of two files at one path the first counts.
        first: Folders that Python searches before its own modules.
        last: Folders that Python searches after its packages.
        needs: The newest glibc that each package needs.
        interpreter: The user's Python, where it can be moved.
        prefix: Path that stands in some files for that of the environment; "" in none.
        patched: Paths of those files in the environment.
        system: Whether packages that a node's distribution has installed are found, too.
    """

    python: str
    abi: str
    library: str
    packages: tuple[Package, ...]
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    interpreter: Interpreter | None = None
    prefix: str = ""
    patched: tuple[str, ...] = ()
    system: bool = False

    @property
    def size(self) -> int:
        """The size of what every node gets, in bytes: all but the interpreter."""
        packed = {piece.digest: piece for each in self.packages for piece in each.pieces}
        return sum(piece.size for piece in packed.values())

    @property
    def digest(self) -> str:
        """SHA-256 of all that the recipe says, in hexadecimal: of its `text`."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def text(self) -> str:
        """The recipe as JSON, the same for equal recipes."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))

    def pieces(self) -> dict[str, Piece]:
        """Return each piece once, by its digest, also those of the interpreter."""
        own = self.interpreter.pieces if self.interpreter else ()
        every = (*(piece for package in self.packages for piece in package.pieces), *own)
        return {piece.digest: piece for piece in every}

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values; `from_json` makes an equal one of them."""
        return {
            "version": VERSION,
            "python": self.python,
            "abi": self.abi,
            "library": self.library,
            "packages": [
                [package.name, package.version, [list(piece) for piece in package.pieces]]
                for package in self.packages
            ],
            "first": list(self.first),
            "last": list(self.last),
            "needs": [list(need) for need in self.needs],
            "interpreter": _plain(self.interpreter),
            "prefix": self.prefix,
            "patched": list(self.patched),
            "system": self.system,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recipe:
        """Read the recipe that `to_json` wrote.

        Raises:
            ValueError, LookupError, TypeError: it is none, or of another version.
        """
        if data["version"] != VERSION:
            raise ValueError(f"a recipe of version {data['version']}")
        return cls(
            python=data["python"],
            abi=data["abi"],
            library=data["library"],
            packages=tuple(
                Package(name, version, tuple(Piece(*piece) for piece in pieces))
                for name, version, pieces in data["packages"]
            ),
            first=tuple(data["first"]),
            last=tuple(data["last"]),
            needs=tuple(Need(*need) for need in data["needs"]),
            interpreter=_interpreter(data["interpreter"]),
            prefix=data["prefix"],
            patched=tuple(data["patched"]),
            system=data["system"],
        )


def _plain(given: Interpreter | None) -> list[Any] | None:
    if given is None:
        return None
    path, always, pieces, needs = given
    return [path, always, [list(piece) for piece in pieces], [list(need) for need in needs]]


def _interpreter(data: list[Any] | None) -> Interpreter | None:
    if data is None:
        return None
    path, always, pieces, needs = data
    return Interpreter(
        path,
        always,
        tuple(Piece(*piece) for piece in pieces),
        tuple(Need(*need) for need in needs),
    )

"""Recipes with their pieces, and the program that makes environments of them on a node."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from batchio.core.recipe import Piece, Recipe
from batchio.software import program
from batchio.software.cache import Cache
from batchio.software.capture import capture
from batchio.software.items import SourceFile, items_of
from batchio.software.packing import pack
from tests.software.environments import MadeEnvironment


def listed(folder: str) -> list[SourceFile]:
    """All files below a folder."""
    out = []
    for path in Path(folder).rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            found = path.stat()
            arrival, executable = str(path.relative_to(folder)), bool(found.st_mode & 0o111)
            out.append(SourceFile(arrival, str(path), found.st_size, found.st_mtime_ns, executable))
    return out


def packed(made: MadeEnvironment, cache: Cache, **variables: str) -> Recipe:
    """Capture an environment and pack it."""
    captured = capture(str(made.python), {"PATH": os.environ["PATH"], **variables})
    return pack(captured, items_of(captured, listed), cache)


class Node:
    """A folder that plays a node: a store, and homes of agents."""

    def __init__(self, root: Path, cache: Cache) -> None:
        self.store = root / "software"
        self.root = root
        self.cache = cache
        self.sent: list[str] = []
        """Digests of all pieces that were sent."""

    def home(self, name: str = "job.0") -> Path:
        """Return the home of an agent, which is there."""
        home = self.root / name
        home.mkdir(parents=True, exist_ok=True)
        return home

    def begin(self, recipe: Recipe, home: str = "job.0", **more: Any) -> "subprocess.Popen[bytes]":
        """Start the program."""
        argv = program.command(sys.executable, "make", str(self.store), str(self.home(home)))
        return subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
        )

    def asked(self, recipe: Recipe, pieces: Iterable[Piece]) -> bytes:
        """Return the first line that the program reads."""
        rows = [[piece.digest, piece.size, piece.kind] for piece in pieces]
        whole = {
            "recipe": {**recipe.to_json(), "digest": recipe.digest},
            "wheels": self.cache.wheels(recipe),
            "pieces": rows,
        }
        return json.dumps(whole).encode() + b"\n"

    def call(self, recipe: Recipe, pieces: Iterable[Piece] = (), home: str = "job.0") -> Any:
        """Run the program once, with the bytes of these pieces."""
        pieces = list(pieces)
        self.sent += [piece.digest for piece in pieces]
        data = b"".join(self.cache.piece(piece.digest).read_bytes() for piece in pieces)
        said, errors = self.begin(recipe, home).communicate(self.asked(recipe, pieces) + data)
        assert errors == b""
        return json.loads(said)

    def make(self, recipe: Recipe, home: str = "job.0") -> Path:
        """Make the environment as a head does; return its folder."""
        answer = self.call(recipe, home=home)
        if "missing" in answer:
            known = recipe.pieces()
            answer = self.call(recipe, [known[one] for one in answer["missing"]], home)
        return Path(answer["environment"])


def runs(environment: Path, *words: str) -> str:
    """Return what a program of an environment prints."""
    env = {"PATH": f"{environment}/bin:/usr/bin:/bin"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def age(path: Path, seconds: float) -> None:
    """Make a file older."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))

"""The Python environment that travels: found, packed, and made again on a node's disk.

    python -m benchmarks.environment [--packages 1000] [--rounds 3]

The environment is that of the Python which runs this, or so many packages of it; `cp -r` of the
same files is the floor. A node is played by a folder here: what a connection costs is the matter of
`benchmarks.upload`.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

from batchio.software.cache import Cache
from batchio.software.capture import capture
from batchio.software.items import Items, items_of
from batchio.software.packing import pack
from benchmarks.side_by_side import Spent, Table, in_turn, options, ratio, scratch, spent, with_cpu
from tests.software.packed import Node, listed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchio.core.recipe import Recipe
    from batchio.software.capture import Captured


def main() -> None:
    asked = options(__doc__, packages=1000, rounds=3)
    table = Table("the user's Python environment")
    with scratch() as folder:
        captured = capture(sys.executable, os.environ)
        items = chosen(captured, asked.packages)
        size = sum(item.size for item in items.items) / 1e6
        files = sum(len(item.files) for item in items.items)
        table.add("packages; files; MB", f"{len(items.items)}; {files:,}; {size:.0f}")
        finding(table, asked.rounds)
        cache = Cache(folder / "cache")
        recipe = packing(table, captured, items, cache, asked.rounds)
        making(table, folder, recipe, cache, items, asked.rounds)
    table.show()


def chosen(captured: Captured, most: int) -> Items:
    """Return what travels of an environment, with at most so many of its packages."""
    names = [package.name for package in captured.packages]
    return items_of(captured, listed, names[most:])


def finding(table: Table, rounds: int) -> None:
    """How long it takes to ask a Python for its packages, beside starting one."""
    contestants: dict[str, Callable[[], Spent]] = {
        "capture": lambda: timed(lambda: capture(sys.executable, os.environ)),
        "python": lambda: spent([sys.executable, "-c", "pass"]),
    }
    took = in_turn(contestants, rounds)
    table.most("capture: s, best round", min(took["capture"]), 0.4)


def packing(table: Table, captured: Captured, items: Items, cache: Cache, rounds: int) -> Recipe:
    """How long packing takes, the first time and again."""
    first = timed(lambda: pack(captured, items, cache))
    table.add("packing, the first time: s", f"{first:.2f}")
    again = [timed(lambda: pack(captured, items, cache)) for _ in range(rounds)]
    table.most("packing, nothing changed: s, best round", min(again), 0.1)
    return pack(captured, items, cache)


def making(
    table: Table, folder: Path, recipe: Recipe, cache: Cache, items: Items, rounds: int
) -> None:
    """How long a node needs, from nothing and for the second job."""
    originals = folder / "originals"
    for item in items.items:
        for file in item.files:
            target = originals / item.into / file.arrival
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, target)
    places = iter(range(1 << 20))
    pieces = list(recipe.pieces().values())
    own = {piece.digest for piece in recipe.interpreter.pieces} if recipe.interpreter else set()
    sent = [piece for piece in pieces if piece.digest not in own]

    def ours() -> Spent:
        node = Node(folder / f"node-{next(places)}", cache)
        return with_cpu(lambda: timed(lambda: node.call(recipe, sent)))

    def copy() -> Spent:
        return spent(["cp", "-r", originals, folder / f"copy-{next(places)}"])

    took = in_turn({"from nothing": ours, "cp -r": copy}, rounds)
    for name, each in took.items():
        cpu = min(one.cpu for one in each)
        table.add(f"{name}: s, best round; CPU s", f"{min(each):.2f}; {cpu:.2f}")
    table.add("from nothing / cp -r", f"{ratio(took['from nothing'], took['cp -r']):.2f} x")
    node = Node(folder / "again", cache)
    node.make(recipe)
    again = [timed(lambda: node.call(recipe, home="another.0")) for _ in range(rounds)]
    table.most("for the second job: s, best round", min(again), 0.3)


def timed(work: Callable[[], object]) -> Spent:
    """Return the wall seconds of a call."""
    began = time.perf_counter()
    work()
    return Spent(time.perf_counter() - began)


if __name__ == "__main__":
    main()

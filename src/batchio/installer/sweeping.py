"""Removing what nobody uses any more."""

from __future__ import annotations

import fcntl
import os
import time

from batchio.installer.basics import MOST, UNUSED_S, listing, locked, remove


def sweep(store: str, all_of_it: bool = False) -> int:
    """Remove what nobody used for long, or all that nobody uses; return how many bytes went."""
    try:
        fd = locked(store, "all", fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # an environment is being made
        return 0
    try:
        before = sizes(store)
        envs = sorted(
            (used(store + "/envs/" + name[:-5]), store + "/envs/" + name[:-5])
            for name in os.listdir(store + "/envs")
            if name.endswith(".list")
        )
        for at, env in envs:
            full = sum(sizes(store).values()) > MOST
            old = time.time() - at > UNUSED_S
            if at != float("inf") and (all_of_it or full or old):
                remove(env)
                os.unlink(env + ".homes")
                drop(store, all_of_it or full)
        drop(store, all_of_it)
        return sum(before.values()) - sum(sizes(store).values())
    finally:
        os.close(fd)


def used(env: str) -> float:
    """Return when an environment was used last: infinity while somebody does."""
    try:
        with open(env + ".homes", encoding="utf-8", errors="surrogateescape") as file:
            homes = set(file.read().split("\n")) - {""}
        if any(os.path.isdir(home) for home in homes):
            return float("inf")
        return os.path.getmtime(env + ".homes")
    except OSError:
        with open(env + ".homes", "w"):
            return 0.0


def sizes(store: str) -> dict[str, int]:
    """Return the size of each piece."""
    out = {}
    for name in os.listdir(store + "/pieces"):
        if name.endswith(".list"):
            rows = listing(store + "/pieces/" + name[:-5]).get("files", [])
            out[name[:-5]] = sum(row[1] for row in rows)
    return out


def drop(store: str, young: bool) -> None:
    """Remove pieces of no environment, and what was left half-made; `young` ones, too."""
    kept: set[str] = set()
    for name in os.listdir(store + "/envs"):
        if name.endswith(".list"):
            kept.update(listing(store + "/envs/" + name[:-5]).get("pieces", []))
    for place in ("pieces", "envs"):
        for name in os.listdir(store + "/" + place):
            path = store + "/" + place + "/" + name
            half = ".part-" in name or ".gone-" in name
            unused = place == "pieces" and name.split(".")[0] not in kept
            try:
                old = time.time() - os.lstat(path).st_ctime > UNUSED_S
            except OSError:
                continue
            if half or (unused and (young or old)):
                remove(path)

"""The verbs: make an environment, clean."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from typing import Any

from batchio.installer.basics import Refused, Stream, locked
from batchio.installer.building import Building
from batchio.installer.node import check_libc, check_room, find_python, spare, usable
from batchio.installer.pieces import lacking, receive
from batchio.installer.sweeping import sweep
from batchio.installer.wheels import take_wheels


def make(store: str, home: str) -> dict[str, Any]:
    """Make the environment, as far as its pieces are there or come; return the answer."""
    stream = Stream()
    asked = json.loads(stream.line())
    recipe = asked["recipe"]
    own = recipe["interpreter"]
    target: dict[str, str] = {}
    try:
        python = find_python(recipe, target)
        if python:
            target.update((key, recipe[key]) for key in ("abi", "python", "library"))
        check_libc(recipe["needs"] + ([] if python else own[3]))
    except Refused as error:
        if own and own[1]:
            raise
        return {"refused": str(error), "target": target}
    if not python:
        recipe["packages"].append(["Python", "", own[2]])
    store = usable(store, store.startswith(home + "/"))
    held = [locked(store, "all", fcntl.LOCK_SH), locked(store, recipe["digest"], fcntl.LOCK_EX)]
    try:
        building = Building(store, recipe, python)
        if not building.ready():
            receive(stream, store, asked["pieces"])
            take_wheels(store, recipe, asked["wheels"], get=not asked["pieces"])
            missing = lacking(store, recipe)
            if missing:
                check_room(store, missing)
                return {"missing": [piece[0] for piece in missing]}
            building.make()
        use(building.name, home)
    finally:
        for fd in held:
            os.close(fd)
    sweep(store)
    return {"environment": building.name, "python": building.python}


def use(name: str, home: str) -> None:
    """Note that an agent's tasks use an environment, and show the agent where it is."""
    with open(name + ".homes", "a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(home + "\n")
    link = home + "/software"
    part = "%s.part-%d" % (link, os.getpid())
    os.symlink(name, part)
    os.rename(part, link)


def main(verb: str, store: str, home: str = "") -> str:
    """Do one verb; return what to print."""
    os.umask(0o022)
    try:
        if verb == "clean":
            stores = [one for one in (store, spare()) if os.path.isdir(one + "/locks")]
            return json.dumps({"bytes": sum(sweep(one, True) for one in stores)})
        return json.dumps(make(store, home))
    except Refused as error:
        return json.dumps({"refused": str(error)})
    except OSError as error:
        place = " (%s)" % error.filename if error.filename else ""
        return json.dumps({"refused": "%s%s" % (error.strerror or error, place)})


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]) + "\n")

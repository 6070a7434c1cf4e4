"""An environment, made of hard links to the files of pieces."""

from __future__ import annotations

import os
import re
import shutil
import time
from typing import Any

from batchio.installer.basics import (
    NAME,
    OLD_S,
    TIME,
    Refused,
    keep,
    listing,
    parts,
    put,
    whole,
)


class Building:
    """An environment that is being made."""

    def __init__(self, store: str, recipe: dict[str, Any], python: str) -> None:
        self.store = store
        self.recipe = recipe
        self.name = store + "/envs/" + recipe["digest"][:NAME]
        self.root = "%s.part-%d" % (self.name, os.getpid())
        self.library = "/lib/%s/site-packages" % "/".join(parts(recipe["library"]))
        own = recipe["interpreter"] or [""]
        self.python = python or self.name + "/" + "/".join(parts(own[0]))
        self.patched = {"/" + path for path in recipe["patched"]}
        self.files: dict[str, int] = {}
        self.made: set[str] = set()

    def ready(self) -> bool:
        """Return whether the environment is there, whole, young, and of this Python."""
        known = listing(self.name)
        try:
            young = time.time() - os.path.getmtime(self.name + ".list") < OLD_S
        except OSError:
            return False
        return young and known.get("python") == self.python and whole(self.name)

    def make(self) -> None:
        if os.path.exists(self.root):
            shutil.rmtree(self.root)
        self.folder(self.library)
        self.folder("/bin")
        self.begin()
        for package in self.recipe["packages"]:
            for digest, size, kind, into, mode in package[2]:
                source = self.store + "/pieces/" + digest
                if kind == "file":
                    below = "/" + "/".join(parts(into))
                    if mode & 0o111:
                        os.chmod(source, 0o755)
                    self.link(source, below, size)
                    continue
                for below, length in listing(source)["files"]:
                    self.link(source + below, self.place(kind, into, below), length)
        self.finish()
        files = sorted(self.files.items())
        used = [piece[0] for package in self.recipe["packages"] for piece in package[2]]
        keep(self.root, self.name, {"python": self.python, "pieces": used, "files": files})

    def place(self, kind: str, into: str, below: str) -> str:
        """Return where a file of a zip goes, as an installer of wheels does it."""
        if kind == "folder":
            return "/%s%s" % ("/".join(parts(into)), below) if into else below
        first, _, rest = below[1:].partition("/")
        if not first.endswith(".data") or "/" not in rest:
            return self.library + below
        area, _, deeper = rest.partition("/")
        base = {"scripts": "/bin/", "data": "/", "headers": "/include/"}.get(area)
        return (base if base is not None else self.library + "/") + deeper

    def folder(self, below: str) -> None:
        if below not in self.made:
            os.makedirs(self.root + below, exist_ok=True)
            self.made.add(below)

    def link(self, source: str, below: str, size: int) -> None:
        """Link one file into the environment; of two at one path the first counts."""
        if below in self.files:
            return
        target = self.root + below
        try:
            above = below.rpartition("/")[0]
            self.folder(above)
            if above == "/bin" and self.script(source, below):
                return
            if below in self.patched:
                self.patch(source, below)
                return
            try:
                os.link(source, target)
            except (FileExistsError, NotADirectoryError):
                raise
            except OSError:  # other disk, no links there, or too many of them
                shutil.copyfile(source, target)
                shutil.copymode(source, target)
                os.utime(target, (TIME, TIME))
        except (FileExistsError, NotADirectoryError):
            return
        self.files[below] = size

    def script(self, source: str, below: str) -> bool:
        """Write a script that the environment's Python runs; return whether it is one."""
        with open(source, "rb") as file:
            first = file.readline(512)
            if not first.startswith(b"#!python"):
                return False
            self.write(below, self.shebang() + file.read(), 0o755)
        return True

    def patch(self, source: str, below: str) -> None:
        """Write a file in which the environment's path stands, as its own path now is."""
        with open(source, "rb") as file:
            content = file.read()
        old, new = os.fsencode(self.recipe["prefix"]), os.fsencode(self.name)
        changed = moved(content, old, new) if b"\0" in content else content.replace(old, new)
        self.write(below, changed, 0o755 if os.stat(source).st_mode & 0o111 else 0o644)

    def write(self, below: str, content: bytes, mode: int = 0o644) -> None:
        put(self.root + below, content, mode)
        self.files[below] = len(content)

    def shebang(self) -> bytes:
        python = os.fsencode(self.name) + b"/bin/python"
        if len(python) > 120 or b" " in python:
            return b"#!/bin/sh\n'''exec' \"%s\" \"$0\" \"$@\"\n' '''\n" % python
        return b"#!%s\n" % python

    def begin(self) -> None:
        """Write what makes the folder an environment, before any package can.

        Nothing, where the Python of a package lies in the environment itself, as conda's does.
        """
        if os.path.dirname(self.python) == self.name + "/bin":
            return
        os.symlink(self.python, self.root + "/bin/python")
        for name in ("python3", self.recipe["library"]):
            os.symlink("python", self.root + "/bin/" + name)
        home = os.path.dirname(self.python)
        system = "true" if self.recipe["system"] else "false"
        config = "home = %s\ninclude-system-site-packages = %s\n" % (home, system)
        self.write("/pyvenv.cfg", os.fsencode(config))

    def finish(self) -> None:
        """Write the scripts that packages name, and the folders on the path of Python."""
        site = self.root + self.library
        for name in sorted(os.listdir(site)):
            if name.endswith(".dist-info"):
                self.scripts(site + "/" + name + "/entry_points.txt")
        last = ["../../../" + "/".join(parts(path)) for path in self.recipe["last"]]
        if last:
            self.write(self.library + "/batchio-folders.pth", "\n".join(last + [""]).encode())
        first = [self.name + "/" + "/".join(parts(path)) for path in self.recipe["first"]]
        if first:
            self.write("/pythonpath", os.fsencode(":".join(first)))

    def scripts(self, path: str) -> None:
        """Write the scripts that a package names."""
        if not os.path.isfile(path):
            return
        from configparser import ConfigParser, Error

        found = ConfigParser(delimiters=("=",), interpolation=None)
        found.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            found.read(path, "utf-8")
        except (Error, UnicodeDecodeError):
            return
        for group in ("console_scripts", "gui_scripts"):
            for name, what in found.items(group) if found.has_section(group) else ():
                module, _, call = what.partition("[")[0].strip().partition(":")
                below = "/bin/" + name
                if "/" in name or not call or below in self.files:
                    continue
                line = "import sys\nfrom %s import %s\nsys.exit(%s())\n"
                text = line % (module.strip(), call.split(".")[0].strip(), call.strip())
                self.write(below, self.shebang() + text.encode(), 0o755)


def moved(content: bytes, old: bytes, new: bytes) -> bytes:
    """Return a compiled file with another path in its texts, each as long as before with its zeros.

    conda pads the path at which it installs with zeros behind the text, so there is room.
    """
    out: list[bytes] = []
    at = 0
    zeros = re.compile(rb"\0*")
    while True:
        start = content.find(old, at)
        if start < 0:
            return b"".join(out) + content[at:]
        end = content.find(b"\0", start)
        found = zeros.match(content, end) if end >= 0 else None
        end, stop = found.span() if found else (len(content), len(content) + 1)
        text = content[start:end].replace(old, new)
        room = stop - start - 1
        if len(text) > room:
            raise Refused("%r is too long for a file of conda" % os.fsdecode(new))
        out += [content[at:start], text.ljust(min(stop, len(content)) - start, b"\0")]
        at = stop

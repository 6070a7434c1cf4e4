"""A program of its own: print, as JSON, what this Python is and which packages it finds.

The Python of the user's environment runs it, from 3.8 on, in an empty folder; nothing of ours
is imported. `capture` reads what it prints. Facts of formats: packaging.python.org/specifications
("Recording installed projects", "Direct URL"), docs.python.org/3/library/site.html for `.pth`.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import sys
import sysconfig
from typing import Any, Iterable

PATH = globals().get("PATH", sys.path)  # on which this Python finds modules
SITES = ("site-packages", "dist-packages")
OWN = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")  # of how it was installed here
TOOLS = ("_virtualenv.pth", "distutils-precedence.pth", "easy-install.pth")


def interpreter() -> dict[str, Any]:
    """Return which Python this is."""
    library = "python%d.%d" % sys.version_info[:2]
    if "t" in getattr(sys, "abiflags", ""):
        library += "t"
    return {
        "version": "%d.%d.%d" % sys.version_info[:3],
        "abi": sysconfig.get_config_var("SOABI") or "",
        "library": library,
        "executable": sys.executable,
        "prefix": sys.prefix,
        "base": sys.base_prefix,
        "base_executable": os.path.realpath(
            getattr(sys, "_base_executable", None) or sys.executable
        ),
        "conda": os.path.isdir(os.path.join(sys.prefix, "conda-meta")),
    }


def is_system(site: str) -> bool:
    """Return whether a folder of packages belongs to the distribution."""
    return os.path.basename(site) == "dist-packages" and site.startswith("/usr/lib/")


def split_path(path: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the folders of packages, other ones before Python's own modules, others behind."""
    own = {os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    own |= {os.path.join(folder, "lib-dynload") for folder in own}
    zipped = "python%d%d.zip" % sys.version_info[:2]
    sites: list[str] = []
    first: list[str] = []
    last: list[str] = []
    seen_own = False
    for entry in path:
        place = os.path.abspath(entry)
        if os.path.realpath(place) in own or os.path.basename(place) == zipped:
            seen_own = True
        elif entry and os.path.exists(place) and place not in sites + first + last:
            is_site = os.path.basename(place) in SITES
            (sites if is_site else last if seen_own else first).append(place)
    return sites, first, last


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def title(info: str) -> tuple[str, str]:
    """Return name and version from a package's metadata."""
    head = text(os.path.join(info, "METADATA")) or text(os.path.join(info, "PKG-INFO"))
    head = (head or text(info)).partition("\n\n")[0]
    found = dict(re.findall(r"^(Name|Version): *(.*?) *$", head, re.MULTILINE))
    return found.get("Name", ""), found.get("Version", "")


def row(area: str, below: str, path: str) -> list[Any] | None:
    """Return a file's area, its path there, size, time and whether it may be executed."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [area, below, path, found.st_size, found.st_mtime_ns, bool(found.st_mode & 0o111)]


class Site:
    """One folder of packages."""

    def __init__(self, path: str, owned: set[str]) -> None:
        self.path = path
        self.system = is_system(path)
        above = os.path.dirname(os.path.dirname(os.path.dirname(path)))
        self.prefix = above if os.path.isdir(os.path.join(above, "bin")) else sys.prefix
        try:
            self.names = sorted(os.listdir(path))
        except OSError:
            self.names = []
        self.owned = set(owned)
        self.conda = owned
        self.left: list[list[str]] = []

    def packages(self, known: set[str]) -> list[dict[str, Any]]:
        """Return the packages here whose names are not `known`."""
        found = []
        for name in self.names:
            if not name.endswith((".dist-info", ".egg-info")):
                continue
            info = os.path.join(self.path, name)
            if os.path.join(info, "METADATA") in self.conda or info in self.conda:
                known.add(normal(title(info)[0]))
                continue
            called, version = title(info)
            record = self.record(info)
            self.owned.update(record)
            if not called or normal(called) in known:
                continue
            known.add(normal(called))
            if not record:
                if self.system:
                    self.left.append([called, "it is one of the system's own"])
                    continue
                if name.endswith(".dist-info"):
                    self.left.append([called, "it has no list of its files (RECORD)"])
                continue  # its files are those that belong to no package
            found.append(self.package(info, called, version, record))
        return found

    def record(self, info: str) -> dict[str, list[str]]:
        """Return digest and size of a package's files, as they were installed, by absolute path.

        {} when nobody wrote them down.
        """
        lines = text(os.path.join(info, "RECORD")).splitlines()
        if lines:
            return {
                os.path.normpath(os.path.join(self.path, cells[0])): cells[1:]
                for cells in csv.reader(lines)
                if cells and cells[0]
            }
        lines = text(os.path.join(info, "installed-files.txt")).splitlines()
        return {os.path.normpath(os.path.join(info, line)): [] for line in lines if line}

    def package(
        self, info: str, name: str, version: str, record: dict[str, list[str]]
    ) -> dict[str, Any]:
        try:
            origin = json.loads(text(os.path.join(info, "direct_url.json")) or "{}")
        except ValueError:
            origin = {}
        out: dict[str, Any] = {"name": name, "version": version, "files": []}
        out["origin"] = kind(origin)
        hidden: set[str] = set()
        if out["origin"] == "editable":
            out.update(self.editable(record, hidden))
        scripts = re.findall(
            r"^ *([^\s=#\[]+) *=", text(os.path.join(info, "entry_points.txt")), re.M
        )
        for path in record:
            if path in hidden or path.endswith(".pyc") or os.path.basename(path) in OWN:
                continue
            found = self.placed(path, set(scripts), name)
            if found:
                out["files"].append(found)
        if not out["origin"] and not changed(record, os.path.join(info, "RECORD")):
            wheel = text(os.path.join(info, "WHEEL"))
            out["tags"] = re.findall(r"^Tag: *(\S+)", wheel, re.M)
        needs = text(os.path.join(info, "METADATA")).partition("\n\n")[0]
        out["requires"] = re.findall(r"^Requires-Dist: *([\w.-]+)", needs, re.M)
        return out

    def placed(self, path: str, scripts: set[str], package: str) -> list[Any] | None:
        """Return the row of one file of a package; None when it does not travel."""
        for area, folder in (
            ("site", self.path),
            ("scripts", os.path.join(self.prefix, "bin")),
            ("data", self.prefix),
        ):
            if path.startswith(folder + "/"):
                below = path[len(folder) + 1 :]
                if area == "scripts" and below in scripts:
                    return None  # made anew on each node
                return row(area, below, path)
        if os.path.exists(path):
            self.left.append([path, "%s has it outside of its folders" % package])
        return None

    def editable(self, record: Iterable[str], hidden: set[str]) -> dict[str, Any]:
        """Return where an editable package's code is; `hidden` are files of how it is found."""
        folders: list[str] = []
        mapping: dict[str, str] = {}
        hook = False
        for path in record:
            if not path.endswith(".pth") or os.path.dirname(path) != self.path:
                continue
            hidden.add(path)
            for line in text(path).splitlines():
                line = line.strip()
                folder = os.path.join(self.path, line)
                if line.startswith(("import ", "import\t")):
                    finder = re.match(r"import (__editable___\w+_finder)\b", line)
                    module = os.path.join(self.path, finder.group(1) + ".py") if finder else ""
                    hidden.add(module)
                    found = literals(text(module)) if finder else {}
                    hook = hook or not found
                    mapping.update(found.get("MAPPING") or {})
                    for name, places in (found.get("NAMESPACES") or {}).items():
                        if places:
                            mapping.setdefault(name, places[0])
                elif line and not line.startswith("#") and os.path.exists(folder):
                    folders.append(os.path.abspath(folder))
        return {"folders": folders, "mapping": mapping, "hook": hook}

    def unowned(self) -> list[list[Any]]:
        """Return the files here that belong to no package."""
        if self.system:
            return []
        out = []
        for folder, below, names in os.walk(self.path):
            if folder == self.path:
                below[:] = [one for one in below if not one.endswith((".dist-info", ".egg"))]
            below[:] = sorted(one for one in below if one[:1] != "~" and one != "__pycache__")
            for name in sorted(names):
                path = os.path.join(folder, name)
                odd = name.endswith((".pyc", ".egg-link", ".egg", "_virtualenv.py"))
                if path in self.owned or odd or (folder == self.path and name.endswith(".pth")):
                    continue
                found = row("site", path[len(self.path) + 1 :], path)
                if found:
                    out.append(found)
        return out

    def code_lines(self) -> None:
        """Note the `.pth` files of no package that run code."""
        for name in self.names:
            path = os.path.join(self.path, name)
            if self.system or not name.endswith(".pth") or name in TOOLS or path in self.owned:
                continue
            if any(line.startswith(("import ", "import\t")) for line in text(path).splitlines()):
                self.left.append([path, "it runs code, and belongs to no package"])


def conda_packages(prefix: str) -> list[dict[str, Any]]:
    """Return the packages that conda, mamba or pixi has installed into a prefix."""
    out = []
    folder = os.path.join(prefix, "conda-meta")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if not name.endswith(".json"):
            continue
        try:
            found = json.loads(text(os.path.join(folder, name)))
            files = [str(path) for path in found["files"] if not path.endswith(".pyc")]
            paths = (found.get("paths_data") or {}).get("paths") or []
            patched = [str(one["_path"]) for one in paths if one.get("prefix_placeholder")]
        except (ValueError, LookupError, TypeError, AttributeError):
            continue
        rows = [row("root", path, os.path.join(prefix, path)) for path in files]
        out.append(
            {
                "name": found.get("name", name),
                "version": str(found.get("version", "")),
                "origin": "conda",
                "files": [one for one in rows if one],
                "patched": patched,
            }
        )
    return out


def changed(record: dict[str, list[str]], listing: str) -> bool:
    """Return whether a package is not as it was installed, as far as its list of files says.

    A file counts as changed by its size, or when it is newer than the list and its digest differs.
    """
    try:
        installed = os.stat(listing).st_mtime
        for path, (digest, size) in record.items():
            if path.endswith(".pyc") or not (size and digest.startswith("sha256=")):
                continue
            found = os.stat(path)
            if found.st_size != int(size):
                return True
            if found.st_mtime > installed:
                import base64
                import hashlib

                with open(path, "rb") as file:
                    seen = hashlib.sha256(file.read()).digest()
                if base64.urlsafe_b64encode(seen).decode().rstrip("=") != digest[7:]:
                    return True
    except (OSError, ValueError):
        return True
    return False


def kind(origin: Any) -> str:
    """Return where a package came from: "", "editable", or "local" for all but an index."""
    if not isinstance(origin, dict) or not origin:
        return ""
    return "editable" if (origin.get("dir_info") or {}).get("editable") else "local"


def literals(source: str) -> dict[str, Any]:
    """Return the variables of a module that are plain dictionaries."""
    out = {}
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return {}
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and value is not None:
            try:
                found = ast.literal_eval(value)
            except ValueError:
                continue
            if isinstance(found, dict):
                out[target.id] = found
    return out


def probe(path: list[str]) -> dict[str, Any]:
    """Return all that `capture` wants to know of what is found on a path."""
    sites, first, last = split_path(path)
    known: set[str] = set()
    packages: list[dict[str, Any]] = []
    loose: list[list[Any]] = []
    left: list[list[str]] = []
    conda = conda_packages(sys.prefix)
    packages += conda
    owned = {file[2] for package in conda for file in package["files"]}
    for folder in sites:
        site = Site(folder, owned)
        packages += site.packages(known)
        loose += site.unowned()
        site.code_lines()
        left += site.left
    return {
        **interpreter(),
        "packages": packages,
        "loose": loose,
        "first": first,
        "last": last,
        "left": left,
        "system": any(is_system(folder) for folder in sites),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe(PATH)))

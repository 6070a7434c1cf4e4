"""Pythons that can be moved: a copy of the one that runs the tests, with few of its modules."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.software.environments import place

_LOADED = """
import __future__, ast, csv, encodings.idna, json, os, re, runpy, site, sys, sysconfig, typing
sysconfig.get_config_vars()
print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))
print(sys.base_prefix)
print("python%d.%d" % sys.version_info[:2])
for module in list(sys.modules.values()):
    if getattr(module, "__file__", None):
        print(module.__file__)
"""


def copy_python(base: Path, own: str = sys.executable) -> tuple[str, list[str]]:
    """Copy a Python to another prefix; return the name of its library, and its files there."""
    argv = [own, "-I", "-c", _LOADED]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    executable, prefix, library, *modules = said.splitlines()
    place(base / "bin" / library, Path(executable).read_bytes()).chmod(0o755)
    files = [f"bin/{library}"]
    for line in modules:
        if line.startswith(f"{prefix}/lib/{library}/") and "site-packages" not in line:
            below = os.path.relpath(line, prefix)
            place(base / below, Path(line).read_bytes())
            files.append(below)
    (base / "lib" / library / "lib-dynload").mkdir(exist_ok=True)
    return library, files


def make_conda(root: Path, own: str = sys.executable) -> Path:
    """Make an environment as conda does, with its Python and a package that knows its prefix.

    Returns the folder of its packages.
    """
    library, files = copy_python(root, own)
    (root / "bin/python").symlink_to(library)
    site = root / "lib" / library / "site-packages"
    site.mkdir()
    place(root / "etc/tool.conf", f"home = {root}/share\n")
    padded = os.fsencode(f"{root}/share").ljust(255, b"\0")
    place(root / "lib/libtool.so", b"\x7fELF\0before\0" + padded + b"after\0")
    place(root / "bin/tool", f"#!{root}/bin/python\nimport sys; print(sys.prefix)\n")
    (root / "bin/tool").chmod(0o755)
    placeholder = {"prefix_placeholder": "/opt/placeholder", "file_mode": "text"}
    noted(root, "python", [*files, "bin/python"], [])
    patched = [{"_path": path, **placeholder} for path in ("etc/tool.conf", "lib/libtool.so")]
    noted(root, "tool", ["etc/tool.conf", "lib/libtool.so", "bin/tool"], patched)
    return site


def noted(root: Path, name: str, files: list[str], paths: list[dict[str, str]]) -> None:
    """Note a package as conda does."""
    record = {"name": name, "version": "1.0", "files": files, "paths_data": {"paths": paths}}
    place(root / f"conda-meta/{name}-1.0-0.json", json.dumps(record))

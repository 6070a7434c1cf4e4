"""What the node has: a Python, a C library, a folder, room."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

from batchio.installer.basics import SPARE, Refused, parts

if TYPE_CHECKING:
    from collections.abc import Iterator

ASK = (
    "import json,os,sys,sysconfig; print(json.dumps([sysconfig.get_config_var('SOABI'),"
    "os.path.realpath(getattr(sys,'_base_executable',None) or sys.executable)]))"
)


def pythons(library: str) -> Iterator[str]:
    """Yield where this node may have a Python whose folder in `lib` has this name."""
    from glob import glob

    home = os.path.expanduser("~")
    folders = os.environ.get("PATH", "").split(":") + ["/usr/bin", "/usr/local/bin"]
    folders += sorted(glob(os.path.join(home, ".local/share/uv/python/*/bin")))
    folders += sorted(glob(os.path.join(home, ".pyenv", "versions/*/bin")))
    for folder in folders:
        path = folder + "/" + library
        if folder.startswith("/") and os.access(path, os.X_OK):
            yield path


def find_python(recipe: dict[str, Any], target: dict[str, str]) -> str:
    """Return the path of a Python of the recipe's ABI; "" when the one that travels is to be used.

    Raises Refused. `target` tells then for which Python of this node another recipe may be made.
    """
    import subprocess

    seen = [str(sysconfig.get_config_var("SOABI"))]
    libc = "glibc " + ".".join(map(str, glibc())) if glibc() else "musl"
    target.update(machine=os.uname().machine, libc=libc, abi=seen[0])
    target.update(
        python="%d.%d" % sys.version_info[:2], library="python%d.%d" % sys.version_info[:2]
    )
    always = recipe["interpreter"] and recipe["interpreter"][1]
    if always and platform(seen[0]) == platform(recipe["abi"]):
        return ""
    if always:
        has = "it is %s, and the environment of conda is for %s"
        raise Refused(has % (platform(seen[0]), platform(recipe["abi"])))
    if seen[0] == recipe["abi"]:
        return os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
    for path in dict.fromkeys(pythons("/".join(parts(recipe["library"])))):
        try:
            said = subprocess.run(
                [path, "-I", "-S", "-c", ASK], stdout=subprocess.PIPE, timeout=60, check=True
            ).stdout
            abi, base = json.loads(said)
        except (OSError, ValueError, TypeError, subprocess.SubprocessError):
            continue
        if abi == recipe["abi"]:
            return str(base)
        seen.append(str(abi))
        target.update(abi=str(abi), python=recipe["python"], library=recipe["library"])
    has = ", ".join(dict.fromkeys(seen))
    own = recipe["interpreter"]
    if own and platform(seen[0]) == platform(recipe["abi"]):
        return ""
    raise Refused("it has no Python %s (%s), but %s" % (recipe["python"], recipe["abi"], has))


def platform(abi: str) -> str:
    """Return the part of an ABI that names processor and C library: "x86_64-linux-gnu"."""
    return abi.partition("-")[2].partition("-")[2]


def check_libc(needs: list[list[str]]) -> None:
    """Refuse when a file of the environment needs a newer glibc than this node has."""
    ours = glibc()
    for package, file, wants in needs if ours else ():
        if tuple(map(int, wants.split("."))) > ours:
            have = ".".join(map(str, ours))
            raise Refused("%s needs glibc %s (%s), it has %s" % (package, wants, file, have))


def glibc() -> tuple[int, ...]:
    """Return the version of this node's glibc; () where it has another C library."""
    try:
        have = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()[-1]
        return tuple(map(int, have.split(".")[:2]))
    except (ValueError, OSError, IndexError):
        return ()


def spare() -> str:
    """Return the folder that is used where that below /var/tmp cannot be."""
    return os.path.expanduser("~/.cache/batchio/software-here")


def usable(store: str, private: bool) -> str:
    """Return the folder to keep things in: `store`, or one below HOME where that is of no use."""
    why = ""
    for folder in [store] if private else [store, spare()]:
        if not os.path.isabs(folder):
            continue  # there is no HOME
        try:
            for name in ("pieces", "envs", "locks"):
                os.makedirs(folder + "/" + name, mode=0o700, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
            if os.statvfs(folder).f_flag & os.ST_NOEXEC:
                raise PermissionError(13, "it is mounted noexec")
            return folder
        except OSError as error:
            why = why or "%s: %s" % (folder, error.strerror)
    raise Refused("no folder for packages: %s" % why)


def check_room(store: str, missing: list[list[Any]]) -> None:
    found = os.statvfs(store)
    free = found.f_bavail * found.f_frsize
    sizes = [piece[1] for piece in missing]
    wanted = sum(sizes) + max(sizes) + SPARE
    if free < wanted:
        shown = (wanted >> 20, store, free >> 20)
        raise Refused("no room for packages: %d MiB are needed below %s, %d MiB are free" % shown)

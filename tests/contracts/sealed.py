"""A place with no way out, for tests that load the SDK of a cloud.

Such an SDK that is given no credentials asks around for some: metadata addresses, token
endpoints. So it is loaded only in a process in a network namespace of its own, which has
a loopback and nothing else; then nothing outside can ever be reached, or charged.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h
_LO: Final = b"lo"


def command(argv: list[str]) -> list[str]:
    """The command that runs `argv` in there."""
    return [*_unshare(), "--", *argv]


def missing() -> str:
    """Why this computer cannot seal a process; "" when it can."""
    if shutil.which("unshare") is None:
        return "unshare is not installed (apt-get install util-linux)"
    done = subprocess.run(command(["true"]), capture_output=True, text=True, check=False)
    return f"no network namespaces here: {done.stderr.strip()}" if done.returncode else ""


def run_suite(suite: str, choice: str, *plugins: str) -> None:
    """Run the tests of a suite in there that `pytest -k` chooses; none of them may be skipped.

    Args:
        suite: Path of the suite, from the root of the repository.
        plugins: Modules with fixtures of it.
    """
    if why := missing():
        pytest.skip(f"NOT TESTED, {Path(suite).stem}: {why}")
    words = ["-q", "--noconftest", "-p", "no:cacheprovider", "--show-capture=no"]
    words += [word for plugin in ("tests.effort", *plugins) for word in ("-p", plugin)]
    words += ["-k", choice, suite]
    done = subprocess.run(
        command([sys.executable, "-m", "pytest", *words]),
        cwd=Path(__file__).parent.parent.parent,
        env=os.environ | {"PYTEST_ADDOPTS": "", "AWS_EC2_METADATA_DISABLED": "true"},
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode or "skipped" in done.stdout:
        pytest.fail(f"{done.stdout}{done.stderr}", pytrace=False)


def enter() -> None:
    """Said first in there: bring the loopback up. Raises RuntimeError when there is a way out."""
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    if others or any(line.split()[1] == "00000000" for line in routes):
        raise RuntimeError("this process can reach other computers; see tests/contracts/sealed.py")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sH14x", _LO, 0)
        _, flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _GET_FLAGS, asked))
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", _LO, flags | _UP))


def _unshare() -> list[str]:
    return ["unshare", "--net", *([] if os.getuid() == 0 else ["--map-root-user"])]

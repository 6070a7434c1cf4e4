"""One server and one home directory, from which OpenSSH and batchio both try to get in."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from batchio.errors import BatchioError
from batchio.transports import ssh
from tests.contracts.sshd import Sshd, missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Place(NamedTuple):
    """One server and one home directory."""

    server: Sshd
    home: Path
    folder: Path

    def configure(self, *lines: str, known_hosts: str | None = None) -> None:
        """Put lines before what makes `testhost` the server."""
        self.server.trust(self.home, *lines, known_hosts=known_hosts)

    def without(self, word: str) -> None:
        """Take the lines with this word out of the configuration."""
        config = self.home / ".ssh" / "config"
        lines = [line for line in config.read_text().splitlines() if word not in line]
        config.write_text("\n".join(lines) + "\n")


@contextmanager
def place(folder: Path, home: Path, *lines: str) -> Iterator[Place]:
    if why := missing():
        pytest.skip(why)
    with Sshd(folder, *lines) as server:
        here = Place(server, home, folder)
        here.configure()
        yield here


def openssh(here: Place, host: str = "testhost") -> bool:
    """Whether the ssh program gets in."""
    words = ["-F", f"{here.home}/.ssh/config", "-o", "BatchMode=yes", "-o", "ControlPath=none"]
    done = subprocess.run(["ssh", *words, host, "true"], capture_output=True, check=False)
    return done.returncode == 0


def why_not(host: str = "testhost") -> str:
    """What keeps batchio out, with its hint; empty when it gets in."""

    async def attempt() -> str:
        try:
            async with await ssh.connect(host) as node:
                return "" if (await node.run(["true"])).exit_code == 0 else "it fails"
        except BatchioError as error:
            return f"{error}; {error.hint}"

    return asyncio.run(attempt())


def public_key_only(here: Place) -> None:
    shutil.copy(here.folder / "user_key.pub", here.home / "work.pub")

"""What a test session started and that outlives it: there must be nothing.

Processes inherit the session's mark in their environment, and an agent's folder is named after
its job, so another batchio of the same user, or another session, is never mistaken for ours.
"""

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import pytest

MARK: Final = "PYTEST_BATCHIO_SESSION"
TEST_MARK: Final = "PYTEST_BATCHIO_TEST"
"""The same for one test alone; see the fixture `left_behind`."""
HOMES: Final = Path(f"/var/tmp/batchio-{os.getuid()}")
PATIENCE_S: Final = 10.0
"""An agent that was told to go may still be removing its files."""


class Leftover(NamedTuple):
    """A process that should have ended, or with pid 0 a folder that should be gone."""

    pid: int
    what: str


def find(mark: str, root: Path) -> list[Leftover]:
    """Every process with this mark but ours and its parents, and every home of an agent.

    Args:
        root: The folder that holds the session's workspaces, at any depth.
    """
    found = []
    wanted = {f"{name}={mark}".encode() for name in (MARK, TEST_MARK)}
    ours = _lineage()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended, or belongs to somebody else
            environ = (folder / "environ").read_bytes().split(b"\0")
            if wanted.intersection(environ) and int(folder.name) not in ours:
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found.append(Leftover(int(folder.name), os.fsdecode(words).strip()))
    with suppress(FileNotFoundError):
        for home in HOMES.iterdir():
            job = home.name.partition(".")[0]
            if any(folder.parent.name == "jobs" for folder in root.rglob(job)):
                found.append(Leftover(0, str(home)))
    return found


def wait_until_gone(mark: str, root: Path) -> list[Leftover]:
    """What is still there when the patience is over; empty as soon as nothing is."""
    deadline = time.monotonic() + PATIENCE_S
    while (left := find(mark, root)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def end(left: list[Leftover]) -> None:
    """Kill the processes, remove the folders."""
    for pid, what in left:
        if not pid:
            shutil.rmtree(what, ignore_errors=True)
            continue
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def report(config: pytest.Config, left: list[Leftover]) -> None:
    """Add an error to pytest's summary."""
    lines = [f"process {pid}: {what}" if pid else what for pid, what in left]
    error = pytest.TestReport(
        nodeid="after the last test",
        location=("tests/conftest.py", None, "left behind"),
        keywords={},
        outcome="failed",
        longrepr="\n".join(["Left behind by the tests:", *lines]),
        when="teardown",
    )
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.stats.setdefault("error", []).append(error)


def _lineage() -> set[int]:
    """This process and those that it descends from."""
    pids, pid = set(), os.getpid()
    while pid > 0:
        pids.add(pid)
        status = Path(f"/proc/{pid}/stat").read_text()
        pid = int(status.rpartition(")")[2].split()[1])
    return pids

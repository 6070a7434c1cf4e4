"""What a test session started and that outlives it: there must be nothing.

Processes inherit the session's mark in their environment, so another batchio of the same
user, or another session, is never mistaken for ours. An agent's folder below /var/tmp has no
mark: one that is newer than the session, and that nobody lives in, counts.
"""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import pytest

MARK: Final = "PYTEST_BATCHIO_SESSION"
HOMES: Final = Path(f"/var/tmp/batchio-{os.getuid()}")
PATIENCE_S: Final = 10.0
"""An agent that was told to go may still be removing its files."""


class Leftover(NamedTuple):
    """A process that should have ended, or with pid 0 a folder that should be gone."""

    pid: int
    what: str


def find(mark: str, since: float) -> list[Leftover]:
    """Every process with this mark, ours and its parents excepted, and every dead home.

    Args:
        since: Unix seconds; older homes are somebody else's.
    """
    found, ours = list[Leftover](), _lineage()
    inhabited: set[bytes] = set()
    wanted = f"{MARK}={mark}".encode()
    for folder, environ in _environments():
        inhabited.update(word for word in environ if word.startswith(b"BATCHIO_AGENT="))
        if wanted in environ and int(folder.name) not in ours:
            with suppress(OSError):  # it has just ended
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found.append(Leftover(int(folder.name), os.fsdecode(words).strip()))
    with suppress(FileNotFoundError):
        for home in HOMES.iterdir():
            dead = b"BATCHIO_AGENT=" + os.fsencode(home) not in inhabited
            if dead and home.stat().st_ctime > since:
                found.append(Leftover(0, str(home)))
    return found


def wait_until_gone(mark: str, since: float, patience_s: float = PATIENCE_S) -> list[Leftover]:
    """What is still there when the patience is over; empty as soon as nothing is."""
    deadline = time.monotonic() + patience_s
    left = set(find(mark, since))
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left &= set(find(mark, since))  # what appears only now is another session's
    return sorted(left)


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


def _environments() -> Iterator[tuple[Path, list[bytes]]]:
    """Each process's folder in /proc and its environment, of those that we may look at."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield folder, (folder / "environ").read_bytes().split(b"\0")


def _lineage() -> set[int]:
    """This process and those that it descends from."""
    pids, pid = set(), os.getpid()
    while pid > 0:
        pids.add(pid)
        status = Path(f"/proc/{pid}/stat").read_text()
        pid = int(status.rpartition(")")[2].split()[1])
    return pids

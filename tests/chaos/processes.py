"""Processes of this computer, and of hosts of the lab, seen from outside."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Process(NamedTuple):
    """One that runs, or is stopped: never a zombie."""

    pid: int
    words: str
    """Its command line."""
    environ: frozenset[bytes]
    """`NAME=VALUE` each."""
    inside: int
    """Its number in its own namespace."""
    namespace: str


def running() -> Iterator[Process]:
    """Yield every process but this one that can be looked at."""
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        with suppress(OSError, StopIteration):
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if state in "ZX":
                continue
            numbers = next(
                line for line in (folder / "status").read_text().splitlines() if "NSpid" in line
            )
            yield Process(
                int(folder.name),
                (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"),
                frozenset((folder / "environ").read_bytes().split(b"\0")),
                int(numbers.split()[-1]),
                os.readlink(folder / "ns/pid"),
            )


def belongs(process: Process, job: str) -> bool:
    """Return whether a process is of this job, by its command line or its environment."""
    named = job.encode()
    return job in process.words or any(named in word for word in process.environ)


def send(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal, unless the process has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def send_all(pids: Iterable[int], number: int = signal.SIGKILL) -> None:
    """Send a signal to each, in this order."""
    for pid in pids:
        send(pid, number)

"""Where jobs run: what faults can reach there, what the tasks wrote, what may be left behind."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from tests.chaos import processes
from tests.chaos.story import Entry
from tests.house.leftovers import HOMES, PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.chaos.processes import Process

MARK: Final = "CHAOS_MARK"


class Place(Protocol):
    """A place for jobs, one after the other."""

    name: str

    def prepare(self, folder: Path, mark: str) -> None:
        """Make it ready for a job whose own folder and mark these are."""

    def options(self) -> Sequence[str]:
        """Return what `batchio run` is told."""

    def agents(self, job: str) -> list[Process]:
        """Return the job's agents."""

    def tasks(self, job: str) -> list[Process]:
        """Return the processes of its tasks."""

    def diary(self) -> list[Entry]:
        """Return what the tasks wrote."""

    def repair(self) -> None:
        """End every fault of hosts and networks."""

    def left(self, job: str) -> list[str]:
        """Return what should be gone from the nodes: of the job, or with "" of nobody."""

    def clean(self, job: str) -> None:
        """Take that away."""


class Here:
    """This computer."""

    name = "local"

    def prepare(self, folder: Path, mark: str) -> None:
        self._place = folder / "place"
        self._mark = f"{MARK}={mark}".encode()
        (folder / "tmp").mkdir()
        self._tmp = folder / "tmp"

    def options(self) -> Sequence[str]:
        return ["--env", f"CHAOS_PLACE={self._place}"]

    def agents(self, job: str) -> list[Process]:
        return [one for one in self._ours() if f" up {job}." in one.words]

    def tasks(self, job: str) -> list[Process]:
        return [one for one in self._ours() if b"BATCHIO_JOB_ID=" + job.encode() in one.environ]

    def diary(self) -> list[Entry]:
        return read_diary("here", self._place / "diary")

    def repair(self) -> None:
        pass

    def left(self, job: str) -> list[str]:
        words = [f"process {one.pid}: {one.words}" for one in self._ours()]
        if job:
            words += [str(home) for home in HOMES.glob(f"{job}.*")]
        return words + [str(path) for path in self._tmp.iterdir()]

    def clean(self, job: str) -> None:
        for one in self._ours():
            processes.send(one.pid)
        for home in HOMES.glob(f"{job}.*") if job else ():
            shutil.rmtree(home, ignore_errors=True)

    def _ours(self) -> Iterator[Process]:
        return (one for one in processes.running() if self._mark in one.environ)


def read_diary(host: str, path: Path) -> list[Entry]:
    """Read a diary; one that nobody wrote is empty."""
    entries = []
    with suppress(FileNotFoundError):
        for line in path.read_text().splitlines():
            what, task, attempt, at = line.split()
            entries.append(Entry(host, what, int(task), int(attempt), float(at)))
    return entries


def wait_until_clean(place: Place, job: str) -> list[str]:
    """Return what is left when the patience is over; empty as soon as nothing is."""
    give_up = time.monotonic() + PATIENCE_S
    while (left := place.left(job)) and time.monotonic() < give_up:
        time.sleep(0.1)
    return left


def agent_pid(home: Path) -> int:
    """Return the number that an agent has on its own node; 0: nobody tells."""
    try:
        return int(json.loads((home / "agent.json").read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return 0

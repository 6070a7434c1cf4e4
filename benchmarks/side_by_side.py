"""What every benchmark here does: measure in turn, compare within the round, print a table.

The computer may be busy with other things. So nothing is compared across runs: contestants
run one after the other in every round, each ratio is of one round, and what is printed is the
median of those ratios, with the load average beside it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from batchio.stores.folder import FolderWorkspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT: Final = Path(__file__).parents[1]
BATCHIO: Final = str(Path(sys.executable).with_name("batchio"))

_PR_SET_CHILD_SUBREAPER: Final = 36  # linux/prctl.h

T = TypeVar("T")


class Spent(float):
    """Wall seconds until a program ended, and in `cpu` its user and system seconds."""

    cpu: float = 0.0


def spent(command: Sequence[str | Path], **options: Any) -> Spent:
    """Run a program, unseen; it must succeed.

    Its CPU time holds that of all it started, heads and agents too: they become our
    children when they are nobody's, and are waited for before this returns.
    """
    unseen = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def whole() -> Spent:
        began = time.perf_counter()
        subprocess.run(command, check=True, **unseen | options)
        return Spent(time.perf_counter() - began)

    return with_cpu(whole)


def first_line(command: Sequence[str | Path]) -> Spent:
    """Run a program; seconds until its first line on stdout, and the CPU time of all of it."""

    def begun() -> Spent:
        began = time.perf_counter()
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        with subprocess.Popen(command, stdout=pipe, stderr=nowhere) as program:
            assert program.stdout is not None
            assert program.stdout.readline(), "it printed nothing"
            return Spent(time.perf_counter() - began)

    return with_cpu(begun)


def with_cpu(work: Callable[[], Spent]) -> Spent:
    """Do it, and wait for all that it started, whoever that belongs to now."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    others, before = _children(), _used()
    took = work()
    while new := _children() - others:
        for pid in new:
            os.waitpid(pid, 0)
    took.cpu = _used() - before
    return took


def _children() -> set[int]:
    """Processes that we should wait for."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(pid) for found in lists for pid in found.read_text().split()}


def _used() -> float:
    """CPU seconds of all that was waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_turn(contestants: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Every contestant once a round; another one begins each time."""
    names = list(contestants)
    found: dict[str, list[T]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(contestants[name]())
            print(f"  round {turn + 1}  {name:<34} {found[name][-1]}", file=sys.stderr)
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


class Table:
    """What was measured, what was wanted, and whether that was met."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._load = os.getloadavg()[0]
        self._rows = [("measured", "value", "wanted", "")]
        self.missed = 0

    def add(self, what: str, value: str) -> None:
        """Something to know, with no target."""
        self._rows.append((what, value, "", ""))

    def most(self, what: str, value: float, limit: float, unit: str = "", more: str = "") -> None:
        """Something that shall be at most `limit`."""
        self._judge(what, value, f"<= {limit:,g}{unit}", f"{unit}{more}", met=value <= limit)

    def least(self, what: str, value: float, limit: float, unit: str = "", more: str = "") -> None:
        """Something that shall be at least `limit`."""
        self._judge(what, value, f">= {limit:,g}{unit}", f"{unit}{more}", met=value >= limit)

    def _judge(self, what: str, value: float, wanted: str, unit: str, *, met: bool) -> None:
        self.missed += not met
        shown = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
        self._rows.append((what, f"{shown}{unit}", wanted, "met" if met else "MISSED"))

    def show(self) -> None:
        """Print all of it, for people and for the page of results."""
        wide = [max(len(row[at]) for row in self._rows) for at in range(4)]
        load = f"load average {self._load:.1f} before, {os.getloadavg()[0]:.1f} after"
        print(f"\n{self._title} ({time.strftime('%Y-%m-%d %H:%M')}, {load})")
        for number, row in enumerate(self._rows):
            print(
                "| "
                + " | ".join(text.ljust(size) for text, size in zip(row, wide, strict=True))
                + " |"
            )
            if number == 0:
                print("|" + "|".join("-" * (size + 2) for size in wide) + "|")
        sys.stdout.flush()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder, and in the environment a workspace in it; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="batchio-bench-", ignore_cleanup_errors=True) as name:
        os.environ["BATCHIO_WORKSPACE"] = f"{name}/workspace"
        yield Path(name)


def here() -> FolderWorkspace:
    """The workspace that `scratch` made, or somebody named since."""
    return FolderWorkspace(os.environ["BATCHIO_WORKSPACE"])


def options(doc: str | None, **defaults: int) -> argparse.Namespace:
    """Sizes from the command line: `--tasks 10000`; each has a default."""
    lines = (doc or "").splitlines()
    parser = argparse.ArgumentParser(description=lines[0] if lines else "")
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    return parser.parse_args()


def peak_mb(pid: int) -> float:
    """The most memory that a process has had so far, in MB (10^6 bytes); 0: there is none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    peaks = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(next(peaks, "VmHWM: 0 kB").split()[1]) * 1024 / 1e6

"""All benchmarks in short sizes, a few minutes: `make bench`; `python -m benchmarks --full`.

A table each, with what was wanted and whether it was met. Those over SSH need root and the
tests' lab. On a computer that is busy otherwise, believe the ratios and the CPU seconds only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final, NamedTuple


class Benchmark(NamedTuple):
    """A module of this package, and the arguments that make it smaller.

    Attributes:
        short: For a look, a minute at most.
        tiny: For the tests, which only ask whether it runs.
        root: Whether it needs root, for hosts of the tests' lab.
    """

    name: str
    short: str
    tiny: str
    root: bool = False


BENCHMARKS: Final = (
    Benchmark("startup", "--rounds 5", "--rounds 1 --tasks 50"),
    Benchmark("live", "--rounds 3", "--tasks 50 --nodes 5 --rounds 1"),
    Benchmark("dashboard", "--tasks 100000", "--tasks 200"),
    Benchmark("report", "--rounds 2", "--tasks 200 --nodes 5 --rounds 1"),
    Benchmark("listing", "--rounds 3", "--jobs 5 --rounds 1"),
    Benchmark(
        "bucket",
        "--tasks 300 --long 500 --rounds 2",
        "--tasks 4 --long 10 --jobs 5 --rounds 1",
    ),
    Benchmark("local", "--tasks 3000 --rounds 2", "--tasks 10 --rounds 1 --peers 0"),
    Benchmark("agent_spawn", "--tasks 3000 --rounds 2", "--tasks 10 --rounds 1"),
    Benchmark("machine", "--most 100000", "--most 1000"),
    Benchmark("engine", "--most 100000 --rounds 2", "--most 1000 --nodes 10 --rounds 1"),
    Benchmark("environment", "--rounds 2", "--packages 2 --rounds 1"),
    Benchmark("output", "--mb 200", "--mb 1 --ssh 0"),
    Benchmark(
        "ssh",
        "--nodes 40 --few 10 --tasks 1000 --many 0 --rounds 1",
        "--nodes 2 --few 1 --tasks 4 --many 2 --rounds 1",
        root=True,
    ),
    Benchmark(
        "upload", "--mb 200 --files 2000 --rounds 2", "--mb 1 --files 3 --rounds 1", root=True
    ),
)


def main() -> int:
    """Run each in a process of its own; returns 1 when one of them breaks."""
    full = sys.argv[1:] == ["--full"]
    broken = 0
    for one in BENCHMARKS:
        if one.root and os.geteuid() != 0:
            print(f"{one.name} is left out: it needs root", file=sys.stderr)
            continue
        sizes = [] if full else one.short.split()
        command = [sys.executable, "-m", f"benchmarks.{one.name}", *sizes]
        broken += subprocess.run(command, check=False).returncode != 0
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())

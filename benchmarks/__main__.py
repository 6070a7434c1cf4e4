"""All benchmarks in short sizes, a few minutes: `make bench`; `python -m benchmarks --full`.

A table each, with what was wanted and whether it was met. Those over SSH need root and the
tests' lab. On a computer that is busy otherwise, believe the ratios and the CPU seconds only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

SHORT: Final = {
    "startup": ["--rounds", "5"],
    "local": ["--tasks", "3000", "--rounds", "2"],
    "engine": ["--most", "100000", "--rounds", "2"],
    "output": ["--mb", "200"],
    "ssh": ["--nodes", "40", "--few", "10", "--tasks", "1000", "--many", "0", "--rounds", "1"],
    "upload": ["--mb", "200", "--files", "2000", "--rounds", "2"],
}
"""Names and the arguments that make them short."""

ROOTS: Final = ("ssh", "upload")


def main() -> int:
    full = sys.argv[1:] == ["--full"]
    broken = 0
    for name, short in SHORT.items():
        if name in ROOTS and os.geteuid() != 0:
            print(f"{name} is left out: it needs root", file=sys.stderr)
            continue
        command = [sys.executable, "-m", f"benchmarks.{name}", *([] if full else short)]
        broken += subprocess.run(command, check=False).returncode != 0
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())

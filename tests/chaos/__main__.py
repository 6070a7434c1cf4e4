"""`make chaos`: real jobs with everything thrown at them, and a judge that counts for itself."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos import faults, report
from tests.chaos.campaign import Verdict, play
from tests.chaos.places import Here
from tests.testbed.client import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.faults import Fault
    from tests.chaos.places import Place


def main() -> int:
    """Run a campaign; return 1 when it found anything."""
    told = _parser().parse_args()
    seed = random.randrange(10**6) if told.seed is None else told.seed
    keep = told.keep or Path(tempfile.mkdtemp(prefix="batchio-chaos-", dir="/var/tmp"))
    print(f"seed {seed}; jobs that fail are kept in {keep}", flush=True)
    names = ["local", "ssh"] if told.place == "both" else [told.place]
    if reason := missing() if "ssh" in names else "":
        print(f"no hosts over SSH: {reason}", file=sys.stderr)
        names.remove("ssh")
    verdicts: list[Verdict] = []
    for name in names:
        with ExitStack() as stack:
            place, table = _place(name, seed, stack)
            verdicts += _campaign(place, table, seed, keep / name, told)
    print(report.of_all(verdicts))
    return int(not verdicts or any(verdict.findings for verdict in verdicts))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    add = parser.add_argument
    add("--faults", type=int, default=1000, help="how many to inject at each place")
    add("--seed", type=int, help="the same jobs and faults again; default: by chance, printed")
    add("--place", choices=["local", "ssh", "both"], default="both")
    add("--job", type=int, help="only this job of the seed")
    add("--seconds", type=float, default=float("inf"), help="at most so long at each place")
    add("--keep", type=Path, help="folder for jobs that fail; default: a new one in /var/tmp")
    return parser


def _place(name: str, seed: int, stack: ExitStack) -> tuple[Place, Sequence[Fault]]:
    if name == "local":
        return Here(), faults.ANYWHERE
    from tests.chaos import hosts

    return stack.enter_context(hosts.lab(seed)), (*faults.ANYWHERE, *hosts.OVER_SSH)


def _campaign(
    place: Place, table: Sequence[Fault], seed: int, keep: Path, told: argparse.Namespace
) -> list[Verdict]:
    verdicts: list[Verdict] = []
    injected, number = 0, told.job or 0
    give_up = time.monotonic() + told.seconds
    while injected < told.faults and time.monotonic() < give_up:
        verdict = play(seed, number, place, keep / str(number), table)
        print(report.of_job(verdict, keep / str(number)), flush=True)
        verdicts.append(verdict)
        injected += sum(verdict.injected.values())
        number += 1
        if told.job is not None:
            break
    return verdicts


if __name__ == "__main__":
    sys.exit(main())

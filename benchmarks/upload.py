"""Files to one node: a large one against scp, many small ones against scp -r.

    python -m benchmarks.upload [--mb 1000] [--files 10000] [--rounds 3]

As root, on a host of the tests' lab. Ours is a job with --upload that runs `true`: its whole
command line, and of that, for the large file, what lies between the node's being taken and
its greeting: connecting, starting the agent, sending. What comes before that is packing and
hashing; what comes after it, filling the attempt's directory, is given beside it.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchio.core.events import NodeCreated, NodeGreeted
from benchmarks.hosts import hosts
from benchmarks.side_by_side import (
    BATCHIO,
    Spent,
    Table,
    here,
    in_turn,
    options,
    ratio,
    scratch,
    spent,
)

if TYPE_CHECKING:
    from tests.testbed.client import Vm

SMALL: Final = 2048
"""Bytes of a small file."""

_AWAY: Final = ["rm", "-rf", "/var/tmp/upload"]


def main() -> None:
    asked = options(__doc__, mb=1000, files=10_000, rounds=3)
    table = Table("files up to one node")
    with scratch() as folder, hosts(folder, 1) as [vm]:
        large, many = folder / "large", folder / "many"
        with large.open("wb") as file:
            for _ in range(asked.mb):
                file.write(os.urandom(1_000_000))
        for number in range(asked.files):
            place = many / str(number // 1000) / f"{number}.dat"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(os.urandom(SMALL))
        one_large(table, vm, large, asked.mb, asked.rounds)
        many_small(table, vm, many, asked.files, asked.rounds)
    table.show()


def one_large(table: Table, vm: Vm, large: Path, mb: int, rounds: int) -> None:
    """How fast bytes go."""
    sent: list[float] = []

    def job() -> Spent:
        took = upload(vm, large)
        sent.append(on_the_way())
        return took

    found = in_turn({"batchio": job, "scp": lambda: scp(vm, large)}, rounds)
    table.add(f"{mb:,} MB, scp: MB/s, best round", f"{mb / min(found['scp']):.0f}")
    table.add(f"{mb:,} MB, batchio, sent: MB/s, best round", f"{mb / min(sent):.0f}")
    what = f"{mb:,} MB sent: speed of batchio / scp"
    table.least(what, ratio(found["scp"], sent), 0.8, " x")
    what = f"{mb:,} MB, the whole command line: speed of batchio / scp"
    table.add(what, f"{ratio(found['scp'], found['batchio']):.2f} x")


def many_small(table: Table, vm: Vm, many: Path, count: int, rounds: int) -> None:
    """How fast files go."""
    found = in_turn({"batchio": lambda: upload(vm, many), "scp -r": lambda: scp(vm, many)}, rounds)
    for name, took in found.items():
        table.add(f"{count:,} small files, {name}: s, best round", f"{min(took):.2f}")
    what = f"{count:,} small files, whole command lines: scp -r / batchio"
    table.least(what, ratio(found["scp -r"], found["batchio"]), 5, " x")


def upload(vm: Vm, path: Path) -> Spent:
    """The whole command line of a job that sends `path`; its folder goes afterwards."""
    workspace = here()
    for job in workspace.jobs():
        workspace.remove(job)
    where = ["--provider", "ssh", "--hosts", vm.name]
    return spent([BATCHIO, "run", "--wait", *where, "--upload", path, "--", "true"])


def on_the_way() -> float:
    """Seconds of the newest job between taking its node and its greeting."""
    workspace = here()
    with closing(workspace.job(workspace.jobs()[0]).reader()) as reader:
        events = [event for _, event in reader.events()]
    taken = next(event.at for event in events if isinstance(event, NodeCreated))
    return next(event.at for event in events if isinstance(event, NodeGreeted)) - taken


def scp(vm: Vm, path: Path) -> Spent:
    """The same by OpenSSH's own program."""
    config = ["-F", str(Path.home() / ".ssh" / "config"), "-o", "LogLevel=ERROR"]
    spent(["ssh", *config, vm.name, *_AWAY])
    return spent(["scp", *config, "-r", "-q", path, f"{vm.name}:/var/tmp/upload"])


if __name__ == "__main__":
    main()

"""10,000 x /bin/true on two slots of this computer, against the floor and the peers.

    python -m benchmarks.local [--tasks 10000] [--rounds 3] [--peers 1]

Ours is the whole command line: job made, head and agent started, output captured, every
result journaled and synced, everything given back. `spawn.c` is what the system itself asks
for; xargs keeps nothing; GNU parallel and HyperQueue capture output as we do. HyperQueue's
server and worker are up before its clock starts. GNU parallel gets a tenth of the tasks, and
counts by the task.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.side_by_side import (
    BATCHIO,
    ROOT,
    Spent,
    Table,
    in_turn,
    options,
    ratio,
    scratch,
    spent,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FLOOR: Final = "posix_spawn in C"
LIMITS: Final = {
    FLOOR: 1.3,
    "xargs -P2 -n1": 1.0,
    "GNU parallel": 0.3,
    "HyperQueue": 0.7,
}

_HYPERQUEUE: Final = """
import sys, time
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig
with LocalCluster() as cluster:
    cluster.start_worker(WorkerConfig(cores=2))
    client = cluster.client()
    time.sleep(1)
    job = Job()
    began = time.perf_counter()
    for _ in range(int(sys.argv[1])):
        job.program(["/bin/true"])
    client.wait_for_jobs([client.submit(job)])
    print(time.perf_counter() - began)
"""


def main() -> None:
    asked = options(__doc__, tasks=10_000, rounds=3, peers=1)
    count = asked.tasks
    with scratch() as folder:
        table = Table(f"{count:,} x /bin/true, two at a time")
        found = in_turn(contestants(folder, count, peers=bool(asked.peers)), asked.rounds)
        for name, took in found.items():
            own = min(one.cpu for one in took) / count * 1e3
            cpu = f"  (CPU {own:.2f})" if own else ""
            table.add(f"{name}: ms a task, best round", f"{min(took) / count * 1e3:.2f}{cpu}")
        for name, limit in LIMITS.items():
            if name in found:
                table.most(f"batchio / {name}", ratio(found["batchio"], found[name]), limit, " x")
        ours, floor = ([one.cpu for one in found[name]] for name in ("batchio", FLOOR))
        table.add(
            "the same in CPU seconds, batchio / posix_spawn in C", f"{ratio(ours, floor):.2f} x"
        )
        table.show()


def contestants(folder: Path, count: int, *, peers: bool) -> dict[str, Callable[[], Spent]]:
    """Us, the floors, and the peers that are there."""
    spawn, few = folder / "spawn", max(count // 10, 1)
    subprocess.run(["cc", "-O2", "-o", spawn, ROOT / "benchmarks/spawn.c"], check=True)
    ours = [BATCHIO, "run", "--wait", "--slots", "2", "--ntasks", str(count), "--", "/bin/true"]
    found = {
        "batchio": lambda: spent(ours),
        FLOOR: lambda: spent([spawn, str(count), "2", "/bin/true"]),
        "xargs -P2 -n1": lambda: fed(["xargs", "-P2", "-n1", "/bin/true"], count, folder),
    }
    if not peers:
        return found
    if shutil.which("parallel"):
        found["GNU parallel"] = lambda: scaled(
            fed(["parallel", "-j2", "/bin/true"], few, folder), count / few
        )
    else:
        print("GNU parallel is left out: apt-get install parallel", file=sys.stderr)
    python = hyperqueue()
    return {**found, "HyperQueue": lambda: queued(python, count, folder)}


def fed(command: list[str], count: int, folder: Path) -> Spent:
    """A program that takes a task from each line of its stdin."""
    lines = folder / f"lines-{count}"
    lines.write_text("".join(f"{number}\n" for number in range(count)))
    with lines.open() as stdin:
        return spent(command, stdin=stdin)


def scaled(took: Spent, times: float) -> Spent:
    """As if there had been so many times more to do."""
    whole = Spent(took * times)
    whole.cpu = took.cpu * times
    return whole


def hyperqueue() -> str:
    """A Python that has HyperQueue, in a venv of its own that is kept for the next time."""
    home = Path(tempfile.gettempdir(), f"batchio-bench-peers-{os.getuid()}")
    python = home / "bin" / "python"
    if not list(home.glob("lib/*/site-packages/hyperqueue")):
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "-q", "install", "hyperqueue"], check=True)
    return str(python)


def queued(python: str, count: int, folder: Path) -> Spent:
    """HyperQueue, by its own clock: from making the job to its end."""
    done = subprocess.run(
        [python, "-c", _HYPERQUEUE, str(count)],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
    )
    shutil.rmtree(folder / "job-1", ignore_errors=True)
    return Spent(done.stdout.split()[-1])


if __name__ == "__main__":
    main()

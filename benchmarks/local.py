"""10,000 x /bin/true on two slots of this computer, against the floor and the peers.

    python -m benchmarks.local [--tasks 10000] [--rounds 3] [--peers 1]

Ours is the whole command line: job made, head and agent started, output captured, every
result journaled and synced, everything given back. `spawn.c` is what the system itself asks
for; xargs keeps nothing; GNU parallel and HyperQueue capture output as we do. HyperQueue's
server and worker are up before its clock starts. GNU parallel gets a fifth of the tasks, and
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
from typing import Final

from benchmarks.side_by_side import BATCHIO, ROOT, Table, in_turn, options, ratio, scratch, words

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


def hyperqueue() -> str:
    """A Python that has HyperQueue, in a venv of its own that is kept for the next time."""
    home = Path(tempfile.gettempdir(), f"batchio-bench-peers-{os.getuid()}")
    python = home / "bin" / "python"
    if not list(home.glob("lib/*/site-packages/hyperqueue")):
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "-q", "install", "hyperqueue"], check=True)
    return str(python)


def main() -> None:
    asked = options(__doc__, tasks=10_000, rounds=3, peers=1)
    count = str(asked.tasks)
    with scratch() as folder:
        spawn = str(folder / "spawn")
        subprocess.run(["cc", "-O2", "-o", spawn, ROOT / "benchmarks/spawn.c"], check=True)
        numbers = folder / "numbers"
        numbers.write_text("".join(f"{n}\n" for n in range(asked.tasks)))
        fifth = folder / "fifth"
        fifth.write_text("".join(f"{n}\n" for n in range(max(asked.tasks // 5, 1))))

        def ours() -> float:
            return words([BATCHIO, "run", "--wait", "--slots", "2", "--ntasks", count, "--", "/bin/true"])

        def xargs() -> float:
            with numbers.open() as stdin:
                return words(["xargs", "-P2", "-n1", "/bin/true"], stdin=stdin)

        def parallel() -> float:
            with fifth.open() as stdin:
                return 5 * words(["parallel", "-j2", "/bin/true"], stdin=stdin)

        def queue() -> float:
            done = subprocess.run(
                [python, "-c", _HYPERQUEUE, count], check=True, capture_output=True, text=True, cwd=folder
            )
            shutil.rmtree(folder / "job-1", ignore_errors=True)
            return float(done.stdout.split()[-1])

        contestants = {
            "batchio": ours,
            "posix_spawn in C": lambda: words([spawn, count, "2", "/bin/true"]),
            "xargs -P2 -n1": xargs,
        }
        if asked.peers and shutil.which("parallel"):
            contestants["GNU parallel"] = parallel
        elif asked.peers:
            print("GNU parallel is left out: apt-get install parallel", file=sys.stderr)
        if asked.peers:
            python = hyperqueue()
            contestants["HyperQueue"] = queue
        table = Table(f"{count} x /bin/true, two at a time")
        found = in_turn(contestants, asked.rounds)
        for name, seconds in found.items():
            table.add(f"{name}, ms a task, best", f"{min(seconds) / asked.tasks * 1e3:.2f}")
        limits = {"posix_spawn in C": 1.3, "xargs -P2 -n1": 1.0, "GNU parallel": 0.3, "HyperQueue": 0.7}
        for name, limit in limits.items():
            if name in found:
                table.most(f"batchio / {name}", ratio(found["batchio"], found[name]), limit, " x")
        table.show()


if __name__ == "__main__":
    main()

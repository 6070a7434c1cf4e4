"""A task that prints 1 GB: does its log come back whole, how fast, and in how much memory.

    python -m benchmarks.output [--mb 1000] [--ssh 1]

On this computer, where the agent writes the log itself, and (as root) on a host of the test
bed, from where the head pulls it. Peaks are VmHWM of head and agent, looked at until they end.
Beside it stands what `PROGRAM | cat > file` takes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from batchio.stores import logs
from batchio.stores.folder import FolderWorkspace
from benchmarks.hosts import hosts, names
from benchmarks.side_by_side import BATCHIO, Table, options, peak_mb, scratch

_PROGRAM: Final = """
import hashlib, sys
lines = "".join(hashlib.sha256(b"%d" % n).hexdigest() * 3 + "\\n" for n in range(5000))
block, left = (lines * 2)[:1000000].encode(), int(sys.argv[1])
while left:
    sys.stdout.buffer.write(block)
    left -= 1
"""
"""Prints so many MB, in lines of 192 characters."""

LIMIT_MB: Final = 100


class Peaks(threading.Thread):
    """Looks at the memory of a job's head and agent until it is told to stop."""

    def __init__(self, workspace: FolderWorkspace) -> None:
        super().__init__(daemon=True)
        self.mb = {"head": 0.0, "agent": 0.0}
        self._workspace = workspace
        self._over = threading.Event()

    def run(self) -> None:
        """Every 20 ms; the kernel keeps the peak, so only the last moments can be missed."""
        job, agent = "", 0
        while not self._over.wait(0.02):
            job = job or next(iter(self._workspace.jobs()), "")
            if not job:
                continue
            if not peak_mb(agent):  # not yet, or it was only the one that starts the agent
                agent = _agent(job)
            head = self._workspace.job(job).leader()
            for who, pid in (("head", head.pid if head else 0), ("agent", agent)):
                self.mb[who] = max(self.mb[who], peak_mb(pid))

    def stop(self) -> None:
        """No more."""
        self._over.set()
        self.join()


def _agent(job: str) -> int:
    """The agent of a job's first node; processes of the lab's hosts are seen here too."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            argv = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(f"/{job}.0".encode()) for word in argv) and b"up" in argv:
            return int(folder.name)
    return 0


def printed(table: Table, folder: Path, mb: int, what: str, *where: str) -> None:
    """Run the program as a task, and look whether all of it is there."""
    root = folder / what.replace(" ", "-")
    os.environ["BATCHIO_WORKSPACE"] = str(root)
    workspace = FolderWorkspace(root)
    expected, plain = _piped(folder, mb)
    peaks = Peaks(workspace)
    peaks.start()
    began = time.perf_counter()
    command = [BATCHIO, "run", "--wait", *where, "--", "python3", "-c", _PROGRAM, str(mb)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - began
    peaks.stop()
    digest, place = hashlib.sha256(), workspace.job(workspace.jobs()[0]).logs()
    began = time.perf_counter()
    for piece in logs.node_printed(place, logs.RAW, 0):
        digest.update(piece.data)
    read = time.perf_counter() - began
    assert digest.hexdigest() == expected, f"{what}: the log is not what was printed"
    for who, peak in peaks.mb.items():
        table.most(f"{what}: peak memory of the {who}", peak, LIMIT_MB, " MB")
    table.add(
        f"{what}: MB/s; the same through a pipe to a file",
        f"{mb / wall:.0f}; {mb / plain:.0f} ({plain / wall:.2f} x)",
    )
    table.add(f"{what}: MB/s when it is read back", f"{mb / read:.0f}")


def _piped(folder: Path, mb: int) -> tuple[str, float]:
    """The program's sha256, and seconds for it through `cat` into a file."""
    target = folder / "plain"
    began = time.perf_counter()
    pipe = ["/bin/sh", "-c", 'python3 -c "$1" "$2" | cat > "$3"', "sh", _PROGRAM, str(mb)]
    subprocess.run([*pipe, str(target)], check=True)
    took = time.perf_counter() - began
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    target.unlink()
    return digest, took


def main() -> None:
    asked = options(__doc__, mb=1000, ssh=int(os.geteuid() == 0))
    with scratch() as folder:
        table = Table(f"a task that prints {asked.mb:,} MB")
        printed(table, folder, asked.mb, "here")
        if asked.ssh:
            with hosts(folder, 1) as vms:
                printed(
                    table, folder, asked.mb, "over SSH", "--provider", "ssh", "--hosts", names(vms)
                )
        else:
            print("over SSH is left out: it needs root", file=sys.stderr)
        table.show()


if __name__ == "__main__":
    main()

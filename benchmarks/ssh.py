"""Many real SSH hosts: connecting to them, many short tasks on them, a thousand of them.

    python -m benchmarks.ssh [--nodes 200] [--few 20] [--tasks 2000] [--many 1000] [--rounds 3]

As root, on the tests' own lab, whose hosts share this computer's cores with us. Everything
starts on hosts that have nothing of ours. `--many 0` leaves out the thousand.

- Connecting: from the head's start, through `import asyncssh`, to the last greeting of an
  agent; bare is asyncssh that imports, connects as often at once, and runs `true` once a host.
- Short tasks: the whole command lines. GNU parallel gets a twentieth of the tasks, two at a
  time on each host, and counts by the task; asyncssh keeps its connections open for all tasks.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchio.core.events import HeadStarted, NodeGreeted
from batchio.stores.folder import FolderWorkspace
from benchmarks.hosts import hosts, names
from benchmarks.output import Peaks
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

_BARE: Final = """
import time; began = time.perf_counter()
import asyncio, json, sys
import asyncssh
from batchio.transports._ssh_connect import HANDSHAKES

async def main(known, each, at_once, *hosts):
    gate = asyncio.Semaphore(HANDSHAKES)
    if "key" in known:
        known["client_keys"] = [asyncssh.read_private_key(known.pop("key"))]
        known["known_hosts"] = asyncssh.read_known_hosts(known["known_hosts"])
    async def work(host):
        async with gate:
            connection = await asyncssh.connect(host, **known)
        async with connection:
            places = asyncio.Semaphore(at_once)
            async def one():
                async with places:
                    await connection.run("true", check=True)
            await asyncio.gather(*(one() for _ in range(each)))
    await asyncio.gather(*map(work, hosts))

known, each, at_once, *hosts = sys.argv[1:]
asyncio.run(main(json.loads(known), int(each), int(at_once), *hosts))
print(time.perf_counter() - began)
"""
"""Bare asyncssh: connect to each host, and run `true` so many times there, some at once."""

SLOTS: Final = 2


def bare(vms: list[Vm], each: int, *, told: bool = False) -> Spent:
    """Seconds of bare asyncssh, by its own clock.

    It reads the user's configuration, as ssh and batchio do; or it is told addresses and keys.
    """
    config = Path.home() / ".ssh" / "config"
    known: dict[str, object] = {"config": [str(config)]}
    if told:
        words = config.read_text().split()
        key, hosts_file = (
            words[words.index(name) + 1] for name in ("IdentityFile", "UserKnownHostsFile")
        )
        known = {"config": None, "username": "root", "key": key, "known_hosts": hosts_file}
        known["agent_path"] = None
    places = [vm.ip if told else vm.name for vm in vms]
    command = [sys.executable, "-c", _BARE, json.dumps(known), str(each), str(SLOTS), *places]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Spent(done.stdout)


def job(vms: list[Vm], tasks: int, *more: str) -> Spent:
    """The whole command line of a job."""
    command = [BATCHIO, "run", "--wait", "--provider", "ssh", "--hosts", names(vms)]
    return spent([*command, "--slots", str(SLOTS), "--ntasks", str(tasks), *more, "--", "true"])


def greeted(vms: list[Vm]) -> Spent:
    """Seconds from the head's start until the last node greeted."""
    job(vms, SLOTS * len(vms), "--wait-for-ready-cluster")  # fewer tasks would need fewer nodes
    workspace = here()
    with closing(workspace.job(workspace.jobs()[0]).reader()) as reader:
        events = [event for _, event in reader.events()]
    began = next(event.at for event in events if isinstance(event, HeadStarted))
    heard = [event.at for event in events if isinstance(event, NodeGreeted)]
    assert len(heard) == len(vms)
    return Spent(max(heard) - began)


def parallel(vms: list[Vm], tasks: int) -> Spent:
    """GNU parallel over ssh, with a twentieth of the tasks, as if it had had all of them."""
    few = max(tasks // 20, 1)
    logins = ",".join(f"{SLOTS}/{vm.name}" for vm in vms)
    config = Path.home() / ".ssh" / "config"
    settings = {**os.environ, "PARALLEL_SSH": f"ssh -F {config} -o LogLevel=ERROR"}
    command = ["parallel", "--will-cite", "-n0", "--sshlogin", logins, "true", ":::"]
    took = spent([*command, *map(str, range(few))], env=settings)
    return Spent(took * tasks / few)


def main() -> None:
    asked = options(__doc__, nodes=200, few=20, tasks=2000, many=1000, rounds=3)
    table = Table("real SSH hosts on this computer")
    with scratch() as folder:
        with hosts(folder, asked.nodes) as vms:
            connecting(table, vms, asked.rounds)
            short_tasks(table, vms[: asked.few], asked.tasks, asked.rounds)
        if asked.many:
            shutil.rmtree(folder / "home")
            with hosts(folder, asked.many) as vms:
                thousand(table, vms, folder)
    table.show()


def connecting(table: Table, vms: list[Vm], rounds: int) -> None:
    """How long until all nodes are there."""
    contestants = {
        "batchio": lambda: greeted(vms),
        "bare": lambda: bare(vms, 1),
        "bare, told everything": lambda: bare(vms, 1, told=True),
    }
    found = in_turn(contestants, rounds)
    for name, took in found.items():
        table.add(f"{len(vms)} nodes, {name}: s, best round", f"{min(took):.2f}")
    what = f"{len(vms)} nodes greeted / bare asyncssh connected and ran true"
    table.most(what, ratio(found["batchio"], found["bare"]), 1.3, " x")
    times = ratio(found["batchio"], found["bare, told everything"])
    table.add(f"{what}, if it is told addresses and keys", f"{times:.2f} x")


def short_tasks(table: Table, vms: list[Vm], tasks: int, rounds: int) -> None:
    """Many tasks that take no time."""
    contestants = {
        "batchio": lambda: job(vms, tasks),
        "asyncssh, an exec a task": lambda: bare(vms, tasks // len(vms)),
    }
    if shutil.which("parallel"):
        contestants["parallel --sshlogin"] = lambda: parallel(vms, tasks)
    found = in_turn(contestants, rounds)
    what = f"{tasks:,} x true on {len(vms)} nodes"
    for name, took in found.items():
        table.add(f"{what}, {name}: s, best round", f"{min(took):.2f}")
    for name, least in (("parallel --sshlogin", 10), ("asyncssh, an exec a task", 3)):
        if name in found:
            times = ratio(found[name], found["batchio"])
            table.least(f"{what}: {name} / batchio", times, least, " x")


def thousand(table: Table, vms: list[Vm], folder: Path) -> None:
    """Many nodes under one head, ten tasks for each."""
    root = folder / "many"
    os.environ["BATCHIO_WORKSPACE"] = str(root)
    peaks = Peaks(FolderWorkspace(root))
    peaks.start()
    took = job(vms, 10 * len(vms), "--max-workers", str(len(vms)))
    peaks.stop()
    what = f"{len(vms):,} nodes, {10 * len(vms):,} tasks"
    table.add(f"{what}: all succeeded, in s", f"{took:.1f}")
    table.most(f"{what}: peak memory of the head", peaks.mb["head"], 400, " MB")


if __name__ == "__main__":
    main()

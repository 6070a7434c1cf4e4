"""Hosts of the lab as a place for jobs, and the faults of computers and networks there."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.chaos import processes
from tests.chaos.faults import Fault
from tests.chaos.places import agent_pid, read_diary
from tests.testbed.client import Lab
from tests.testbed.spec import VmSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.chaos.campaign import Attack
    from tests.chaos.faults import Hit
    from tests.chaos.processes import Process
    from tests.chaos.story import Entry
    from tests.testbed.client import Vm

NODE_TIMEOUT_S: Final = 20
"""Of the jobs: a cut longer than this, beyond what it takes to be noticed, loses the node."""
HOMES: Final = "var/tmp/batchio-0"
FILLER: Final = "var/tmp/filler"
_RULES: Final = """
    table inet chaos {{
        chain c {{
            type filter hook {hook} priority 0
            drop
        }}
    }}
"""


class Hosts:
    """Some hosts: one keeps /var/tmp over a reboot, one has it in memory, one has a wrong clock."""

    name = "ssh"

    def __init__(self, lab: Lab, rng: random.Random) -> None:
        ahead = rng.choice([-86_400, -30, 3600])
        self._lab = lab
        self.vms = lab.create(
            VmSpec(), VmSpec(tmpfs={"/var/tmp": "16m"}), VmSpec(clock_offset_s=ahead)
        )

    def prepare(self, folder: Path, mark: str) -> None:
        self._place = f"/chaos/{mark}"
        (folder / "tmp").mkdir()
        self._tmp = folder / "tmp"

    def options(self) -> Sequence[str]:
        names = ",".join(vm.name for vm in self.vms)
        timeout = f"{NODE_TIMEOUT_S}s"
        return [
            "--hosts", names, "--node-timeout", timeout, "--env", f"CHAOS_PLACE={self._place}"
        ]  # fmt: skip

    def agents(self, job: str) -> list[Process]:
        return [
            one
            for vm in self.vms
            for pid in self._agents_of(vm, job)
            for one in self.running(vm)
            if one.inside == pid
        ]

    def tasks(self, job: str) -> list[Process]:
        named = b"BATCHIO_JOB_ID=" + job.encode()
        return [one for vm in self.vms for one in self.running(vm) if named in one.environ]

    def diary(self) -> list[Entry]:
        return [
            entry
            for vm in self.vms
            for entry in read_diary(vm.name, self.disk(vm) / self._place[1:] / "diary")
        ]

    def repair(self) -> None:
        for vm in self.vms:
            if not vm.running:
                vm.boot()
            vm.link(up=True)
            vm.delay(0)
            vm.lose(0)
            self.open(vm)
            (self.root(vm) / FILLER).unlink(missing_ok=True)
        self._lab.wait_ready(*self.vms)

    def left(self, job: str) -> list[str]:
        words = [str(path) for path in self._tmp.iterdir()]
        for vm in self.vms:
            words += [f"{vm.name}: {home.name}" for home in self._homes(vm)]
            words += [
                f"{vm.name}: process {one.pid}: {one.words}"
                for one in self.running(vm)
                if job and processes.belongs(one, job)
            ]
        return words

    def clean(self, job: str) -> None:
        for vm in self.vms:
            for one in self.running(vm):
                if job and processes.belongs(one, job):
                    processes.send(one.pid)
            shutil.rmtree(self.root(vm) / HOMES, ignore_errors=True)

    def running(self, vm: Vm) -> list[Process]:
        """Return the processes of a host; those of a dead one are none."""
        pid = self._lab.state(vm)["pid"]
        if not pid:
            return []
        with suppress(OSError):
            namespace = os.readlink(f"/proc/{pid}/ns/pid")
            return [one for one in processes.running() if one.namespace == namespace]
        return []

    def root(self, vm: Vm) -> Path:
        """Return the files of a host that runs, as it sees them."""
        return Path(f"/proc/{self._lab.state(vm)['pid']}/root")

    def disk(self, vm: Vm) -> Path:
        """Return what a host wrote on its disk, also when it is dead."""
        return self._lab.disk(vm)

    def shut(self, vm: Vm, hook: str) -> None:
        """Lose all that comes in (`input`) or goes out (`output`)."""
        self._nft(vm, _RULES.format(hook=hook))

    def open(self, vm: Vm) -> None:
        """Let everything in and out again."""
        with suppress(subprocess.CalledProcessError):
            self._nft(vm, "delete table inet chaos")

    def _nft(self, vm: Vm, rules: str) -> None:
        pid = self._lab.state(vm)["pid"]
        command = ["nsenter", f"--net=/proc/{pid}/ns/net", "nft", "-f", "-"]
        subprocess.run(command, input=rules, text=True, check=True, capture_output=True)

    def _agents_of(self, vm: Vm, job: str) -> list[int]:
        return [agent_pid(home) for home in self._homes(vm) if home.name.startswith(f"{job}.")]

    def _homes(self, vm: Vm) -> list[Path]:
        if not vm.running:
            return []
        with suppress(OSError):
            return list((self.root(vm) / HOMES).iterdir())
        return []


@contextmanager
def lab(seed: int) -> Iterator[Hosts]:
    """Give hosts of a lab of their own to this thread, and to what it starts."""
    with Lab() as lab, lab.inside(), on(lab, seed) as place:
        yield place


@contextmanager
def on(lab: Lab, seed: int) -> Iterator[Hosts]:
    """Give hosts of this lab, as `ssh NAME` knows them: HOME is one with its configuration."""
    place = Hosts(lab, random.Random(f"{seed}/hosts"))
    before = os.environ["HOME"]
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / ".ssh").mkdir(mode=0o700)
        (Path(home) / ".ssh" / "config").symlink_to(lab.ssh_config_file)
        os.environ["HOME"] = home
        try:
            yield place
        finally:
            os.environ["HOME"] = before
            lab.destroy(*place.vms)


def _hit(attack: Attack) -> tuple[Hosts, Vm]:
    place = attack.place
    assert isinstance(place, Hosts)
    return place, attack.rng.choice(place.vms)


def _cut(attack: Attack) -> Hit:
    _, vm = _hit(attack)
    seconds = attack.seconds(0.2, 12)
    vm.link(up=False)
    attack.later(seconds, lambda: vm.link(up=True))
    return f"{vm.name} for {seconds:.1f} s"


def _cut_one_way(attack: Attack) -> Hit:
    place, vm = _hit(attack)
    if not vm.running:
        return None
    seconds = attack.seconds(0.2, 12)
    hook = attack.rng.choice(["input", "output"])
    place.open(vm)
    place.shut(vm, hook)
    attack.later(seconds, lambda: place.open(vm))
    return f"{hook} of {vm.name} for {seconds:.1f} s"


def _lose_host(attack: Attack) -> Hit:
    place, vm = _hit(attack)
    if not vm.running:
        return None
    seconds = attack.seconds(1, 10)
    place.open(vm)
    vm.kill()
    attack.later(seconds, lambda: None if vm.running else vm.boot())
    return f"{vm.name} for {seconds:.1f} s"


def _reboot(attack: Attack) -> Hit:
    place, vm = _hit(attack)
    if not vm.running:
        return None
    place.open(vm)  # else nobody could see when it is there again
    vm.reboot()
    return vm.name


def _kill_sshd(attack: Attack) -> Hit:
    place, vm = _hit(attack)
    pids = [one.pid for one in place.running(vm) if "sshd" in one.words]
    processes.send_all(pids)
    return f"{len(pids)} on {vm.name}" if pids else None


def _slow(attack: Attack) -> Hit:
    _, vm = _hit(attack)
    seconds = attack.seconds(1, 8)
    percent = attack.rng.choice([5, 20, 40])
    vm.lose(percent)
    attack.later(seconds, lambda: vm.lose(0))
    return f"{percent} % of {vm.name} for {seconds:.1f} s"


def _fill_disk(attack: Attack) -> Hit:
    """Leave no room in /var/tmp of the host that has it in memory."""
    place, _ = _hit(attack)
    vm = place.vms[1]
    if not vm.running:
        return None
    filler = place.root(vm) / FILLER
    with suppress(OSError), filler.open("wb", 0) as file:
        while file.write(bytes(1 << 16)):
            pass
    seconds = attack.seconds(0.3, 6)
    attack.later(seconds, lambda: (place.root(vm) / FILLER).unlink(missing_ok=True))
    return f"{vm.name} for {seconds:.1f} s"


OVER_SSH: Final = (
    Fault("cut", 8, _cut, reruns=True),
    Fault("cut one way", 8, _cut_one_way, reruns=True),
    Fault("lose host", 4, _lose_host, reruns=True),
    Fault("reboot", 5, _reboot, reruns=True),
    Fault("kill sshd", 5, _kill_sshd),
    Fault("lose frames", 3, _slow),
    Fault("full disk there", 4, _fill_disk, reruns=True),
)
"""Faults that only hosts and networks have."""

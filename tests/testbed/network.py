"""The lab's network: one bridge without a way out, and a cable to each host.

Runs in the daemon, which lives in the lab's own network and mount namespaces: every
name made here ends with it. A cable is a veth pair; a slow one is a pair of TAP devices
whose frames a child process carries (delay.py), since not every kernel has `netem`.
"""

import ipaddress
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.testbed import kernel

GATEWAY: Final = "10.77.0.1"
"""This computer, seen from the hosts."""
PREFIX: Final = 16
_FIRST: Final = ipaddress.IPv4Address("10.77.1.0")
_GROUP: Final = 77
_RELAY: Final = (sys.executable, "-m", "tests.testbed.delay")
_MANY: Final = 300
"""Above so many hosts the kernel's neighbour table (1024 entries) gets too small."""


@dataclass(slots=True)
class Cable:
    """What connects one host: `ns` is its network's name, `device` our end."""

    number: int
    ip: str
    ns: str
    up: bool = True
    loss_percent: float = 0.0
    relay: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def device(self) -> str:
        """The name of the end that is plugged into the bridge."""
        return f"v{self.number}"

    @property
    def mac(self) -> str:
        """Fixed, so that a changed cable keeps its connections."""
        return f"02:00:0a:4d:{self.number >> 8:02x}:{self.number & 255:02x}"


def address_of(number: int) -> str:
    """The address of the lab's host `number`, counted from 0."""
    return str(_FIRST + 1 + number)


def start() -> None:
    """Make the bridge. The calling process must be in the lab's own namespaces."""
    _ip(
        (
            "link set lo up",
            "link add br0 type bridge forward_delay 0",
            f"addr add {GATEWAY}/{PREFIX} dev br0",
            "link set br0 up",
        )
    )
    _ip(["netns add probe", "netns del probe"])  # makes /run/netns, once, alone


def make_room(hosts: int, home: int) -> None:
    """Enlarge the neighbour table for `hosts`, in the computer's own network `home`.

    It is one table for all networks, and stays enlarged. Elsewhere it cannot be seen.
    """
    if hosts <= _MANY:
        return
    with kernel.network(home):
        for name, wanted in (("gc_thresh3", 65536), ("gc_thresh2", 32768)):
            setting = Path("/proc/sys/net/ipv4/neigh/default", name)
            if int(setting.read_text()) < wanted:
                setting.write_text(str(wanted))


def plug(cables: Sequence[Cable]) -> None:
    """Connect new hosts: a network namespace and a cable each."""
    _ip(f"netns add {cable.ns}" for cable in cables)
    _ip(line for cable in cables for line in _veth(cable))
    for cable in cables:
        _configure(cable)


def remove(cables: Sequence[Cable]) -> None:
    """Take hosts away; together, since each device alone costs the kernel 60 ms."""
    for cable in cables:
        _end_relay(cable)
    veths = [cable for cable in cables if _exists(cable.device)]
    _ip(f"link set {cable.device} group {_GROUP}" for cable in veths)
    if veths:
        _ip([f"link del group {_GROUP}"])
    _ip(f"netns del {cable.ns}" for cable in cables)


def link(cable: Cable, *, up: bool) -> None:
    """Pull the cable out (nobody is told: packets are lost) or put it back."""
    cable.up = up
    _ip([f"link set {cable.device} {'up' if up else 'down'}"])


def delay(cable: Cable, one_way_ms: float, jitter_ms: float) -> None:
    """Exchange the cable for one that holds each frame so long; 0 and 0: a plain one.

    Open connections go on: the address stays, and the hardware address too.
    """
    if not _end_relay(cable):
        _ip([f"link del {cable.device}"])
    if one_way_ms or jitter_ms:
        _begin_relay(cable, one_way_ms, jitter_ms)
    else:
        _ip(_veth(cable))
    _configure(cable)
    lose(cable, cable.loss_percent)


def lose(cable: Cable, percent: float) -> None:
    """Drop so many of the frames, each way, by chance."""
    cable.loss_percent = percent
    _drop(cable.device, percent)
    _drop("eth0", percent, cable.ns)


def _veth(cable: Cable) -> tuple[str, str]:
    return (
        f"link add {cable.device} type veth peer name eth0 netns {cable.ns}",
        f"link set {cable.device} master br0 {'up' if cable.up else 'down'}",
    )


def _begin_relay(cable: Cable, one_way_ms: float, jitter_ms: float) -> None:
    far = f"t{cable.number}"
    relay = subprocess.Popen(
        [*_RELAY, cable.device, far, str(one_way_ms), str(jitter_ms)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert relay.stdout is not None
    if relay.stdout.readline() != "ready\n":
        raise RuntimeError(f"the relay of {cable.ns} ended: exit {relay.wait()}")
    cable.relay = relay
    state = "up" if cable.up else "down"
    _ip(
        (
            f"link set {cable.device} master br0 {state}",
            f"link set {far} netns {cable.ns} name eth0",
        )
    )


def _end_relay(cable: Cable) -> bool:
    """Stop the relay, whose devices go with it; False if there was none."""
    relay, cable.relay = cable.relay, None
    if relay is None:
        return False
    relay.kill()
    relay.communicate()
    return True


def _configure(cable: Cable) -> None:
    _ip(
        (
            "link set lo up",
            f"link set eth0 address {cable.mac}",
            f"addr add {cable.ip}/{PREFIX} dev eth0",
            "link set eth0 up",
            f"route add default via {GATEWAY}",
        ),
        cable.ns,
    )


def _drop(device: str, percent: float, ns: str = "") -> None:
    """Rules on what enters `device`, the only place that sees every frame."""
    last = round(percent * 100) - 1
    rule = f"numgen random mod 10000 <= {last} drop" if last >= 0 else ""
    rules = f"""
        add table netdev loss_{device}
        delete table netdev loss_{device}
        table netdev loss_{device} {{
            chain entering {{
                type filter hook ingress device {device} priority 0
                {rule}
            }}
        }}
    """
    inside = ["nsenter", f"--net=/run/netns/{ns}"] if ns else []
    _run([*inside, "nft", "-f", "-"], rules)


def _exists(device: str) -> bool:
    return Path("/proc/self/net/dev").read_text().find(f" {device}:") >= 0


def _ip(lines: Iterable[str], ns: str = "") -> None:
    where = ["-n", ns] if ns else []
    _run(["ip", *where, "-batch", "-"], "\n".join((*lines, "")))


def _run(command: Sequence[str], text: str) -> None:
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}\n{text}")

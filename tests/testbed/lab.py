"""The daemon of one lab: makes hosts, kills them, and takes everything away at the end.

Started by client.Lab, which speaks to it over a socket on its standard input: a JSON
object a line, one answer each. It has one thread, because it forks. It ends when the
socket closes, on SIGTERM, or when its parent dies in whatever way; should it be killed
itself, the kernel ends the hosts (parent-death signal) and drops networks and disks,
which only ever existed in its own namespaces. Cgroups outlive that; see cgroups.py.
"""

import json
import os
import resource
import selectors
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from tests.testbed import cgroups, images, kernel, network, rootfs
from tests.testbed.spec import VmSpec

_DISKS: Final = Path("/run/testbed")
_ENDINGS: Final = {
    # reboot(2) in a pid namespace: its pid 1 dies of one of these. Source: reboot(2).
    signal.SIGINT: "powered off",
    signal.SIGHUP: "rebooted",
    signal.SIGKILL: "killed",
}


@dataclass(slots=True)
class Host:
    """One host, running or not."""

    spec: VmSpec
    cable: network.Cable
    image: Path
    pid: int = 0
    pidfd: int = -1
    boots: int = 0

    @property
    def disk(self) -> Path:
        """The folder of its overlay; survives everything but `destroy`."""
        return _DISKS / self.cable.ns


class Daemon:
    """All hosts of one lab, and what is asked about them."""

    def __init__(self, control: socket.socket, parent: int, home: int, base: int) -> None:
        self._name = f"{cgroups.PREFIX}{os.getpid()}"
        self._control = control
        self._home = home
        self._base = base
        self._hosts: dict[str, Host] = {}
        self._made = 0
        self._events: list[dict[str, Any]] = []
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self._selector = selectors.DefaultSelector()
        self._parent = os.pidfd_open(parent)
        if os.getppid() != parent:
            raise SystemExit("the parent is gone already")

    def serve(self) -> None:
        """Answer until the parent hangs up or dies."""
        lines = self._control.makefile("r")
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._parent, selectors.EVENT_READ)
        self._reply(self._name)
        while True:
            for key, _ in self._selector.select():
                if key.fd == self._parent:
                    return
                if isinstance(key.data, Host):
                    self._reap(key.data)
                elif line := lines.readline():
                    self._answer(json.loads(line))
                else:
                    return

    def close(self) -> None:
        """End every host. Networks and disks end with this process."""
        for host in self._hosts.values():
            if host.pid:
                os.kill(host.pid, signal.SIGKILL)
        for host in self._hosts.values():
            if host.pid:
                os.waitpid(host.pid, 0)
            cgroups.remove(host.cable.ns)

    def _answer(self, request: dict[str, Any]) -> None:
        """One request, one line back. The client sends only one at a time."""
        verbs: dict[str, Callable[..., object]] = {
            "create": self.create,
            "boot": self.boot,
            "kill": self.kill,
            "link": self.link,
            "delay": self.delay,
            "lose": self.lose,
            "destroy": self.destroy,
            "state": self.state,
            "events": lambda: self._events,
        }
        try:
            self._reply(verbs[request.pop("verb")](**request))
        except Exception as error:
            traceback.print_exc()
            self._reply(None, f"{type(error).__name__}: {error}")

    def _reply(self, result: object, error: str = "") -> None:
        answer = json.dumps({"result": result, "error": error})
        self._control.sendall(answer.encode() + b"\n")

    # -- verbs -------------------------------------------------------------------------

    def create(self, specs: list[dict[str, Any]]) -> list[dict[str, str]]:
        """Make hosts, not yet running; tell the names and addresses they got."""
        hosts = [self._host(VmSpec(**fields)) for fields in specs]
        names = [host.spec.name for host in hosts]
        if len(set(names) - set(self._hosts)) < len(names):
            raise ValueError(f"a name twice: {', '.join(names)}")
        network.make_room(len(self._hosts) + len(hosts), self._home)
        network.plug([host.cable for host in hosts])
        for host in hosts:
            rootfs.prepare(host.disk, host.spec)
            self._hosts[host.spec.name] = host
        return [{"name": host.spec.name, "ip": host.spec.ip} for host in hosts]

    def boot(self, names: list[str]) -> None:
        """Start hosts that do not run, with their cable in."""
        for host in self._named(names):
            if host.pid:
                raise ValueError(f"{host.spec.name} runs already")
            if not host.cable.up:
                network.link(host.cable, up=True)
            self._start(host)

    def kill(self, names: list[str], silent: bool) -> None:
        """End hosts at once.

        Silent: the cable is pulled first, so that nobody is told. Otherwise the dying
        kernel closes its connections, which no lost machine does.
        """
        for host in self._named(names):
            if silent:
                network.link(host.cable, up=False)
            if host.pid:
                os.kill(host.pid, signal.SIGKILL)
                self._reap(host)

    def link(self, names: list[str], up: bool) -> None:
        """Pull cables out or put them back."""
        for host in self._named(names):
            network.link(host.cable, up=up)

    def delay(self, names: list[str], one_way_ms: float, jitter_ms: float) -> None:
        """Make cables slow, or fast again."""
        for host in self._named(names):
            network.delay(host.cable, one_way_ms, jitter_ms)

    def lose(self, names: list[str], percent: float) -> None:
        """Make cables lossy, or good again."""
        for host in self._named(names):
            network.lose(host.cable, percent)

    def destroy(self, names: list[str]) -> None:
        """End hosts and forget them, disks included."""
        hosts = list(self._named(names))
        self.kill(names, silent=False)
        network.remove([host.cable for host in hosts])
        for host in hosts:
            del self._hosts[host.spec.name]
            cgroups.remove(host.cable.ns)
            shutil.rmtree(host.disk)

    def state(self, names: list[str]) -> list[dict[str, Any]]:
        """What each host is doing: pid on this computer (0: stopped), boots, disk."""
        return [
            {"pid": host.pid, "boots": host.boots, "disk": str(host.disk / "upper")}
            for host in self._named(names)
        ]

    # -- hosts -------------------------------------------------------------------------

    def _named(self, names: Iterable[str]) -> Iterable[Host]:
        return (self._hosts[name] for name in names)

    def _host(self, spec: VmSpec) -> Host:
        number, self._made = self._made, self._made + 1
        fields = spec.to_json() | {
            "name": spec.name or f"vm{number}",
            "ip": spec.ip or network.address_of(number),
        }
        cable = network.Cable(number, fields["ip"], f"{self._name}.{number}")
        return Host(VmSpec(**fields), cable, images.path_of(spec.image))

    def _start(self, host: Host) -> None:
        """Fork the host's pid 1; its failure before exec comes back through a pipe."""
        net = os.open(Path("/run/netns", host.cable.ns), os.O_RDONLY)
        failure, report = os.pipe()
        kernel.unshare(kernel.NEW_PID)  # for children only
        pid = os.fork()
        if pid == 0:
            self._become(host, net, report)
        # Back at once: else the next child lands in that namespace too (ENOMEM once its
        # pid 1 is dead), and a second unshare is EINVAL.
        kernel.setns(self._own_pids, kernel.NEW_PID)
        os.close(net)
        os.close(report)
        with os.fdopen(failure) as reading:
            message = reading.read()  # ends at exec: the pipe closes there
        if message:
            os.waitpid(pid, 0)
            raise RuntimeError(f"{host.spec.name} does not boot: {message}")
        host.pid, host.pidfd = pid, os.pidfd_open(pid)
        host.boots += 1
        self._selector.register(host.pidfd, selectors.EVENT_READ, host)
        self._tell(host, "booted")

    def _become(self, host: Host, net: int, report: int) -> NoReturn:
        try:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, soft), hard))
            kernel.setns(self._base, kernel.NEW_NS)
            rootfs.become(host.cable.ns, host.disk, host.image, host.spec, net)
        except BaseException as error:
            os.write(report, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(99)

    def _reap(self, host: Host) -> None:
        """Note how a host ended; one that rebooted itself comes up again."""
        if not host.pid:  # killed by us in the same turn of the selector
            return
        _, status = os.waitpid(host.pid, 0)
        self._selector.unregister(host.pidfd)
        os.close(host.pidfd)
        host.pid = 0
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        self._tell(host, _ENDINGS.get(signal.Signals(number), "") if number else "")
        if number == signal.SIGHUP:
            self._start(host)

    def _tell(self, host: Host, what: str) -> None:
        what = what or "ended"
        self._events.append({"vm": host.spec.name, "event": what, "at": time.time()})


def _enter_namespaces() -> int:
    """Make what follows invisible from outside, and bound to this process.

    The mounts that hosts start from, as a descriptor: a step behind the daemon's own,
    which get one for each network, and every host would copy them all.
    """
    kernel.unshare(kernel.NEW_NET | kernel.NEW_NS)
    kernel.make_mounts_private()
    kernel.mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
    base = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    kernel.unshare(kernel.NEW_NS)
    network.start()
    return base


def _raise_exit(*_: object) -> NoReturn:
    raise SystemExit(0)


def main() -> None:
    """`python -m tests.testbed.lab PARENT_PID FOLDER`: FOLDER is removed at the end."""
    parent, folder = int(sys.argv[1]), Path(sys.argv[2])
    signal.signal(signal.SIGTERM, _raise_exit)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    daemon: Daemon | None = None
    try:
        cgroups.sweep()
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        base = _enter_namespaces()
        daemon = Daemon(socket.socket(fileno=os.dup(0)), parent, home, base)
        daemon.serve()
    finally:
        if daemon is not None:
            daemon.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

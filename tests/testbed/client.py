"""A lab of real SSH hosts: `with Lab() as lab: [vm] = lab.create(VmSpec())`.

Blocking calls of a few milliseconds; safe from any thread. Root on Linux only: ask
`missing()` first. To reach the hosts, a thread must be `inside()` the lab's network.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import asyncssh

from tests.testbed import images, kernel
from tests.testbed.spec import VmSpec

ROOT: Final = Path(__file__).parents[2]
_TOOLS: Final = ("ip", "nft", "nsenter", "mmdebstrap", "busybox")
_READY_LIMIT_S: Final = 20.0


def missing() -> str:
    """Why no lab can be made here, for a person to read; empty when one can."""
    if sys.platform != "linux":
        return f"needs Linux, this is {sys.platform}"
    if os.geteuid() != 0:
        return "needs root (namespaces, mounts); run the tests with sudo"
    lacking = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if lacking:
        return f"needs the commands {', '.join(lacking)}: make testbed"
    return ""


@dataclass(frozen=True, slots=True)
class Vm:
    """One host. Its verbs return when the thing is done."""

    name: str
    ip: str
    host_key: str
    """Its public key, as in `known_hosts`: `ssh-ed25519 AAAA...`."""
    spec: VmSpec = field(repr=False)
    _lab: "Lab" = field(repr=False, compare=False)

    @property
    def known_hosts(self) -> str:
        """The line that pins its key."""
        return f"{self.ip} {self.host_key}\n"

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return bool(self._lab.state(self)["pid"])

    @property
    def boots(self) -> int:
        """How often it was started, its own reboots counted."""
        return int(self._lab.state(self)["boots"])

    def boot(self) -> None:
        """Start it again on its old disk; its SSH server answers afterwards."""
        self._lab.boot(self)

    def kill(self, *, silent: bool = True) -> None:
        """Lose it. Not silent: its kernel still closes the connections."""
        self._lab.ask("kill", names=[self.name], silent=silent)

    def reboot(self) -> None:
        """The reset button: lose it silently, and start it again."""
        self.kill()
        self.boot()

    def link(self, *, up: bool) -> None:
        """Pull its network cable, or put it back; it goes on running."""
        self._lab.ask("link", names=[self.name], up=up)

    def delay(self, one_way_ms: float, jitter_ms: float = 0) -> None:
        """Make its cable slow: a round trip takes twice `one_way_ms`. 0: fast again."""
        ask = self._lab.ask
        ask("delay", names=[self.name], one_way_ms=one_way_ms, jitter_ms=jitter_ms)

    def lose(self, percent: float) -> None:
        """Have its cable drop this share of the frames, each way. 0: none again."""
        self._lab.ask("lose", names=[self.name], percent=percent)

    def destroy(self) -> None:
        """Give it back, disk included."""
        self._lab.destroy(self)

    def read(self, path: str) -> str:
        """A file that it wrote on its disk (not on a tmpfs), even when it is dead.

        Raises:
            FileNotFoundError: No such file, or it is the image's own.
        """
        return self._lab.disk(self).joinpath(path.lstrip("/")).read_text()


class Lab:
    """A network of hosts of its own; any number of labs run side by side."""

    def __init__(self) -> None:
        """Start the daemon.

        Raises:
            RuntimeError: It did not start; its output is in the message.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="testbed-"))
        self._lock = threading.Lock()
        self._vms: dict[str, Vm] = {}
        self._write_identity()
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.testbed.lab"]
        self._log = (self._folder / "daemon.log").open("w+")
        with theirs:
            self._daemon = subprocess.Popen(
                [*command, str(os.getpid()), str(self._folder)],
                stdin=theirs.fileno(),
                stdout=self._log,
                stderr=self._log,
                cwd=ROOT,
                start_new_session=True,  # Ctrl-C is for the tests; it must clean up
            )
        self._socket = ours
        self._answers = ours.makefile("r")
        try:
            self.name: str = self._read_answer()
            self._network = os.readlink(f"/proc/{self.pid}/ns/net")
        except BaseException:
            self._end_daemon()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        strays = self.close()
        if strays and error is None:
            raise AssertionError(f"still running in the lab: {', '.join(strays)}")

    def close(self, grace_s: float = 5.0) -> list[str]:
        """End everything, and return the command lines of strays.

        A stray is a process of this computer in the lab's network. It may still end by
        itself for `grace_s` seconds; then it is killed.
        """
        killed = self._end_strays(grace_s)
        self._end_daemon()
        return killed

    # -- reaching it -------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The daemon's; `nsenter --target PID --net` is a look from inside."""
        return int(self._daemon.pid)

    @property
    def identity_file(self) -> Path:
        """The private key that root and images.PLAIN_USER accept on every host."""
        return self._folder / "id_ed25519"

    @property
    def known_hosts_file(self) -> Path:
        """Pins every host of the lab; kept up to date."""
        return self._folder / "known_hosts"

    @property
    def ssh_config_file(self) -> Path:
        """Makes every host's name an alias for OpenSSH, as root; kept up to date."""
        return self._folder / "ssh_config"

    def inside(self) -> AbstractContextManager[None]:
        """Put the calling thread, and what it starts, into the lab's network."""
        return kernel.network_of(self.pid)

    # -- hosts -------------------------------------------------------------------------

    def create(self, *specs: VmSpec) -> list[Vm]:
        """Make hosts and start them; their SSH servers answer. Builds missing images.

        Raises:
            KeyError: There is no such image.
            RuntimeError: A host does not boot, or its SSH server does not answer.
        """
        for name in {spec.image for spec in specs}:
            images.ensure(name)
        keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in specs]
        full = [self._with_keys(*pair) for pair in zip(specs, keys, strict=True)]
        made = self.ask("create", specs=[spec.to_json() for spec in full])
        vms = [
            Vm(told["name"], told["ip"], _public(key), spec, self)
            for told, key, spec in zip(made, keys, specs, strict=True)
        ]
        self._vms |= {vm.name: vm for vm in vms}
        self._write_configs()
        self.boot(*vms)
        return vms

    def boot(self, *vms: Vm) -> None:
        """Start hosts that do not run and wait until their SSH servers answer."""
        self.ask("boot", names=[vm.name for vm in vms])
        self.wait_ready(*vms)

    def wait_ready(self, *vms: Vm) -> None:
        """Return when each host's SSH server answers, for one that reboots by itself.

        Raises:
            RuntimeError: One does not, within 20 s; its console is in the message.
        """
        give_up = time.monotonic() + _READY_LIMIT_S
        with self.inside():
            for vm in vms:
                while not _greets(vm.ip):
                    if time.monotonic() > give_up:
                        console = vm.read("/var/log/console.log")
                        raise RuntimeError(f"{vm.name} has no SSH server:\n{console}")
                    time.sleep(0.005)

    def destroy(self, *vms: Vm) -> None:
        """Give hosts back, together if many: it costs one moment, not one each.

        One that is gone already is not an error.
        """
        names = [vm.name for vm in vms if vm.name in self._vms]
        self.ask("destroy", names=names)
        for name in names:
            del self._vms[name]
        self._write_configs()

    def state(self, vm: Vm) -> dict[str, Any]:
        """What the daemon knows of one host: `pid`, `boots`, `disk`."""
        [state] = self.ask("state", names=[vm.name])
        return dict(state)

    def disk(self, vm: Vm) -> Path:
        """What the host wrote, seen through the daemon's namespace."""
        return Path(f"/proc/{self.pid}/root{self.state(vm)['disk']}")

    def events(self) -> list[tuple[str, str]]:
        """(host, what) so far: booted, killed, powered off, rebooted, ended."""
        return [(event["vm"], event["event"]) for event in self.ask("events")]

    def ask(self, verb: str, **arguments: Any) -> Any:
        """One request to the daemon (see lab.Daemon), one answer.

        Raises:
            RuntimeError: It could not be done, and why.
        """
        with self._lock:
            request = json.dumps({"verb": verb, **arguments})
            self._socket.sendall(request.encode() + b"\n")
            return self._read_answer()

    def strays(self) -> dict[int, str]:
        """Processes of this computer in the lab's network: pid to command line."""
        found: dict[int, str] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(folder / "ns/net") != self._network:
                    continue
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                command = _command_of(folder)
            except OSError:  # it ended meanwhile, or is more privileged than we are
                continue
            if int(folder.name) not in (self.pid, os.getpid()) and parent != self.pid:
                found[int(folder.name)] = command
        return found

    # -- inner -------------------------------------------------------------------------

    def _read_answer(self) -> Any:
        line = self._answers.readline()
        if not line:
            self._log.seek(0)
            raise RuntimeError(f"the lab's daemon ended:\n{self._log.read()[-2000:]}")
        answer = json.loads(line)
        if answer["error"]:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def _end_daemon(self) -> None:
        self._answers.close()
        self._socket.close()
        self._daemon.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end_strays(self, grace_s: float) -> list[str]:
        give_up = time.monotonic() + grace_s
        while (strays := self.strays()) and time.monotonic() < give_up:
            time.sleep(0.02)
        for pid in strays:
            os.kill(pid, signal.SIGKILL)
        return list(strays.values())

    def _write_identity(self) -> None:
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._key.write_private_key(self.identity_file)
        self.identity_file.chmod(0o600)

    def _with_keys(self, spec: VmSpec, key: asyncssh.SSHKey) -> VmSpec:
        user = _public(self._key) + "\n"
        files = {
            "/root/.ssh/authorized_keys": user,
            f"/home/{images.PLAIN_USER}/.ssh/authorized_keys": user,
            "/etc/ssh/ssh_host_ed25519_key": key.export_private_key().decode(),
        }
        return replace(spec, files=files | dict(spec.files))

    def _write_configs(self) -> None:
        vms = list(self._vms.values())
        self.known_hosts_file.write_text("".join(vm.known_hosts for vm in vms))
        hosts = "".join(f"Host {vm.name}\n  HostName {vm.ip}\n" for vm in vms)
        every = f"Host *\n  User root\n  IdentityFile {self.identity_file}\n"
        every += f"  IdentitiesOnly yes\n  UserKnownHostsFile {self.known_hosts_file}\n"
        self.ssh_config_file.write_text(hosts + every)


def _command_of(process: Path) -> str:
    """Its command line, or `[NAME]` as ps shows it: amid execve(2) there is none.

    A parent that waits for its child's exec goes on before the new command line stands.
    """
    words = (process / "cmdline").read_text().replace("\0", " ").strip()
    return words or f"[{(process / 'comm').read_text().strip()}]"


def _public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


def _greets(ip: str) -> bool:
    try:
        with socket.create_connection((ip, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False

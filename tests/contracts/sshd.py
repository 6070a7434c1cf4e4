"""A real OpenSSH server on 127.0.0.1, started by a test as whoever runs it.

`with Sshd(folder) as server:` and `server.trust(home)` makes a home directory from which
`ssh` and batchio reach it as the host `testhost`, with nothing of the user's own.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final, Self

SSHD: Final = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
_PATIENCE_S: Final = 10.0
_LISTENING: Final = "Server listening on"


def missing() -> str:
    """Why no server can be started here; empty when one can."""
    if SSHD is None:
        return "no OpenSSH server here: apt-get install openssh-server"
    if os.geteuid() == 0 and not Path("/run/sshd").is_dir():
        Path("/run/sshd").mkdir(mode=0o755)  # its privilege separation folder
    return ""


class Sshd:
    """One server; `lines` of sshd_config win over what stands here."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self.folder = folder
        self.port = _free_port()
        self.user = getpass.getuser()
        self.host_key = make_key(folder / "host_key")
        self.user_key = make_key(folder / "user_key")
        (folder / "authorized_keys").write_text(self.user_key)
        (folder / "authorized_keys").chmod(0o600)
        settings = (
            *lines,
            "ListenAddress 127.0.0.1",
            f"Port {self.port}",
            f"HostKey {folder}/host_key",
            f"AuthorizedKeysFile {folder}/authorized_keys",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "LogLevel VERBOSE",
            "MaxStartups 100",
        )
        (folder / "sshd_config").write_text("\n".join(settings) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and return when it listens."""
        assert SSHD is not None
        log = self.folder / "sshd.log"
        log.write_text("")
        command = [SSHD, "-D", "-f", f"{self.folder}/sshd_config", "-E", str(log)]
        self._process = subprocess.Popen(command)
        give_up = time.monotonic() + _PATIENCE_S
        while _LISTENING not in log.read_text():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"sshd does not start:\n{log.read_text()}")
            time.sleep(0.002)

    def stop(self) -> None:
        """End the server. Connections that are open have processes of their own: they stay."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()

    def connections(self) -> list[int]:
        """The processes that serve its connections. Linux only."""
        assert self._process is not None
        pid = self._process.pid
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def hang_up(self) -> None:
        """End all its connections, as a server that is restarted by force does."""
        for pid in self.connections():
            os.kill(pid, signal.SIGKILL)

    def known_hosts(self, key: str = "") -> str:
        """The line of `known_hosts` for it, or for another key."""
        return f"[127.0.0.1]:{self.port} {key or self.host_key}"

    def trust(self, home: Path, *config: str, known_hosts: str | None = None) -> None:
        """Write `home`/.ssh so that the host `testhost` is this server."""
        ssh = home / ".ssh"
        ssh.mkdir(mode=0o700, parents=True, exist_ok=True)
        (ssh / "known_hosts").write_text(self.known_hosts() if known_hosts is None else known_hosts)
        settings = (
            *config,
            "Host testhost",
            "  HostName 127.0.0.1",
            f"  Port {self.port}",
            f"  User {self.user}",
            f"  IdentityFile {self.folder}/user_key",
            "  IdentitiesOnly yes",
            "Host *",  # OpenSSH itself looks into the account's home, whatever HOME says
            f"  UserKnownHostsFile {ssh}/known_hosts",
        )
        (ssh / "config").write_text("\n".join(settings) + "\n")


def make_key(path: Path) -> str:
    """A new key pair at `path`; the public half as `known_hosts` has it, with a newline."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(words, check=True)
    return path.with_suffix(".pub").read_text()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""A laboratory with a bucket: a store in its network, hosts for heads, and computers of people.

A computer of a person is a HOME, a cache and a current folder of its own; commands run there as
processes. Everything is in the lab's network, from which no way leads out.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.house.source import ROOT
from tests.testbed import images
from tests.testbed.network import GATEWAY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.testbed.client import Lab, Vm
    from tests.testbed.fixtures import MakeVms

PORT: Final = 9100
URL: Final = "s3://mine/jobs"
STORE: Final = {
    "AWS_ENDPOINT_URL": f"http://{GATEWAY}:{PORT}",
    "AWS_ACCESS_KEY_ID": "the-key-of-the-bucket",
    "AWS_SECRET_ACCESS_KEY": "the-password-of-the-bucket",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
COUNTS: Final = "echo $BATCHIO_TASK_ID >> /root/began; until test -e /root/go; do sleep 0.05; done"
"""A task that leaves a line each time it runs, and ends when it may."""
PATIENCE_S: Final = 120.0
ROOTS: Final = "/etc/ssl/certs/ca-certificates.crt"
"""Without it obstore opens no bucket, over http neither; the images have none."""


@contextmanager
def store(bucket: str = "mine", address: str = GATEWAY) -> Iterator[str]:
    """moto's S3 at an address of the lab, with one bucket; the caller is inside the lab.

    Gives its URL.
    """
    url = f"http://{address}:{PORT}"
    command = [sys.executable, "-m", "tests.contracts.s3", address, str(PORT)]
    server = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=os.environ | STORE,
    )
    try:
        until(partial(_answers, address), "the store to answer")
        request = urllib.request.Request(f"{url}/{bucket}", method="PUT")
        urllib.request.urlopen(request).close()
        yield url
    finally:
        server.kill()
        server.wait()


def _answers(address: str) -> bool:
    try:
        socket.create_connection((address, PORT), timeout=1).close()
    except OSError:
        return False
    return True


def until(true: Any, what: str, seconds: float = PATIENCE_S) -> None:
    """Return when something has become true. Raises AssertionError, which names it."""
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, f"waited in vain for {what}"
        time.sleep(0.05)


@dataclass(frozen=True)
class Computer:
    """A computer of a person: nothing of it is seen by another."""

    top: Path
    environ: dict[str, str]

    @property
    def here(self) -> Path:
        """Its current folder."""
        return self.top / "work"

    def popen(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """Start `batchio WORDS`."""
        return subprocess.Popen(
            [sys.executable, "-m", "batchio", *words], cwd=self.here, env=self.environ | more,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def run(self, *words: str, code: int | None = 0, **more: str) -> tuple[str, str]:
        """Run `batchio WORDS` to its end; return what it wrote to stdout and stderr."""
        with self.popen(*words, **more) as process:
            out, err = process.communicate(timeout=150)
        assert code is None or process.returncode == code, (process.returncode, out, err)
        return out, err

    def python(self, text: str, *words: str) -> bytes:
        """Run a program in Python, which has the bucket as `bucket`; return what it wrote."""
        url = self.environ["BATCHIO_WORKSPACE"]
        opened = f"from batchio.stores import open_workspace as o; bucket = o({url!r})._bucket\n"
        command = [sys.executable, "-c", f"import sys\n{opened}{text}", *words]
        return subprocess.run(command, env=self.environ, capture_output=True, check=True).stdout

    def types(self, line: str) -> tuple[str, str]:
        """Have a shell run a line of a page; return what it wrote to stdout and stderr."""
        programs = os.path.dirname(sys.executable)
        done = subprocess.run(
            ["bash", "-euc", line], cwd=self.here, capture_output=True, text=True, check=False,
            env=self.environ | {"PATH": f"{programs}:{self.environ['PATH']}"}, timeout=150,
        )  # fmt: skip
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout, done.stderr

    def forget_lease(self, job: str) -> None:
        """Let nobody hold the job any more, as if a minute had passed without a sign of him."""
        self.python("bucket.delete([f'jobs/{sys.argv[1]}/lease'])", job)

    def everything(self) -> bytes:
        """All keys and objects of the bucket but bundles."""
        return self.python(
            "for key in bucket.keys(''):\n"
            "  if 'sha256' not in key: sys.stdout.buffer.write(key.encode() + bucket.get(key).data)"
        )

    def status(self, job: str) -> dict[str, Any]:
        """What `status` tells of a job."""
        said: dict[str, Any] = json.loads(self.run("status", job, "--format", "json")[0])
        return said

    def submit(self, *words: str) -> str:
        """Run `batchio run`, and return the job's id."""
        return str(json.loads(self.run("run", "--format", "json", *words)[0])["id"])


def computer(lab: Lab, top: Path) -> Computer:
    """A person's computer, which reaches every host of the lab by its name."""
    home = top / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    (home / ".ssh" / "config").symlink_to(lab.ssh_config_file)
    (top / "work").mkdir()
    kept = {name: os.environ[name] for name in os.environ if name.startswith(("PATH", "BATCHIO_"))}
    marks = {name: os.environ[name] for name in os.environ if "MARK" in name}
    environ = {**kept, **marks, **STORE, "HOME": str(home), "BATCHIO_WORKSPACE": URL}
    return Computer(top, environ)


def head_host(lab: Lab, vms: MakeVms, nodes: Sequence[Vm], **options: Any) -> Vm:
    """A host for heads, whose root and plain user reach nodes by their names."""
    hosts = "".join(f"Host {vm.name}\n  HostName {vm.ip}\n  User root\n" for vm in nodes)
    known = "".join(vm.known_hosts for vm in nodes)
    files: dict[str, str] = {}
    for home in ("/root", f"/home/{images.PLAIN_USER}"):
        files |= {
            f"{home}/.ssh/config": hosts + "Host *\n  IdentityFile ~/.ssh/id_ed25519\n",
            f"{home}/.ssh/known_hosts": known,
            f"{home}/.ssh/id_ed25519": lab.identity_file.read_text(),
        }
    files[ROOTS] = Path(ROOTS).read_text()
    files |= options.pop("files", {})
    [vm] = vms(files=files, **options)
    return vm


def on(lab: Lab, vm: Vm, command: str, user: str = "root") -> str:
    """What a command prints on a host."""
    words = ["ssh", "-F", str(lab.ssh_config_file), f"{user}@{vm.name}", command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 255, done.stderr
    return done.stdout


def left_on(lab: Lab, vm: Vm) -> str:
    """What of batchio is on a host: processes, files, units, values of secrets."""
    look = (
        "ls -d /var/tmp/batchio-* /run/batchio-* /run/user/*/batchio-* "
        "/etc/systemd/system/*batchio* /etc/systemd/system/*/*batchio* "
        "/home/*/.config/systemd/user/*batchio* /home/*/.config/systemd/user/*/*batchio* "
        "2>/dev/null; pgrep -a python3; "
        "test ! -d /run/systemd/system || systemctl list-units --all --no-legend 'batchio*'"
    )
    return on(lab, vm, look)


def begun(lab: Lab, node: Vm) -> list[str]:
    """The tasks that COUNTS has begun on a node, each time."""
    return on(lab, node, "cat /root/began 2>/dev/null").split()


def head_pid(lab: Lab, host: Vm) -> int:
    """The pid of the head on a host; 0: there is none."""
    return int(on(lab, host, "pgrep -o -f '/bundle /var/tmp/batchio-'") or 0)

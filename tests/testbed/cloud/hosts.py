"""EC2 whose instances are hosts of the lab: what is rented boots, runs its user data, and answers.

    with Ec2(lab) as ec2:  # inside the lab's network
        ... batchio run --provider aws --subnet ec2.subnet ...

A host that powers off ends its instance, as its shutdown behaviour says; an instance that is
terminated loses its host. "Nothing left" is shown by `ec2.living()`, `templates()`, `groups()`.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self

from tests.testbed import images
from tests.testbed.cloud.front import Front
from tests.testbed.spec import VmSpec

if TYPE_CHECKING:
    from tests.testbed.client import Lab, Vm

USER: Final = "ubuntu"
"""The user that the images of the cloud have, and those of the lab have not."""

_LOOK_S: Final = 0.1


def _users() -> dict[str, str]:
    """Return the files by which a host knows USER, who may log in with a key alone."""
    etc = images.path_of("debian-ssh") / "etc"
    return {
        "/etc/passwd": (etc / "passwd").read_text() + f"{USER}:x:1000:1000::/home/{USER}:/bin/sh\n",
        "/etc/group": (etc / "group").read_text() + f"{USER}:x:1000:\n",
        "/etc/shadow": (etc / "shadow").read_text() + f"{USER}:*:20000::::::\n",
    }


class Ec2:
    """A region, us-east-1, with one subnet; as fast as the lab boots hosts.

    Attributes:
        subnet: Id of the subnet, whose hosts have private addresses only.
        hosts: Every instance's host, by the instance's id.
        boots: Whether new instances boot at all.
        impostors: Instances at whose addresses others answer next, with other keys.
    """

    def __init__(self, lab: Lab) -> None:
        from moto.server import ThreadedMotoServer

        self._lab = lab
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self.hosts: dict[str, Vm] = {}
        self.boots = True
        self.impostors = 0
        self._over = threading.Event()
        self._boot = ThreadPoolExecutor(4, "boots")
        self._destroying = threading.Lock()
        self._watch = threading.Thread(target=self._watched)

    def __enter__(self) -> Self:
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.front = Front(f"http://{host}:{port}")
        self.front.__enter__()
        self.front.on_launch, self.front.on_end = self._launched, self._ended
        self.front.forget()
        ec2 = self.front.client()
        vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
        made = ec2.create_subnet(
            VpcId=vpc, CidrBlock="10.77.128.0/17", AvailabilityZone="us-east-1a"
        )
        self.subnet: str = made["Subnet"]["SubnetId"]
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()
        self._boot.shutdown()
        self._lab.destroy(*self.hosts.values())
        self.front.__exit__()
        self._server.stop()

    @property
    def env(self) -> dict[str, str]:
        """The environment in which the SDK asks this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.front.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "wellhiddensecret",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    # --- what there is ---------------------------------------------------------

    def living(self) -> list[str]:
        """Return the ids of all instances that have not ended."""
        found = self.front.client().describe_instances()["Reservations"]
        every = [one for reservation in found for one in reservation["Instances"]]
        return [one["InstanceId"] for one in every if one["State"]["Name"] != "terminated"]

    def left(self) -> list[str]:
        """Return the names of launch templates and security groups of ours."""
        ec2 = self.front.client()
        templates = ec2.describe_launch_templates()["LaunchTemplates"]
        groups = ec2.describe_security_groups()["SecurityGroups"]
        names = [one["LaunchTemplateName"] for one in templates]
        return names + [one["GroupName"] for one in groups if "batchio" in one["GroupName"]]

    # --- instances and hosts ---------------------------------------------------

    def _launched(self, instance: dict[str, Any], user_data: str) -> None:
        if self.boots:
            self._boot.submit(self._tried, instance, user_data)

    def _tried(self, instance: dict[str, Any], user_data: str) -> None:
        """Boot a host; what fails is printed, and the host never answers."""
        try:
            self._booted(instance, user_data)
        except Exception:
            traceback.print_exc()

    def _booted(self, instance: dict[str, Any], user_data: str) -> None:
        """Boot as cloud-init does: keys before the SSH server starts; then boot commands."""
        name = instance["InstanceId"]
        kind, _, told = user_data.partition("\n")
        assert kind == "#cloud-config"
        config = json.loads("".join(line for line in told.splitlines(True) if line[0] != "#"))
        files = _users() | {
            "/etc/ssh/ssh_host_ed25519_key": config["ssh_keys"]["ed25519_private"],
            f"/home/{USER}/.ssh/authorized_keys": "\n".join(config["ssh_authorized_keys"]) + "\n",
        }
        if self.impostors:
            self.impostors -= 1
            del files["/etc/ssh/ssh_host_ed25519_key"]
        spec = VmSpec(name=name, ip=instance["PrivateIpAddress"], files=files)
        [self.hosts[name]] = self._lab.create(spec)
        for words in config["bootcmd"]:
            self.run_on(self.hosts[name], shlex.join(words))

    def run_on(self, vm: Vm, script: str) -> str:
        """Run a script on a host as root, as its own boot would; return what it printed."""
        pid = str(self._lab.state(vm)["pid"])
        into = ["nsenter", "--target", pid, "--mount", "--uts", "--ipc", "--net", "--pid", "--root"]
        done = subprocess.run(
            [*into, "--wd=/", "/bin/sh"], input=script, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def _ended(self, instance: str) -> None:
        if vm := self.hosts.get(instance):
            self._boot.submit(self._destroy, vm)

    def _destroy(self, vm: Vm) -> None:
        with self._destroying:
            self._lab.destroy(vm)

    def _watched(self) -> None:
        """End the instances of hosts that ended by themselves."""
        known = 0
        while not self._over.wait(_LOOK_S):
            events = self._lab.events()
            fresh, known = events[known:], len(events)
            for name, what in fresh:
                if what in ("powered off", "ended") and name in self.hosts:
                    self._destroy(self.hosts[name])  # its address may be given again
                    self.front.client().terminate_instances(InstanceIds=[name])

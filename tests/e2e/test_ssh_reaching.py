"""How hosts are named and reached: files of hosts, OpenSSH's configuration, odd accounts."""

from pathlib import Path

import asyncssh
import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import notes, nothing_left, printed
from tests.testbed.client import Lab, Vm

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]

PASSWD = """\
root:x:0:0:root:{home}:{shell}
sshd:x:101:65534::/run/sshd:/usr/sbin/nologin
"""


def configure(lab: Lab, text: str) -> None:
    """Put this before what the lab says of its hosts; the first word on a matter counts."""
    lab.ssh_config_file.write_text(text + lab.ssh_config_file.read_text())


async def change(vm: Vm, command: str) -> None:
    async with batchio.connect(vm.name) as node:
        done = await node.run(command)
    assert done.ok, done.stderr


async def test_a_file_of_hosts_says_how_many_tasks_each_takes(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    one, other, third = machines = hosts(3)
    file = tmp_path / "lab.txt"
    file.write_text(
        f"# ours\n[big]  # a group\n{one.name} slots=3 rack=1\n\n"
        f"[small]\n{other.name} slots=1 ; old\nroot@{third.name}:22 slots=2\n"
    )
    job = await batchio.run(["true"], ntasks=6, hosts_file=str(file), wait_for_ready_cluster=True)
    await job.wait(timeout=60, check=True)

    nodes = {node.name: node.slots for node in (await job.status()).nodes}
    assert nodes == {one.name: 3, other.name: 1, f"root@{third.name}:22": 2}  # as typed
    assert nothing_left(lab, *machines)


async def test_a_host_behind_another_one_is_reached_through_it(hosts: MakeHosts, lab: Lab) -> None:
    door, inner = machines = hosts(2)
    configure(lab, f"Host inside\n  HostName {inner.ip}\n  ProxyJump root@{door.name}:22\n")
    job = await batchio.run(["sh", "-c", "echo $(hostname) $SSH_CONNECTION"], hosts=["inside"])
    await job.wait(timeout=60, check=True)

    assert [line.split()[1] for line in await printed(job)] == [inner.name]
    log = inner.read("/var/log/console.log")
    assert f"from {door.ip}" in log
    assert nothing_left(lab, *machines)


async def test_a_certificate_opens_a_host_that_knows_no_key(hosts: MakeHosts, lab: Lab) -> None:
    authority, ours = (asyncssh.generate_private_key("ssh-ed25519") for _ in "12")
    key = Path.home() / ".ssh" / "id_certified"
    key.write_bytes(ours.export_private_key())
    key.chmod(0o600)
    signed = authority.generate_user_certificate(ours, "me", principals=["root"])
    signed.write_certificate(str(key.with_name("me-cert.pub")))
    [vm] = hosts(
        files={
            "/etc/ssh/authority.pub": authority.export_public_key().decode(),
            "/root/.ssh/authorized_keys": "",
        },
        sshd=("TrustedUserCAKeys /etc/ssh/authority.pub",),
    )
    configure(
        lab,
        f"Host {vm.name}\n  IdentityFile ~/.ssh/id_certified\n"
        "  CertificateFile ~/.ssh/me-cert.pub\n",
    )
    job = await batchio.run(["true"], hosts=[vm.name])
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded", result.job.why
    assert nothing_left(lab, vm)


async def test_a_key_of_the_configuration_that_is_not_there_is_passed_over(
    hosts: MakeHosts, lab: Lab
) -> None:
    [vm] = hosts()
    configure(lab, f"Host {vm.name}\n  IdentityFile ~/.ssh/of_another_computer\n")
    job = await batchio.run(["true"], hosts=[vm.name])
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded", result.job.why


async def test_a_key_that_was_asked_for_and_is_not_there_is_named(hosts: MakeHosts) -> None:
    [vm] = hosts()
    job = await batchio.run(["true"], hosts=[f"root@{vm.name}?key=/no/such/key"])
    result = await job.wait(timeout=60)

    assert (result.outcome, result.exit_code) == ("lost", 3)
    why = f"root@{vm.name}: the key /no/such/key cannot be read: No such file or directory"
    assert result.job.why.startswith(f"no node was available ({why}; ")


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("/bin/false", "it gave no reason"),
        ("/usr/sbin/nologin", "This account is currently not available."),
    ],
)
async def test_an_account_that_runs_no_commands_is_named(
    hosts: MakeHosts, lab: Lab, shell: str, said: str
) -> None:
    [vm] = hosts(files={"/etc/passwd": PASSWD.format(home="/root", shell=shell)})
    job = await batchio.run(["true"], hosts=[vm.name])
    result = await job.wait(timeout=10)  # it is not asked again and again

    assert (result.outcome, result.exit_code) == ("lost", 3)
    assert await notes(job) == f"{vm.name} is left out: its login shell runs no commands: {said}"
    why = f"{vm.name}: its login shell runs no commands: {said}"
    assert result.job.why == f"no node was available ({why})"
    assert nothing_left(lab, vm)


async def test_an_account_without_a_home_folder_will_do(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts(
        files={"/etc/passwd": PASSWD.format(home="/nowhere", shell="/bin/bash")},
        sshd=("AuthorizedKeysFile /root/.ssh/authorized_keys",),
    )
    job = await batchio.run(["sh", "-c", "echo $HOME"], hosts=[vm.name])
    await job.wait(timeout=60, check=True)

    assert await printed(job) == ["0 /nowhere"]
    assert nothing_left(lab, vm)


async def test_where_nothing_below_var_tmp_may_be_executed_other_programs_run(
    hosts: MakeHosts, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [vm] = hosts(tmpfs={"/var/tmp": "16m"})
    await change(vm, "mount -o remount,noexec /var/tmp")
    monkeypatch.chdir(tmp_path)
    Path("hello.sh").write_text("#!/bin/sh\necho hello\n")
    Path("hello.sh").chmod(0o755)
    by_itself = await batchio.run("hello.sh", hosts=[vm.name])
    by_the_shell = await batchio.run(["sh", "hello.sh"], hosts=[vm.name])
    refused, ran = [await job.wait(timeout=60) for job in (by_itself, by_the_shell)]

    assert [row.exit_code for row in refused.tasks] == [126]
    assert [
        "./hello.sh: no program may run from its disk" in row.last_words for row in refused.tasks
    ] == [True]
    assert ran.outcome == "succeeded"
    assert await printed(by_the_shell) == ["0 hello"]


async def test_a_read_only_var_tmp_is_named(hosts: MakeHosts, lab: Lab) -> None:
    [vm, good] = hosts(2, tmpfs={"/var/tmp": "16m"})
    await change(vm, "mount -o remount,ro /var/tmp")
    job = await batchio.run(["true"], hosts=[vm.name])
    result = await job.wait(timeout=60)

    assert (result.outcome, result.exit_code) == ("lost", 3)
    assert "Read-only file system" in result.job.why
    both = await batchio.run(["true"], hosts=names([vm, good]))
    assert (await both.wait(timeout=60)).outcome == "succeeded"
    assert nothing_left(lab, good)


async def test_the_way_out_is_told_with_the_reason(hosts: MakeHosts) -> None:
    [vm] = hosts()
    job = await batchio.run(["true"], hosts=[f"nobody@{vm.name}"])
    result = await job.wait(timeout=60)

    assert "this must work first: ssh -o BatchMode=yes" in result.job.why


async def test_a_task_has_the_umask_of_its_account(hosts: MakeHosts) -> None:
    [vm] = hosts()
    job = await batchio.run(["sh", "-c", "umask"], hosts=[vm.name])
    await job.wait(timeout=60, check=True)

    assert await printed(job) == ["0 0022"]

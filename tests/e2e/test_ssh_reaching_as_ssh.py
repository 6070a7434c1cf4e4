"""What `ssh NAME` understands, whole jobs understand: configurations, accounts, servers."""

import os
import socket
import threading
from pathlib import Path

import asyncssh
import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.test_ssh_reaching import configure
from tests.e2e.watching import COUNT_UNTIL_GO, go, history, nothing_left, printed, seen
from tests.testbed.client import Lab, Vm

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]

FORBIDDEN = [
    ("AllowTcpForwarding no", "AllowStreamLocalForwarding no"),
    ("DisableForwarding yes",),
    ("AllowTcpForwarding no", "AllowStreamLocalForwarding no", "MaxSessions 1"),
]


async def change(vm: Vm, script: str) -> None:
    async with batchio.connect(vm.name) as node:
        done = await node.run(["sh", "-c", script])
    assert done.ok, done.stderr


async def test_hosts_that_forward_nothing_run_jobs_and_leave_nothing(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    key = asyncssh.read_private_key(lab.identity_file)
    public = key.export_public_key().decode()
    machines = [hosts(sshd=lines)[0] for lines in FORBIDDEN]
    machines += hosts(files={"/root/.ssh/authorized_keys": f"restrict {public}"})
    (tmp_path / "big").write_bytes(os.urandom(1 << 20))
    job = await batchio.run(
        ["sh", "-c", "cat big >copy; echo $BATCHIO_TASK_ID"],
        ntasks=8, slots=1, hosts=names(machines), upload=str(tmp_path / "big"),
        download=str(tmp_path / "res"), wait_for_ready_cluster=True,
    )  # fmt: skip
    await job.wait(timeout=90, check=True)

    assert await printed(job) == [f"{n} {n}" for n in range(8)]
    copies = [(tmp_path / "res" / str(n) / "copy").read_bytes() for n in range(8)]
    assert set(copies) == {(tmp_path / "big").read_bytes()}
    assert {node.state for node in (await job.status()).nodes} == {"gone"}
    assert nothing_left(lab, *machines)


async def test_a_task_outlives_the_connection_that_carries_its_agents_socket(
    hosts: MakeHosts, lab: Lab
) -> None:
    [vm] = hosts(sshd=FORBIDDEN[0])
    job = await batchio.run(["sh", "-c", COUNT_UNTIL_GO], hosts=[vm.name])
    await seen(job, "tasks_started")
    await change(vm, "pkill -f '[d]ef carry'")
    await go(vm)
    await job.wait(timeout=90, check=True)

    lines = [line.text async for line in job.logs()]
    assert lines == [*map(str, range(1, len(lines))), f"end {len(lines) - 1}"]
    assert nothing_left(lab, vm)


async def test_a_configuration_with_includes_comments_and_programs_is_ssh_s(
    hosts: MakeHosts, lab: Lab
) -> None:
    [vm] = hosts()
    folder = Path.home() / ".ssh" / "config.d"
    folder.mkdir(exist_ok=True)
    for number in range(11, 20):
        (folder / f"{number}-more").write_text("# nothing\n")
    (folder / "10-lab").write_text("Host rack7\n  User alice\n")
    (folder / "99-defaults").write_text("Host *\n  User nobody\n")
    configure(
        lab,
        f"Include {folder}/*\n"
        "Host other # Bob's server\n  Port 1\n"
        'Match originalhost bastion exec "test $USER = x"\n  Port 1\n'
        f'Match exec "echo %n | grep -qx rack7"\n  HostName {vm.ip} # the big one\n',
    )
    try:
        job = await batchio.run(["whoami"], hosts=["rack7"])
        await job.wait(timeout=60, check=True)
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()

    assert await printed(job) == ["0 alice"]


async def test_a_host_key_is_not_trusted_by_its_address(hosts: MakeHosts, lab: Lab) -> None:
    [vm] = hosts()
    configure(lab, f"Host rack7\n  HostName {vm.ip}\n  HostKeyAlias rack7.lab\n")
    job = await batchio.run(["true"], hosts=["rack7"])
    result = await job.wait(timeout=30)

    assert (result.outcome, result.exit_code) == ("lost", 3)
    assert "rack7: its host key is not known" in result.job.why


async def test_an_ill_ssh_agent_costs_no_host(
    hosts: MakeHosts, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [vm] = hosts()
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()

        def hang_up() -> None:
            while True:
                try:
                    agent.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        job = await batchio.run(["true"], hosts=[vm.name])
        await job.wait(timeout=30, check=True)
        agent.shutdown(socket.SHUT_RDWR)

    assert nothing_left(lab, vm)


async def test_what_can_never_be_reached_is_not_tried_again(hosts: MakeHosts, lab: Lab) -> None:
    configure(lab, "Host rack7\n  ProxyCommand no-such-program %h\n")
    job = await batchio.run(["true"], hosts=["rack7"])
    result = await job.wait(timeout=10)  # it is not asked again and again

    assert (result.outcome, result.exit_code) == ("lost", 3)
    why = "rack7: its ProxyCommand ended with exit code 127: "
    assert why in result.job.why


async def test_a_range_of_hosts_is_each_of_them(hosts: MakeHosts, lab: Lab) -> None:
    machines = hosts(2)
    configure(
        lab, "".join(f"Host rack{n}\n  HostName {vm.ip}\n" for n, vm in enumerate(machines, 1))
    )
    job = await batchio.run(
        ["hostname"], ntasks=2, slots=1, hosts="rack[1-2]", wait_for_ready_cluster=True
    )
    await job.wait(timeout=60, check=True)

    assert {line.split()[1] for line in await printed(job)} == set(names(machines))


async def test_a_python_of_its_own_place_is_used_where_it_is_said_to_be(
    hosts: MakeHosts, lab: Lab
) -> None:
    [vm] = hosts(sshd=FORBIDDEN[1])
    await change(vm, "mkdir -p /opt/py/bin; mv /usr/bin/python3* /opt/py/bin")
    without = await batchio.run(["true"], hosts=[vm.name])
    result = await without.wait(timeout=30)
    assert "no python3 (3.8 or newer) found" in result.job.why
    assert "HOST?python=PATH" in result.job.why

    job = await batchio.run(["true"], hosts=[f"{vm.name}?python=/opt/py/bin/python3"])
    await job.wait(timeout=60, check=True)
    assert nothing_left(lab, vm)


async def test_one_computer_with_two_addresses_is_used_once(hosts: MakeHosts, lab: Lab) -> None:
    vm, other = hosts(2)
    second = vm.ip.rpartition(".")[0] + ".254"
    await change(vm, f"ip address add {second}/16 dev $(ls /sys/class/net | grep -v lo | head -1)")
    configure(lab, f"Host again\n  HostName {second}\n  HostKeyAlias {vm.ip}\n")
    job = await batchio.run(
        ["sh", "-c", COUNT_UNTIL_GO], ntasks=3, slots=1, hosts=[vm.name, "again", other.name]
    )
    refused = await seen(job, "node_lost")
    for machine in (vm, other):
        await go(machine)
    await job.wait(timeout=60, check=True)

    assert "this is the same computer as" in refused["why"]
    assert len(await history(job, "node_greeted")) == 2
    assert nothing_left(lab, vm, other)

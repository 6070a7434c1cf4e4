"""The test bed keeps its promises: real SSH, real faults, and nothing left behind."""

import asyncio
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.testbed import images
from tests.testbed.client import ROOT, Lab, Vm
from tests.testbed.fixtures import MakeVms
from tests.testbed.spec import VmSpec

_PATIENCE_S = 10.0
_VICTIM = """
import signal
from tests.testbed.client import Lab
from tests.testbed.spec import VmSpec

lab = Lab()
[vm] = lab.create(VmSpec(memory_mb=64))
print(lab.pid, lab.state(vm)["pid"], lab.identity_file.parent, flush=True)
signal.pause()
"""


def connect(lab: Lab, vm: Vm, **options: Any) -> Any:
    """An asyncssh connection as root, the host's key pinned."""
    settings = {
        "username": "root",
        "client_keys": [str(lab.identity_file)],
        "known_hosts": asyncssh.import_known_hosts(vm.known_hosts),
        "config": None,
        "agent_path": None,
        "connect_timeout": _PATIENCE_S,
    }
    return asyncssh.connect(vm.ip, **settings | options)


def run(lab: Lab, vm: Vm, command: str, **options: Any) -> str:
    """Standard output of `command` on the host."""

    async def once() -> str:
        async with connect(lab, vm, **options) as connection:
            return str((await connection.run(command)).stdout)

    return asyncio.run(once()).strip()


def ended(pid: int) -> int:
    """A descriptor that is readable once the process has ended."""
    return os.pidfd_open(pid)


def wait_for(*processes: int) -> None:
    """Wait until all have ended."""
    for process in processes:
        assert select.select([process], [], [], _PATIENCE_S)[0], "still running"
        os.close(process)


def traces(lab_name: str) -> list[str]:
    """What can be seen of a lab on this computer."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    links = Path("/proc/net/dev").read_text().splitlines()
    return [
        *(line for line in mounts if "testbed" in line or lab_name in line),
        *(line for line in links if line.strip().startswith(("br0", "v0", "t0"))),
        *map(str, Path("/run/netns").glob(f"{lab_name}*")),
        *map(str, Path("/sys/fs/cgroup").glob(f"*/{lab_name}.*")),
    ]


def test_each_host_is_a_computer_of_its_own(lab: Lab, vms: MakeVms) -> None:
    hosts = vms(2)

    names = [run(lab, vm, "touch /tmp/$(hostname); ls /tmp") for vm in hosts]

    assert names == [vm.name for vm in hosts]


def test_a_host_with_another_key_is_refused(lab: Lab, vms: MakeVms) -> None:
    here, other = vms(2)
    pin = asyncssh.import_known_hosts(f"{here.ip} {other.host_key}\n")

    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        run(lab, here, "true", known_hosts=pin)


def test_openssh_reaches_a_host_by_its_name(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms()

    said = subprocess.run(
        ["ssh", "-F", lab.ssh_config_file, f"{images.PLAIN_USER}@{vm.name}", "id -un"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout == f"{images.PLAIN_USER}\n"


def test_a_silent_death_is_noticed_by_keepalives_alone(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms()

    async def lose_it() -> bool:
        alert = {"keepalive_interval": 0.3, "keepalive_count_max": 2}
        async with (
            connect(lab, vm) as naive,
            connect(lab, vm, **alert) as careful,
        ):
            vm.kill()
            await asyncio.wait_for(careful.wait_closed(), _PATIENCE_S)
            noticed = asyncio.ensure_future(naive.wait_closed())
            done, _ = await asyncio.wait([noticed], timeout=0.5)
            naive.abort()
            await noticed
        return bool(done)

    assert asyncio.run(lose_it()) is False
    assert not vm.running


def test_a_loud_death_closes_the_connection(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms()

    async def kill_it() -> int | None:
        async with connect(lab, vm) as connection:
            sleep = await connection.create_process("sleep 100")
            vm.kill(silent=False)
            result = await asyncio.wait_for(sleep.wait(), _PATIENCE_S)
        status: int | None = result.exit_status
        return status

    assert asyncio.run(kill_it()) is None


def test_a_partition_heals_and_loses_nothing(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms()

    async def across_a_cut() -> str:
        async with (
            connect(lab, vm) as connection,
            connection.create_process("cat") as cat,
        ):
            vm.link(up=False)
            cat.stdin.write("sent into the gap\n")
            answer = asyncio.ensure_future(cat.stdout.readline())
            assert not (await asyncio.wait([answer], timeout=0.3))[0]
            vm.link(up=True)
            return str(await asyncio.wait_for(answer, _PATIENCE_S))

    assert asyncio.run(across_a_cut()) == "sent into the gap\n"


def test_a_slow_cable_holds_each_answer(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms()

    async def one_line(connection: Any) -> float:
        async with connection.create_process("cat") as cat:
            before = time.monotonic()
            cat.stdin.write("x\n")
            await cat.stdout.readline()
            return time.monotonic() - before

    async def measure() -> list[float]:
        took = []
        async with connect(lab, vm) as connection:
            for one_way_ms in (0, 50, 0):  # the connection outlives the change
                vm.delay(one_way_ms)
                took.append(await one_line(connection))
        return took

    before, slow, after = asyncio.run(measure())
    assert before < 0.09
    assert slow > 0.1
    assert after < 0.09


def test_a_lossy_cable_loses_frames_until_it_is_mended(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms()

    vm.lose(100)
    with pytest.raises((TimeoutError, OSError)):
        run(lab, vm, "true", connect_timeout=0.5)
    vm.lose(0)

    assert run(lab, vm, "echo through") == "through"


def test_a_reset_host_comes_back_with_its_disk(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms()
    run(lab, vm, "echo kept > /root/note; echo lost > /run/note")

    vm.reboot()

    assert run(lab, vm, "cat /root/note; ls /run/note") == "kept"
    assert vm.boots == 2
    assert vm.read("/root/note") == "kept\n"


def test_a_host_that_reboots_itself_comes_up_again(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms()

    run(lab, vm, "busybox reboot -f")
    lab.wait_ready(vm)

    assert run(lab, vm, "echo back") == "back"
    assert [what for name, what in lab.events() if name == vm.name] == [
        "booted",
        "rebooted",
        "booted",
    ]


def test_options_make_a_host_small_strict_and_wrong(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms(
        memory_mb=64,
        tmpfs={"/var/tmp": "1m"},
        sshd=("MaxSessions 1",),
        clock_offset_s=-3600,
        files={"/etc/motto": "small\n"},
    )
    too_much = "python3 -c 'bytearray(200 << 20)' 2>/dev/null; echo $?"
    too_big = "head -c 2M /dev/zero 2>&1 > /var/tmp/big | grep -o 'No space'"

    assert run(lab, vm, too_much) == "137"
    assert run(lab, vm, too_big) == "No space"
    assert run(lab, vm, "cat /etc/motto") == "small"
    assert time.time() - int(run(lab, vm, "date +%s")) == pytest.approx(3600, abs=5)

    async def second_session() -> None:
        async with connect(lab, vm) as connection, connection.create_process("cat"):
            await connection.run("true")

    with pytest.raises(asyncssh.ChannelOpenError):
        asyncio.run(second_session())


def test_a_bare_host_has_no_python(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms(image=images.BARE)

    assert run(lab, vm, "command -v python3 perl-nope || echo none") == "none"


def test_a_host_runs_a_container_without_a_registry(lab: Lab, vms: MakeVms) -> None:
    image = str(images.busybox_image())
    [vm] = vms(
        image="debian-podman",
        cgroups=True,
        tmpfs={"/var/lib/containers": "1g"},
        binds={image: "/mnt/busybox.tar"},
    )

    run(lab, vm, "podman load --quiet --input /mnt/busybox.tar")
    command = "podman run --rm --network=host busybox sh -c 'ls /; exit 7'; echo $?"

    found = run(lab, vm, command).split()

    assert found[-1] == "7"
    assert "home" not in found  # not the host's own root
    assert "bin" in found


def test_no_way_leads_out_of_a_lab(lab: Lab, vms: MakeVms) -> None:
    vms()

    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True)

    assert "default" not in routes.stdout


@pytest.mark.usefixtures("lab")
def test_a_closed_lab_leaves_nothing_behind() -> None:
    with Lab() as closing:
        hosts = closing.create(VmSpec(cgroups=True, cpus=0.5), VmSpec())
        folder = closing.identity_file.parent
        processes = [ended(closing.state(vm)["pid"]) for vm in hosts]
        assert traces(closing.name)  # its cgroups: so this can see something
    wait_for(*processes)

    assert traces(closing.name) == []
    assert not folder.exists()


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("victim", ["test", "daemon"])
def test_a_killed_process_takes_its_lab_along(victim: str) -> None:
    command = [sys.executable, "-c", _VICTIM]
    test = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert test.stdout is not None
        daemon, host, folder = test.stdout.readline().split()
        processes = [ended(int(pid)) for pid in (daemon, host)]
        os.kill(test.pid if victim == "test" else int(daemon), signal.SIGKILL)
        wait_for(*processes)
    finally:
        test.kill()
        test.communicate()

    if victim == "daemon":  # nobody is left to do it: the next lab does
        with Lab():
            shutil.rmtree(folder)
    assert traces(f"bl{daemon}") == []
    assert not Path(folder).exists()


@pytest.mark.usefixtures("lab")
def test_a_process_left_in_a_lab_is_named_and_ended() -> None:
    closing = Lab()
    pipe = subprocess.PIPE
    with closing.inside(), subprocess.Popen(["cat"], stdin=pipe, stdout=pipe) as stray:
        assert stray.stdin is not None
        assert stray.stdout is not None
        stray.stdin.write(b"up?\n")
        stray.stdin.flush()
        stray.stdout.readline()  # Popen returns while its exec is still under way

        assert closing.close(grace_s=0) == ["cat"]
        assert stray.wait() == -signal.SIGKILL


def test_a_host_with_systemd_runs_units_and_starts_them_again_after_a_reboot(
    lab: Lab, vms: MakeVms
) -> None:
    unit = "[Service]\nExecStart=/bin/sleep 100000\n[Install]\nWantedBy=multi-user.target\n"
    lingers = f"/var/lib/systemd/linger/{images.PLAIN_USER}"
    [vm] = vms(image=images.SYSTEMD, files={"/etc/systemd/system/kept.service": unit, lingers: ""})
    running = "systemctl is-system-running --wait"
    assert run(lab, vm, running) == "running"
    assert run(lab, vm, "systemctl enable --now kept; systemctl is-active kept") == "active"
    mine = f"XDG_RUNTIME_DIR=/run/user/1000 {running.replace('systemctl', 'systemctl --user')}"
    assert run(lab, vm, mine, username=images.PLAIN_USER) == "running"
    vm.reboot()
    assert run(lab, vm, f"{running}; systemctl is-active kept") == "running\nactive"

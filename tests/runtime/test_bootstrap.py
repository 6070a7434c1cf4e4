"""An agent is put on a node once, started once, and taken away without a trace."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batchio.errors import NodeError, Unfit
from batchio.runtime import bootstrap as bootstrapping
from batchio.runtime import program
from batchio.runtime.bootstrap import bootstrap, remove
from batchio.transports import ssh
from batchio.transports._ssh_command import command_line
from batchio.transports.local import LocalTransport
from tests.contracts.sshd import Sshd, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from batchio.ports import Completed, Transport
    from tests.testbed.client import Lab
    from tests.testbed.fixtures import MakeVms

    Scene = Callable[[Transport, str], Coroutine[Any, Any, None]]


class Counting:
    """A transport that counts commands: each is one round trip."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.where = inner.where
        self.local = inner.local
        self.python = inner.python
        self.work = inner.work
        self.trips = 0

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: Any = None,
        timeout: float | None = None,
    ) -> Completed:
        self.trips += 1
        return await self.inner.run(argv, stdin=stdin, timeout=timeout)

    async def open_unix(self, path: str, python: str = "") -> Any:
        return await self.inner.open_unix(path)

    async def wait_closed(self) -> None:
        await self.inner.wait_closed()

    async def close(self) -> None:
        await self.inner.close()


class LoggedIn(Counting):
    """This computer, by an account with this login shell."""

    def __init__(self, shell: str) -> None:
        super().__init__(LocalTransport())
        self.local = False
        self.shell = shell

    async def run(self, argv: Sequence[str], **more: Any) -> Completed:
        return await super().run([self.shell, "-c", os.fsdecode(command_line(argv))], **more)


class Elsewhere(Counting):
    """This computer, taken for another one: the whole script without SSH."""

    def __init__(self, inner: Transport) -> None:
        super().__init__(inner)
        self.local, self.python = False, ""


@pytest.fixture(params=["local", "elsewhere", "sshd"])
def play(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Scene], None]]:
    """Plays a scene on each kind of transport, with a base folder that is empty at its end."""
    base = tmp_path / "base"
    base.mkdir()

    def on(where: Callable[[], Coroutine[Any, Any, Transport]]) -> Callable[[Scene], None]:
        async def whole(scene: Scene) -> None:
            way = await where()
            try:
                await scene(way, str(base))
            finally:
                await way.close()

        return lambda scene: asyncio.run(whole(scene))

    async def here() -> Transport:
        return Counting(LocalTransport())

    async def elsewhere() -> Transport:
        return Elsewhere(LocalTransport())

    async def there() -> Transport:
        return Counting(await ssh.connect("testhost"))

    if request.param == "sshd":
        if why := missing():
            pytest.skip(why)
        with Sshd(tmp_path) as server:
            server.trust(tmp_path / "home")
            monkeypatch.setenv("HOME", str(tmp_path / "home"))
            yield on(there)
    else:
        yield on(here if request.param == "local" else elsewhere)
    assert list(base.iterdir()) == []


def pythons() -> list[str]:
    """Every Python 3 of this computer that may be asked by name."""
    folders = [*os.get_exec_path(), *map(str, Path.home().glob(".pyenv/versions/3*/bin"))]
    names = ["python3", *(f"python3.{minor}" for minor in range(16))]
    found = {os.path.realpath(f"{folder}/{name}") for folder in folders for name in names}
    return sorted(path for path in found if os.access(path, os.X_OK) and "shims" not in path)


def runs(pid: int) -> bool:
    """Whether the process lives; one that nobody has reaped yet does not."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def trips(way: Transport) -> int:
    """Round trips since the last look."""
    assert isinstance(way, Counting)
    count, way.trips = way.trips, 0
    return count


async def least_trips(way: Transport, python: str) -> int:
    """Round trips of a bootstrap: one more to send the source, not the bytecode."""
    code = "import importlib.util as u; print(u.MAGIC_NUMBER.hex())"
    theirs = await way.run([python, "-c", code])
    return 1 if bytes.fromhex(theirs.stdout.decode()) == importlib.util.MAGIC_NUMBER else 2


def test_the_same_home_has_one_agent(play: Callable[[Scene], None]) -> None:
    async def scene(way: Transport, base: str) -> None:
        first = await bootstrap(way, home_name="job1.n1", base=base)
        again = await bootstrap(way, home_name="job1.n1", base=base)
        both = trips(way)

        assert first.home == f"{base}/batchio-{os.getuid()}/job1.n1"
        assert first == again
        assert runs(first.pid)
        assert both == 2 * await least_trips(way, first.python)
        reader, writer = await way.open_unix(first.socket)
        writer.close()
        del reader
        await remove(way, "job1.n1", base=base)
        assert not runs(first.pid)

    play(scene)


def test_bootstraps_at_once_find_the_same_agent(play: Callable[[Scene], None]) -> None:
    async def scene(way: Transport, base: str) -> None:
        found = await asyncio.gather(
            *(bootstrap(way, home_name="job1.n1", base=base) for _ in range(4))
        )
        assert len(set(found)) == 1
        await remove(way, "job1.n1", base=base)

    play(scene)


def test_removing_leaves_other_homes_and_their_agent_alone(play: Callable[[Scene], None]) -> None:
    async def scene(way: Transport, base: str) -> None:
        await bootstrap(way, home_name="job1.n1", base=base)
        other = await bootstrap(way, home_name="job2.n1", base=base)
        await remove(way, "job1.n1", base=base)

        assert runs(other.pid)
        assert await bootstrap(way, home_name="job2.n1", base=base) == other
        await remove(way, "job2.n1", base=base)

    play(scene)


def test_removing_what_is_not_there_is_quiet(play: Callable[[Scene], None]) -> None:
    async def scene(way: Transport, base: str) -> None:
        await remove(way, "job1.n1", base=base)
        await bootstrap(way, home_name="job1.n1", base=base)
        await remove(way, "job1.n1", base=base)
        await remove(way, "job1.n1", base=base)

    play(scene)


def test_a_folder_that_is_not_ours_is_refused(play: Callable[[Scene], None]) -> None:
    async def scene(way: Transport, base: str) -> None:
        root = f"{base}/batchio-{os.getuid()}"
        os.symlink("/tmp", root)
        with pytest.raises(NodeError, match="belongs to somebody else, or is a link"):
            await bootstrap(way, home_name="job1.n1", base=base)
        os.unlink(root)

    play(scene)


def test_a_base_that_is_missing_is_named(play: Callable[[Scene], None]) -> None:
    async def scene(way: Transport, base: str) -> None:
        with pytest.raises(NodeError, match="No such file or directory") as caught:
            await bootstrap(way, home_name="job1.n1", base=f"{base}/nowhere")
        assert "/nowhere/batchio-" in str(caught.value)

    play(scene)


def test_a_spool_elsewhere_is_used(tmp_path: Path) -> None:
    async def scene() -> None:
        way = LocalTransport()
        spool = str(tmp_path / "spool")
        await bootstrap(way, home_name="j.1", spool=spool, base=str(tmp_path))
        await remove(way, "j.1", base=str(tmp_path))

    asyncio.run(scene())

    assert (tmp_path / "spool").is_dir()


def test_a_node_with_another_python_gets_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "compiled", lambda: b"\0\0\0\0of another Python")

    async def scene() -> None:
        way = Counting(LocalTransport())
        found = await bootstrap(way, home_name="j.1", base=str(tmp_path))
        assert trips(way) == 2
        assert runs(found.pid)
        await remove(way, "j.1", base=str(tmp_path))

    asyncio.run(scene())

    assert list(tmp_path.iterdir()) == []


def test_a_python_that_does_not_start_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrapping, "PYTHONS", ("/bin/false", "/no/such", sys.executable))

    async def scene() -> None:
        way = Elsewhere(LocalTransport())
        found = await bootstrap(way, home_name="j.1", base=str(tmp_path))
        assert found.python == sys.executable
        await remove(way, "j.1", base=str(tmp_path))

    asyncio.run(scene())


def test_the_loader_runs_on_every_python_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> str:
        found = await bootstrap(Elsewhere(LocalTransport()), home_name="j.1", base=str(tmp_path))
        await remove(Elsewhere(LocalTransport()), "j.1", base=str(tmp_path))
        return found.python

    for path in pythons():
        version = subprocess.check_output(
            [path, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"], text=True
        )
        monkeypatch.setattr(bootstrapping, "PYTHONS", (path,))
        if tuple(map(int, version.split("."))) >= (3, 8):
            assert asyncio.run(scene()) == path
        else:
            with pytest.raises(Unfit, match=f"found: {path} is Python {version.strip()}"):
                asyncio.run(scene())


@pytest.mark.parametrize("shell", ["dash", "bash", "zsh", "ksh", "tcsh", "fish"])
def test_any_login_shell_will_do(tmp_path: Path, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"NOT TESTED: apt-get install {shell}")

    async def scene() -> None:
        found = await bootstrap(LoggedIn(shell), home_name="j.1", base=str(tmp_path))
        assert runs(found.pid)
        await remove(LoggedIn(shell), "j.1", base=str(tmp_path))

    asyncio.run(scene())

    assert list(tmp_path.iterdir()) == []


def test_only_broken_pythons_are_no_fault_of_the_node_to_be_installed_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrapping, "PYTHONS", ("/bin/false",))

    async def scene() -> None:
        with pytest.raises(NodeError, match="the agent cannot start: it gave no reason"):
            await bootstrap(Elsewhere(LocalTransport()), home_name="j.1", base=str(tmp_path))

    asyncio.run(scene())


# -- on the test bed -----------------------------------------------------------------------


def on_vm(lab: Lab, ip: str, known_hosts: str, user: str, scene: Scene) -> None:
    """Play a scene on a host of the lab; its base is the real one."""

    async def whole() -> None:
        keys = (str(lab.identity_file),)
        async with await ssh.connect(ssh.SshTarget(ip, user, keys=keys, pinned=known_hosts)) as way:
            await scene(way, "/var/tmp")

    asyncio.run(whole())


@pytest.mark.parametrize("user", ["root", "alice"])
def test_nothing_is_left_on_a_host(lab: Lab, vms: MakeVms, user: str) -> None:
    [vm] = vms()

    async def scene(way: Transport, base: str) -> None:
        await bootstrap(way, home_name="j.1")
        await remove(way, "j.1")
        assert await way.run(["ls", "-A", base]) == (0, b"", b"")
        assert (await way.run(["pgrep", "-cf", "[b]atchio-agent"])).stdout == b"0\n"

    on_vm(lab, vm.ip, vm.known_hosts, user, scene)


def test_a_host_without_python_is_unfit(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms(image="debian-bare")

    async def scene(way: Transport, base: str) -> None:
        with pytest.raises(Unfit) as caught:
            await bootstrap(way, home_name="j.1")
        assert str(caught.value) == f"{vm.ip}: no python3 (3.8 or newer) found"
        assert str(caught.value.hint).startswith("install it there, for example: apt-get")
        await remove(way, "j.1")
        assert (await way.run(["ls", "-A", base])).stdout == b""

    on_vm(lab, vm.ip, vm.known_hosts, "root", scene)


OLD = """#!/bin/sh
printf '\\n@batchio old 3.6.8'
"""
"""What a Python 3.6 makes of the loader, see `test_the_loader_runs_on_every_python_3`."""


def test_a_python_that_is_too_old_is_named(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms(image="debian-bare")

    async def scene(way: Transport, base: str) -> None:
        old = "/usr/local/bin/python3"
        await way.run(["sh", "-c", f"cat > {old}; chmod 755 {old}"], stdin=OLD.encode())
        with pytest.raises(
            Unfit, match=r"no python3 \(3\.8 or newer\) found: .* is Python 3\.6\.8"
        ):
            await bootstrap(way, home_name="j.1")

    on_vm(lab, vm.ip, vm.known_hosts, "root", scene)


def test_a_full_disk_is_named(lab: Lab, vms: MakeVms) -> None:
    [vm] = vms(tmpfs={"/var/tmp": "64k,nr_inodes=1"})

    async def scene(way: Transport, base: str) -> None:
        with pytest.raises(NodeError, match="No space left on device") as caught:
            await bootstrap(way, home_name="j.1")
        assert caught.value.hint == (
            "free some space in /var/tmp, or use another folder: HOST?work=PATH"
        )

    on_vm(lab, vm.ip, vm.known_hosts, "root", scene)

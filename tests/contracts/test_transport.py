"""What every transport must do, on this computer, over a real sshd, and on a test-bed host."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from batchio.errors import Unreachable
from batchio.testing import Ends, FakeClock, ScriptedNode
from batchio.transports import ssh
from batchio.transports._ssh_command import command_line
from batchio.transports.local import LocalTransport
from tests.contracts.sshd import Sshd, missing
from tests.effort import examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from batchio.ports import Transport
    from tests.testbed.client import Lab
    from tests.testbed.fixtures import MakeVms

NASTY = [
    "",
    " two  words ",
    "$HOME",
    "`id`",
    "$(id)",
    "a'b",
    'a"b',
    "a\\b",
    "\\",
    "\n",
    "tab\there",
    "-n",
    "--",
    "*",
    "~",
    "!!",
    "#x",
    "a;b&c|d>e",
    "{a,b}",
    "é€😀",
    "\udcff\udcfe",
    "\x01",
]
WORDS = st.binary(max_size=20).filter(lambda raw: b"\0" not in raw).map(os.fsdecode)
ARGV = st.lists(st.one_of(WORDS, st.sampled_from(NASTY)), min_size=1, max_size=8)
NAP = f"sleep 7{os.getpid()}"
"""A command that no other run of the tests has."""
REFLECT = ("printf", r"%s\0")
"""Prints its words, a NUL byte after each."""
QUICK = examples(
    15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


def reflected(words: list[str]) -> bytes:
    """What REFLECT prints."""
    return b"".join(os.fsencode(word) + b"\0" for word in words)


class Way:
    """What holds for a fake as well, which runs no program of others."""

    def test_a_missing_program_is_127(self, loop: asyncio.Runner, way: Transport) -> None:
        done = loop.run(way.run(["/no/such/program"]))

        assert (done.exit_code, b"/no/such/program" in done.stderr) == (127, True)

    def test_a_socket_that_nobody_listens_at_is_unreachable(
        self, loop: asyncio.Runner, way: Transport
    ) -> None:
        with pytest.raises(Unreachable, match="nothing answers at /no/such/socket"):
            loop.run(way.open_unix("/no/such/socket"))

    def test_a_closed_way_is_unreachable(self, loop: asyncio.Runner, way: Transport) -> None:
        async def close() -> None:
            waiting = asyncio.ensure_future(way.wait_closed())
            await way.close()
            await asyncio.wait_for(waiting, 5)
            await way.close()

        loop.run(close())

        with pytest.raises(Unreachable):
            loop.run(way.run(["true"]))
        with pytest.raises(Unreachable):
            loop.run(way.open_unix("/tmp/s"))


class Contract(Way):
    """The tests; each subclass says where with its fixture `way`, and `loop` is its loop."""

    def test_a_command_runs_to_its_end(self, loop: asyncio.Runner, way: Transport) -> None:
        done = loop.run(way.run(["sh", "-c", "echo out; echo err >&2; exit 3"]))

        assert done == (3, b"out\n", b"err\n")

    def test_nasty_words_arrive_byte_for_byte(self, loop: asyncio.Runner, way: Transport) -> None:
        done = loop.run(way.run([*REFLECT, *NASTY]))

        assert done == (0, reflected(NASTY), b"")

    @QUICK
    @given(words=ARGV)
    def test_any_words_arrive_byte_for_byte(
        self, loop: asyncio.Runner, way: Transport, words: list[str]
    ) -> None:
        assert loop.run(way.run([*REFLECT, *words])).stdout == reflected(words)

    def test_a_signal_is_a_negative_exit_code(self, loop: asyncio.Runner, way: Transport) -> None:
        done = loop.run(way.run(["sh", "-c", "kill -KILL $$"]))

        assert done.exit_code == -signal.SIGKILL

    def test_a_file_that_may_not_run_is_126(self, loop: asyncio.Runner, way: Transport) -> None:
        assert loop.run(way.run(["/etc/passwd"])).exit_code == 126

    def test_without_stdin_a_command_reads_nothing(
        self, loop: asyncio.Runner, way: Transport
    ) -> None:
        assert loop.run(way.run(["cat"], timeout=10)) == (0, b"", b"")

    def test_bytes_go_in_and_come_out(self, loop: asyncio.Runner, way: Transport) -> None:
        data = os.urandom(3 << 20)

        assert loop.run(way.run(["cat"], stdin=data)).stdout == data

    def test_a_stream_is_fed_only_as_fast_as_it_is_read(
        self, loop: asyncio.Runner, way: Transport
    ) -> None:
        given = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal given
            while True:
                given += 1
                yield bytes(64 << 10)

        done = loop.run(way.run(["head", "-c", "100000"], stdin=endless(), timeout=30))

        assert len(done.stdout) == 100000
        assert given < 500  # 32 MiB: pipes, sockets and windows hold a few

    def test_a_command_need_not_read_what_it_is_given(
        self, loop: asyncio.Runner, way: Transport
    ) -> None:
        done = loop.run(way.run(["true"], stdin=bytes(8 << 20), timeout=30))

        assert done.exit_code == 0

    def test_a_source_that_fails_is_what_fails(self, loop: asyncio.Runner, way: Transport) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield b"some"
            raise OSError("the disk is gone")

        with pytest.raises(OSError, match="the disk is gone"):
            loop.run(way.run(["cat"], stdin=broken(), timeout=30))

    def test_the_timeout_kills_the_command_and_its_children(
        self, loop: asyncio.Runner, way: Transport
    ) -> None:
        with pytest.raises(TimeoutError):
            loop.run(way.run(["sh", "-c", f"{NAP} & {NAP}"], timeout=1))

        assert alive(loop, way, NAP) == 0

    def test_cancelling_kills_the_command(self, loop: asyncio.Runner, way: Transport) -> None:
        began = asyncio.Event()

        async def source() -> AsyncIterator[bytes]:
            began.set()  # nobody is fed before the command runs
            await asyncio.Event().wait()
            yield b""

        async def cancel() -> None:
            running = asyncio.ensure_future(way.run(NAP.split(), stdin=source()))
            await began.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

        loop.run(cancel())

        assert alive(loop, way, NAP) == 0

    def test_many_commands_run_at_once(self, loop: asyncio.Runner, way: Transport) -> None:
        async def many() -> list[bytes]:
            commands = (way.run(["sh", "-c", "sleep 0.05; echo $0", str(n)]) for n in range(25))
            return [done.stdout for done in await asyncio.gather(*commands)]

        assert loop.run(many()) == [b"%d\n" % n for n in range(25)]

    def test_a_unix_socket_there_answers(
        self, loop: asyncio.Runner, way: Transport, echo: str
    ) -> None:
        async def ask() -> tuple[bytes, bytes, bytes]:
            reader, writer = await way.open_unix(echo)
            writer.write(b"hello, you")
            await writer.drain()
            answer = await reader.readexactly(5), await reader.read(100), await reader.read(100)
            with pytest.raises(asyncio.IncompleteReadError):
                await reader.readexactly(1)
            writer.close()
            return answer

        assert loop.run(ask()) == (b"hello", b", you", b"")


COUNT = (
    "count=0; for file in /proc/[0-9]*/cmdline; do "
    '[ "$(tr "\\0" " " 2>&- <$file)" = "$1 " ] && count=$((count + 1)); done 2>&-; echo $count'
)
"""As `pgrep -cxf` counts, which not every computer has."""


async def alive_there(way: Transport, command: str) -> int:
    """How many processes there have exactly this command line."""
    done = await way.run(["sh", "-c", COUNT, "sh", command])
    return int(done.stdout)


def alive(loop: asyncio.Runner, way: Transport, command: str) -> int:
    """The same, once the killed ones have been reaped: at most a few seconds."""

    async def settled() -> int:
        for _ in range(100):
            if not (count := await alive_there(way, command)):
                return 0
            await asyncio.sleep(0.02)
        return count

    return loop.run(settled())


class TestScripted(Way):
    """A node of a test that has none."""

    @pytest.fixture
    def way(self, loop: asyncio.Runner) -> Transport:
        return ScriptedNode("n0", FakeClock(), lambda _: Ends()).connect()


class TestLocal(Contract):
    """This computer."""

    @pytest.fixture
    def way(self, loop: asyncio.Runner) -> Iterator[Transport]:
        way = loop.run(_here())
        yield way
        loop.run(way.close())


class TestSshd(Contract):
    """An sshd on 127.0.0.1; `lines` are further settings of it."""

    lines: tuple[str, ...] = ()
    key_options = ""

    @pytest.fixture
    def way(
        self, loop: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Transport]:
        if why := missing():
            pytest.skip(why)
        with Sshd(tmp_path, *self.lines) as server:
            (tmp_path / "authorized_keys").write_text(self.key_options + server.user_key)
            server.trust(tmp_path / "home")
            monkeypatch.setenv("HOME", str(tmp_path / "home"))
            way = loop.run(ssh.connect("testhost"))
            yield way
            loop.run(way.close())


class TestSshdWithOneSession(TestSshd):
    """MaxSessions 1: commands take turns, and sockets need no session."""

    lines = ("MaxSessions 1",)


class TestSshdWithNoise(TestSshd):
    """Start-up files that print: `ForceCommand` stands in for them."""

    lines = ("""ForceCommand sh -c 'echo hello; echo hello >&2; eval "$SSH_ORIGINAL_COMMAND"'""",)


class TestVm(Contract):
    """A host of the test bed, as a user without privileges."""

    @pytest.fixture
    def way(self, lab: Lab, vms: MakeVms, loop: asyncio.Runner) -> Iterator[Transport]:
        [vm] = vms()
        target = ssh.SshTarget(
            vm.ip, "alice", keys=(str(lab.identity_file),), pinned=vm.known_hosts
        )
        way = loop.run(ssh.connect(target))
        yield way
        loop.run(way.close())


async def _here() -> Transport:
    return LocalTransport()


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "zsh", "ksh"])
@examples(60)
@given(words=ARGV)
def test_every_login_shell_gives_the_words_back(shell: str, words: list[str]) -> None:
    if not shutil.which(shell):
        pytest.skip(f"NOT TESTED: apt-get install {shell}")
    line: Any = command_line([*REFLECT, *words])

    done = subprocess.run([shell, "-c", line], capture_output=True, check=True)

    assert done.stdout == b"\x01" + reflected(words)


def test_a_nul_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        command_line(["echo", "a\0b"])

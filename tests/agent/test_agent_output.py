"""Logs byte for byte, backpressure, outputs, full disks."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.agent.client import Client, agent, records, text, until, up, upload

if TYPE_CHECKING:
    from collections.abc import Iterator

MIX = """
import os, random
r = random.Random(int(os.environ["BATCHIO_TASK_ID"]))
for n in range(200):
    os.write(1 + n % 2, bytes(r.randrange(256) for _ in range(r.randrange(1, 2000))))
"""


def mixed(task: int) -> tuple[bytes, bytes]:
    import random

    r = random.Random(task)
    parts: tuple[list[bytes], list[bytes]] = ([], [])
    for n in range(200):
        size = r.randrange(1, 2000)
        parts[n % 2].append(bytes(r.randrange(256) for _ in range(size)))
    return b"".join(parts[0]), b"".join(parts[1])


MIX = MIX.replace("r.randrange(1, 2000))))", "size)))").replace(
    "    os.write", "    size = r.randrange(1, 2000)\n    os.write"
)


def test_interleaved_binary_output_is_kept_byte_for_byte(head: Client) -> None:
    head.setup("{python}", "-c", MIX, slots=4)
    head.start(*range(4))
    log = head.log(max(head.done(task).log_to for task in range(4)))
    for task in range(4):
        assert (text(log, task, 1), text(log, task, 2)) == mixed(task)
        done = head.done(task)
        inside = log[done.log_from : done.log_to]
        assert text(inside, task, 1) + text(inside, task, 2) == b"".join(mixed(task))
    sizes = [len(payload) for *_, payload in records(log)]
    assert max(sizes) <= 64 << 10


def test_an_attempt_that_prints_nothing_has_no_log(head: Client) -> None:
    head.setup("/bin/true")
    head.start(0)
    assert head.done(0).log_from == head.done(0).log_to == 0
    assert not list((head.home / "spool").iterdir())


def test_a_pull_waits_for_bytes_and_stops_at_its_limit(head: Client, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    head.setup("/bin/sh", "-c", f"echo one; cat {go}; echo two")
    head.send(["pull", 0, 1000])
    head.start(0)
    while 0 not in head.logs:
        head.receive()
    first = head.logs[0]
    assert text(first, 0) == b"one\n"
    go.write_text("")
    while len(first) not in head.logs:
        head.receive()
    assert text(head.logs[len(first)], 0) == b"two\n"
    head.logs.clear()
    head.send(["pull", 0, 10])
    while 0 not in head.logs:
        head.receive()
    head.sync()
    assert (head.logs[0], set(head.logs)) == (first[:10], {0})


def test_control_messages_overtake_a_flood_of_log_bytes(head: Client) -> None:
    size = 64 << 20
    head.setup("/bin/sh", "-c", f"head -c {size} /dev/zero; [ $BATCHIO_TASK_ID = 0 ]")
    head.start(0)
    end = head.done(0).log_to
    head.send(["pull", 0, end])
    head.send(["ping", 5])
    head.wait("pong")
    assert sum(map(len, head.logs.values())) < end // 2
    assert len(head.log(end)) == end


def test_logged_segments_are_removed(head: Client) -> None:
    head.setup("/bin/sh", "-c", f"head -c {150 << 20} /dev/zero")
    head.start(0)
    end = head.done(0).log_to
    spool = head.home / "spool"
    starts = sorted(int(path.name) for path in spool.iterdir())
    assert len(starts) == 3
    assert starts[0] == 0
    for start, after in itertools.pairwise(starts):
        size = (spool / f"{start:020}").stat().st_size
        assert start + size == after
        assert size <= 64 << 20
    head.send(["logged", starts[1]])
    head.sync()
    assert sorted(int(path.name) for path in spool.iterdir()) == starts[1:]
    head.send(["pull", 0, 100])
    while starts[1] not in head.logs:
        head.receive()
    head.send(["logged", end])
    head.sync()
    assert [int(path.name) for path in spool.iterdir()] == starts[2:]


def rss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) << 10
    raise AssertionError


def test_tasks_wait_when_nobody_takes_their_output(home: Path) -> None:
    pid = up(home)["pid"]
    with Client(home) as head:
        head.hello()
        # a backlog of 1 GiB; the task would print more
        total = (1 << 30) + (100 << 20)
        code = f"head -c {total} /dev/zero; exit 3"
        head.setup("/bin/sh", "-c", code)
        head.start(0)
        while head.sync()["spool"] <= (1 << 30):
            pass
        stopped = head.sync()["spool"]
        assert stopped < (1 << 30) + (2 << 20)
        for _ in range(5):
            state = head.sync()
            assert (state["spool"], state["running"]) == (stopped, 1)
        head.send(["logged", stopped])
        done = head.done(0)
        assert done.exit == 3
        assert rss(pid) < 100 << 20


def test_a_spool_elsewhere_is_never_removed_nor_limited(home: Path, tmp_path: Path) -> None:
    spool = tmp_path / "logs" / "n"
    up(home, "--spool", spool)
    with Client(home) as head:
        head.hello()
        head.setup("/bin/sh", "-c", f"head -c {70 << 20} /dev/zero")
        head.start(0)
        end = head.done(0).log_to
        head.send(["logged", end], ["bye", False])
        head.wait("bye")
    assert agent("down", home).returncode == 0
    assert sum(path.stat().st_size for path in spool.iterdir()) == end


def test_the_logs_command_prints_records_for_people(head: Client) -> None:
    head.setup("/bin/sh", "-c", "echo one; sleep 0.02; echo two >&2")
    head.start(3)
    head.done(3)
    answer = agent("logs", head.home / "spool" / f"{0:020}")
    lines = [line.split(" ", 1) for line in answer.stdout.splitlines()]
    assert [line[1] for line in lines] == ["3.1 out one", "3.1 err two"]


def outputs(head: Client, task: int, attempt: int = 1) -> dict[str, tarfile.TarInfo]:
    head.send(["fetch", task, attempt])
    _, _, _, files, size, crc = head.wait("fetched")
    stream = head.tars.pop((task, attempt))
    assert (size, crc) == (len(stream), zlib.crc32(stream))
    archive = tarfile.open(fileobj=io.BytesIO(stream))  # noqa: SIM115 - memory
    members = {member.name: member for member in archive}
    assert len(members) == files
    for member in members.values():
        file = archive.extractfile(member) if member.isfile() else None
        member.pax_headers = {"data": file.read().decode("latin-1") if file else ""}
    return members


def test_outputs_are_what_was_made_or_changed(head: Client) -> None:
    given = ("same", "edited", "data/same", "data/deep/edited", "removed")
    upload(head.home, {**{name: name for name in given}, "nothing/in/it/": ""}, mode=0o754)
    script = """
    cat edited; ls -l same | cut -c1-10; ls -d nothing/in/it
    cat same data/same > new; echo more >> edited; echo x > data/deep/edited; rm removed
    mkdir -p empty made/here; echo y > made/here/z; ln -s new made/link; mkfifo pipe
    """
    head.setup("/bin/sh", "-c", script, files=True)
    head.start(0, 1)
    done = head.done(0)
    log = head.log(max(done.log_to, head.done(1).log_to))
    assert text(log, 0) == text(log, 1) == b"edited-rwxr-xr--\nnothing/in/it\n"
    members = outputs(head, 0)
    names = ["data/deep/edited", "edited", "empty", "made/here/z", "made/link", "new"]
    assert sorted(members) == names
    assert done.files == len(names)
    assert done.bytes == sum(member.size for member in members.values())
    assert members["new"].pax_headers["data"] == "samedata/same"
    assert members["made/link"].linkname == "new"
    head.send(["discard", [[0, 1]]])
    head.sync()
    assert not (head.home / "work/0.1").exists()
    assert (head.home / "work/1.1").exists()


def test_unchanged_uploads_leave_no_folder(head: Client) -> None:
    upload(head.home, {"a": "a"})
    head.setup("/bin/cat", "a", files=True)
    head.start(*range(5))
    for task in range(5):
        assert (head.done(task).exit, head.done(task).files) == (0, 0)
    head.sync()
    assert list((head.home / "work").iterdir()) == []
    assert list((head.home / "tmp").glob("*/*")) == []


def test_large_outputs_arrive_whole(head: Client) -> None:
    head.setup("/bin/sh", "-c", "head -c 5000001 /dev/urandom > big; sha256sum < big; : > none")
    head.start(0)
    done = head.done(0)
    told = text(head.log(done.log_to), 0).split()[0].decode()
    members = outputs(head, 0)
    data = members["big"].pax_headers["data"].encode("latin-1")
    assert hashlib.sha256(data).hexdigest() == told
    assert members["none"].size == 0


def test_odd_names_travel(head: Client) -> None:
    names = ["a b", "new\nline", "é" * 60, "x" * 200, "d/" + "y" * 150]
    code = f"import os; os.mkdir('d'); [open(n, 'w').write(n) for n in {names!r}]"
    head.setup("{python}", "-c", code)
    head.start(0)
    assert head.done(0).files == len(names)
    assert {n: m.pax_headers["data"] for n, m in outputs(head, 0).items()} == {
        name: name.encode().decode("latin-1") for name in names
    }


def test_fetching_what_is_not_there_gives_an_empty_archive(head: Client) -> None:
    assert outputs(head, 9) == {}


@pytest.fixture
def tiny() -> Iterator[Path]:
    """A file system of four megabytes."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: only root may mount a small file system")
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    words = ["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=200", "tiny", str(folder)]
    if subprocess.run(words, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("NOT TESTED: a small file system cannot be mounted here")
    yield folder
    agent("down", folder / "h")
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


def test_a_full_disk_holds_tasks_until_there_is_room(tiny: Path, tmp_path: Path) -> None:
    home = tiny / "h"
    pid = up(home)["pid"]
    size = 5 << 20
    with Client(home) as head:
        head.hello()
        code = f"yes 0123456789 | head -c {size}; exit 3"
        head.setup("/bin/sh", "-c", code)
        head.start(0)
        why = ["trouble", "the log cannot be written (No space left on device); tasks wait", True]
        assert head.wait("trouble") == why
        state = head.sync()
        assert state["running"] == 1
    with Client(home, epoch=2) as head:
        head.hello()
        while head.wait("trouble") != why:
            pass  # each head is told, of other files of the agent as well
        (home / "ballast").unlink(missing_ok=True)
        subprocess.run(
            ["mount", "-o", "remount,size=40m", str(tiny)], check=True, capture_output=True
        )
        done = head.done(0)
        assert done.exit == 3
        expected = (b"0123456789\n" * (size // 11 + 1))[:size]
        assert text(head.log(done.log_to), 0) == expected
        assert ["trouble", "the log is written again", False] in head.messages
        assert rss(pid) < 100 << 20


def test_what_has_filled_the_disk_under_its_log_can_be_stopped(tiny: Path) -> None:
    home = tiny / "h"
    up(home)
    with Client(home) as head:
        head.hello()
        head.setup("/bin/sh", "-c", "echo begun; exec yes", grace=5)
        head.start(0, 1, 2)
        assert "(No space left on device); tasks wait" in head.wait("trouble")[1]
        head.send(["stop", [[0, 1], [1, 1], [2, 1]], "cancelled"])
        for task in (0, 1):
            done = head.done(task)
            assert (done.reason, done.tail) == (
                "cancelled",
                "batchio: the last output is lost: No space left on device",
            )
        assert (head.done(2).exit, head.done(2).reason) == (-15, "cancelled")
        log = head.log(max(done.log_to for done in head.dones.values()))
        assert text(log, 0).startswith(b"begun\ny\n")
        head.send(["bye", False])
        head.wait("bye")


def test_no_room_for_a_working_directory_is_said_so(tiny: Path) -> None:
    home = tiny / "h"
    up(home)
    with Client(home) as head:
        head.hello()
        head.setup("/bin/echo", "a log has begun")
        head.start(5)
        head.done(5)
        filler = 0
        try:
            while True:
                (tiny / f"f{filler}").touch()
                filler += 1
        except OSError:
            pass
        head.setup("/bin/true")
        head.start(0)
        done = head.done(0)
        assert (done.exit, done.reason) == (126, "node")
        expected = "batchio: the working directory cannot be made on this node: "
        assert done.tail == expected + "No space left on device"
        for number in range(filler):
            (tiny / f"f{number}").unlink()
        head.start(1)
        assert head.done(1).exit == 0


def test_files_that_found_no_room_are_no_outputs(tiny: Path) -> None:
    """What was unpacked by half is shorter than the user's own file, and must not come back."""
    home = tiny / "h"
    up(home)
    upload(home, {"a": "a" * 700_000, "b": "b" * 700_000})
    with Client(home) as head:
        head.hello()
        (home / "ballast").unlink(missing_ok=True)
        room = os.statvfs(tiny).f_bavail * os.statvfs(tiny).f_frsize
        (tiny / "filler").write_bytes(bytes(room - 900_000))
        head.setup("/bin/true", files=True)
        head.start(0)
        done = head.done(0)

        assert (done.exit, done.reason) == (126, "node")
        assert "No space left on device" in done.tail
        assert done.files == 0
        assert not (home / "work" / "0.1").exists()


def test_results_survive_a_full_disk_in_memory(tiny: Path) -> None:
    home = tiny / "h"
    up(home)
    with Client(home) as head:
        head.hello()
        head.setup("/bin/sh", "-c", "exit 3")
        head.start(0)
        head.done(0)
        filled = tiny / "filler"
        with filled.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 12))
            except OSError:
                pass
        head.start(*range(1, 120))
        assert {head.done(task).exit for task in range(120)} <= {3, 126}
        head.sync()
        filled.unlink()
        head.start(200)
        head.done(200)
        head.sync()
    with Client(home) as again:
        again.hello()
        assert again.done(119).task == 119
    assert until(home / "results").read_bytes()

"""The agent's loop does a slice of work a turn, however much there is: work is counted, not timed.

What a slice asks the operating system for is counted in this process; of a real agent, that
it answers pings meanwhile.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from batchio.agent import bundle, files, folders
from batchio.agent.attempts import Attempt, Attempts
from batchio.agent.chores import SLICE, SLICE_BYTES, Chores
from batchio.agent.wire import Fetch
from tests.agent.client import Client, up, upload
from tests.agent.test_agent_output import outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MANY = 20 * SLICE


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the rooms of files asked the operating system, since it was last emptied."""
    count: Counter[str] = Counter()

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **more: Any) -> Any:
            count[name] += 1
            return real(*args, **more)

        return call

    for name in ("lstat", "open", "mkdir", "pread", "sendfile", "chmod", "fchmod", "unlink"):
        monkeypatch.setattr(os, name, counted(name))
    return count


def slices(work: Iterator[Any], calls: Counter[str]) -> list[int]:
    """System calls of each slice; a slice is what a turn of the loop does."""
    found = []
    calls.clear()
    for _ in work:
        found.append(sum(calls.values()))
        calls.clear()
    return [*found, sum(calls.values())]


def crowd(folder: Path, count: int = MANY) -> bytes:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06}").touch()
    return os.fsencode(folder)


def test_chores_take_turns_and_each_turn_does_one_slice() -> None:
    done: list[str] = []

    def work(name: str, times: int) -> Iterator[None]:
        for _ in range(times):
            done.append(name)
            yield
        done.append(name.upper())

    all_of_them = Chores()
    for name, times in (("a", 2), ("b", 0), ("c", 3)):
        all_of_them.do(work(name, times))
    assert done == ["a", "B", "c"]
    all_of_them.turn()
    assert done[3:] == ["a"]
    while all_of_them.waiting:
        all_of_them.turn()
    assert done[3:] == ["a", "c", "A", "c", "C"]


def test_looking_at_what_an_attempt_left_goes_by_slices(
    tmp_path: Path, calls: Counter[str]
) -> None:
    left = crowd(tmp_path / "left")
    found = [one for one in files.outputs(left, None, []) if one]
    assert [path for path, _ in found] == sorted(os.listdir(left))
    between = slices(iter_slices(files.outputs(left, None, [])), calls)
    assert len(between) >= MANY // SLICE
    assert max(between) <= 2 * SLICE


def iter_slices(found: Iterator[Any]) -> Iterator[None]:
    """As the record is made."""
    for seen, _ in enumerate(found, 1):
        if seen % SLICE == 0:
            yield


def test_sending_what_an_attempt_left_goes_by_slices(tmp_path: Path, calls: Counter[str]) -> None:
    left = crowd(tmp_path / "left")
    fetch = Fetch((0, 1), files.tar(left, None, []), 0, [])
    most = pieces = 0
    ended = False
    while not ended:
        calls.clear()
        data, ended = fetch.next()
        assert len(data) <= files.DATA_FRAME
        most, pieces = max(most, sum(calls.values())), pieces + 1
    assert (fetch.files, fetch.lacking) == (MANY, [])
    assert most <= 2 * SLICE


def test_files_that_were_uploaded_are_neither_read_nor_written_at_one_go(
    tmp_path: Path, calls: Counter[str]
) -> None:
    from batchio.submit.bundle import Bundle, Item

    packed = Bundle()
    for number in range(MANY):
        packed.add(f"d/{number}", Item(b"x", 1, 0o644, str(number)))
    big = 3 * SLICE_BYTES
    packed.add("big", Item(bytes(big), big, 0o644, "big"))
    packed.pack(tmp_path / "tar")
    (tmp_path / "work").mkdir()
    given = bundle.Bundle(os.fsencode(tmp_path / "tar"))
    between = slices(given.unpack(os.fsencode(tmp_path / "work")), calls)
    assert len(between) >= 2 * MANY // SLICE + big // SLICE_BYTES
    assert max(between) <= 4 * SLICE
    assert len(os.listdir(tmp_path / "work/d")) == MANY


def test_a_large_tree_is_left_to_somebody_else(tmp_path: Path, calls: Counter[str]) -> None:
    left = crowd(tmp_path / "left")
    assert folders.remove(left, 256) == -1
    assert 0 < calls["unlink"] <= 256


def test_a_home_with_very_much_in_it_is_left_while_the_head_is_heard(head: Client) -> None:
    make = f"import os; [os.close(os.open(str(n), os.O_CREAT)) for n in range({MANY})]"
    head.setup("{python}", "-c", make)
    head.start(0)
    head.done(0)
    head.send(["bye", False])
    assert head.wait("bye") == ["bye", ""]
    assert not head.home.parent.exists()


def test_what_an_agent_leaves_is_removed_by_somebody_else_when_it_is_much(
    tmp_path: Path, calls: Counter[str]
) -> None:
    asked: list[list[bytes]] = []

    class Asked:
        def run(self, argv: list[bytes]) -> None:
            asked.append(argv)

    rooms: Any = folders.Folders(Asked(), None, str(tmp_path))  # type: ignore[arg-type]
    crowd(tmp_path / "work/0.1")
    calls.clear()
    rooms.remove_all()
    assert [argv[-1] for argv in asked] == [os.fsencode(tmp_path / "work")]
    assert calls["unlink"] <= SLICE
    assert not (tmp_path / "tmp").exists(), "the little goes at once"


def test_stopping_each_of_many_in_the_queue_looks_at_it_alone() -> None:
    """By the number of comparisons: a queue that is searched would make a billion."""

    class Key(tuple[int, int]):
        compared = 0

        __hash__ = tuple.__hash__

        def __eq__(self, other: object) -> bool:
            Key.compared += 1
            return tuple.__eq__(self, other)

    waiting = Attempts()
    every = [Attempt(Key((task, 1)), str(task), None, b"/home") for task in range(30_000)]
    for attempt in every:
        waiting.add(attempt)
    for attempt in reversed(every):
        waiting.withdraw([attempt])
    assert (len(waiting.queue), len(waiting.known)) == (0, 0)
    assert Key.compared < 10 * len(every)


def test_a_ping_is_answered_while_an_attempt_leaves_very_many_files(head: Client) -> None:
    """The answer comes before its record, in one of some rounds at least.

    An agent that looks at all files in one go never answers in between; this client may come
    too late for once on a busy computer.
    """
    files = 4 * MANY
    make = f"import os; [os.close(os.open(str(n), os.O_CREAT)) for n in range({files})]"
    head.setup("{python}", "-c", make + "; print('made')")
    for task in range(5):
        seen = len(head.logs)
        head.send(["pull", sum(map(len, head.logs.values())), 1000])
        head.start(task)
        while len(head.logs) == seen:
            head.receive()
        head.sync()
        in_between = (task, 1) not in head.dones
        assert head.done(task).files == files
        if in_between:
            return
    pytest.fail("the ping waited until all files had been looked at, five times")


def test_a_ping_is_answered_while_very_many_wait_and_are_cancelled(head: Client) -> None:
    head.setup("/bin/sleep", "1000", slots=1)
    for begin in range(0, 100_000, 10_000):
        head.start(*range(begin, begin + 10_000))
    assert head.sync()["queued"] == 99_999
    head.send(["stop", [[task, 1] for task in range(100_000)], "cancelled"])
    head.sync()
    assert {head.done(task).reason for task in range(100_000)} == {"cancelled"}


def test_files_come_to_an_attempt_while_others_are_heard(home: Path) -> None:
    up(home)
    with Client(home) as head:
        head.hello()
        upload(home, {f"d/{number}": "x" for number in range(MANY)})
        head.setup("/bin/true", files=True)
        head.start(0, 1)
        pongs = 0
        while len(head.dones) < 2:
            head.sync()
            pongs += 1
        assert pongs >= 3
        assert (head.done(0).files, head.done(1).files) == (0, 0)


def test_an_attempt_that_is_stopped_while_its_files_come_never_begins(home: Path) -> None:
    up(home)
    with Client(home) as head:
        head.hello()
        upload(home, {f"d/{number}": "x" for number in range(MANY)})
        head.setup("/bin/true", files=True)
        head.start(0)
        head.send(["stop", [[0, 1]], "cancelled"])
        done = head.done(0)
        assert (done.exit, done.reason, done.files) == (-15, "cancelled", 0)
        head.start(1)
        assert head.done(1).exit == 0


def test_files_with_holes_are_sent_as_holes(head: Client) -> None:
    make = "import os; f = open('s', 'wb'); f.seek(1 << 30); f.write(b'end'); f.truncate(2 << 30)"
    head.setup("{python}", "-c", make)
    head.start(0)
    assert head.done(0).bytes == 2 << 30
    head.send(["fetch", 0, 1])
    size = head.wait("fetched")[4]
    assert size < 1 << 20
    import io
    import tarfile

    archive = tarfile.open(fileobj=io.BytesIO(head.tars[0, 1]))  # noqa: SIM115 - memory
    (member,) = archive
    assert (member.name, member.size) == ("s", 2 << 30)
    file = archive.extractfile(member)
    assert file is not None
    file.seek(1 << 30)
    assert file.read(4) == b"end\0"


def test_empty_folders_come_back(head: Client) -> None:
    head.setup("/bin/mkdir", "-p", "a/b", "c")
    head.start(0)
    assert head.done(0).files == 2
    assert {name: member.isdir() for name, member in outputs(head, 0).items()} == {
        "a/b": True,
        "c": True,
    }

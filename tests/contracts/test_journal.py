"""What every journal must do, whatever it is kept in. Each kind joins by a `Kind` below."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from batchio.buckets import check, open_bucket
from batchio.errors import JournalDown, LeaseHeld
from batchio.stores.bucket_journal import BucketJournal, create_journal
from batchio.stores.bucket_reader import BucketReader
from batchio.stores.folder import FolderWorkspace
from batchio.testing import MemoryEvents, MemoryWorkspace
from tests.making import make

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchio.ports import Journal, JournalReader

JOB = "2b7l9lg7dl"


@dataclass
class Kind:
    """One kind of journal, holding one new job with one event."""

    take: Callable[[], Journal]
    reader: Callable[[], JournalReader]
    taking: str = ""
    """Python source that takes the lease in another process, as `journal`; "": none can."""


FIRST = '["first"]'


def sqlite_kind(folder: Path) -> Kind:
    workspace = FolderWorkspace(folder)
    store = workspace.job(make(workspace, JOB, [FIRST]))
    return Kind(
        take=store.lead,
        reader=store.reader,
        taking="from batchio.stores.folder import FolderWorkspace\n"
        f"journal = FolderWorkspace({str(folder)!r}).job({JOB!r}).lead()\n",
    )


def memory_kind(folder: Path) -> Kind:
    workspace = MemoryWorkspace(folder)
    store = workspace.job(make(workspace, JOB, [FIRST]))
    return Kind(take=store.lead, reader=store.reader)


def bucket_kind(_: Path) -> Kind:
    bucket = open_bucket(check("memory:///"), patience=1.0)
    create_journal(bucket, JOB, [FIRST])
    return Kind(take=lambda: BucketJournal(bucket, JOB), reader=lambda: BucketReader(bucket, JOB))


@pytest.fixture(
    params=[sqlite_kind, memory_kind, bucket_kind], ids=["sqlite", "memory", "bucket in memory"]
)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    make: Callable[[Path], Kind] = request.param
    return make(tmp_path)


@pytest.fixture(params=[sqlite_kind], ids=["sqlite"])
def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """A kind that other processes can take, and that outlives them."""
    make: Callable[[Path], Kind] = request.param
    return make(tmp_path)


@pytest.fixture
def silent(tmp_path: Path) -> tuple[Kind, MemoryEvents]:
    """A kind that can be made not to answer."""
    kind = memory_kind(tmp_path)
    past = kind.reader()
    assert isinstance(past, MemoryEvents)
    return kind, past


def bodies(kind: Kind) -> list[str]:
    """All events as another process would read them; their numbers have no gaps."""
    reader = kind.reader()
    try:
        rows = reader.read()
    finally:
        reader.close()
    assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
    return [body for _, body in rows]


def start(source: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def line_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().rstrip("\n")


def end(child: subprocess.Popen[str]) -> str:
    """Kill the child as `kill -9` does; what it had still printed."""
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate()
    return rest


# --- writing and reading -------------------------------------------------------------


@pytest.mark.asyncio
async def test_what_is_appended_is_read_in_order_and_numbered_without_gaps(kind: Kind) -> None:
    journal = kind.take()
    await journal.append(["a", "b"])
    await journal.append(["c"])

    assert bodies(kind) == [FIRST, "a", "b", "c"]
    await journal.close()


@pytest.mark.asyncio
async def test_a_text_comes_back_character_for_character(kind: Kind) -> None:
    odd = '["naïve\\u0000 \U0001f600", "line\nline\r\n", "\'; DROP"]'
    journal = kind.take()
    await journal.append([odd])
    await journal.close()

    assert bodies(kind)[-1] == odd


@pytest.mark.asyncio
async def test_a_reader_goes_on_from_where_it_was(kind: Kind) -> None:
    journal = kind.take()
    await journal.append(["a", "b", "c", "d"])
    reader = kind.reader()

    assert reader.last() == 5
    assert reader.read(2, 2) == [(3, "b"), (4, "c")]
    assert reader.read(4) == [(5, "d")]
    assert reader.read(5) == []
    reader.close()
    await journal.close()


@pytest.mark.asyncio
async def test_an_empty_batch_is_nothing(kind: Kind) -> None:
    journal = kind.take()
    await journal.append([])
    await journal.close()

    assert bodies(kind) == [FIRST]


@pytest.mark.asyncio
async def test_a_reader_that_follows_sees_every_event_once_while_they_are_written(
    kind: Kind,
) -> None:
    journal = kind.take()
    reader = kind.reader()
    seen = reader.read()
    wanted = [FIRST, *(str(n) for n in range(300))]

    def follow() -> None:
        while len(seen) < len(wanted):
            seen.extend(reader.read(seen[-1][0]))

    following = asyncio.create_task(asyncio.to_thread(follow))
    for n in range(0, 300, 3):
        await journal.append([str(n), str(n + 1), str(n + 2)])
    await following

    assert [body for _, body in seen] == wanted
    reader.close()
    await journal.close()


@pytest.mark.asyncio
async def test_a_reader_opened_before_a_crash_goes_on_with_the_next_head(lasting: Kind) -> None:
    reader = lasting.reader()
    child = start(
        f"import asyncio\n{lasting.taking}"
        "asyncio.run(journal.append(['a']))\nprint('written', flush=True)\ninput()"
    )
    assert line_of(child) == "written"
    assert reader.read(1) == [(2, "a")]
    end(child)

    journal = lasting.take()
    await journal.append(["b"])

    assert reader.read(1) == [(2, "a"), (3, "b")]
    reader.close()
    await journal.close()


# --- a store that does not answer ------


@pytest.mark.asyncio
@pytest.mark.parametrize("written", [False, True], ids=["lost before", "lost after"])
async def test_a_batch_without_an_answer_is_appended_again_and_stands_once(
    silent: tuple[Kind, MemoryEvents], *, written: bool
) -> None:
    kind, past = silent
    journal = kind.take()
    past.down, past.deaf = not written, written
    for _ in range(3):
        with pytest.raises(JournalDown):
            await journal.append(["a", "b"])
    await journal.snapshot(b"is no error")
    past.down = past.deaf = False
    await journal.append(["a", "b"])
    await journal.append(["a", "b"])  # a batch of its own

    assert bodies(kind) == [FIRST, "a", "b", "a", "b"]
    await journal.close()


# --- snapshots -----------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_new_job_has_no_snapshot(kind: Kind) -> None:
    reader = kind.reader()
    assert reader.snapshot() is None
    reader.close()


@pytest.mark.asyncio
async def test_a_snapshot_says_after_which_event_it_was_taken(kind: Kind) -> None:
    journal = kind.take()
    await journal.append(["a"])
    await journal.snapshot(b"old")
    await journal.append(["b"])
    await journal.snapshot(b"\0new")
    await journal.append(["c"])
    reader = kind.reader()

    assert reader.snapshot() == (3, b"\0new")
    assert reader.read(3) == [(4, "c")]
    reader.close()
    await journal.close()


# --- the lease -----------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_second_head_in_the_same_process_is_refused(kind: Kind) -> None:
    journal = kind.take()

    with pytest.raises(
        LeaseHeld, match=f"another process runs job {JOB} .process {os.getpid()} on"
    ):
        kind.take()
    await journal.close()


@pytest.mark.asyncio
async def test_a_second_head_in_another_process_is_refused_and_told_which(lasting: Kind) -> None:
    journal = lasting.take()
    child = start(lasting.taking.replace("journal =", "try:\n  journal =") + (
        "except Exception as err: print(type(err).__name__, err)"
    ))  # fmt: skip
    said, _ = child.communicate()

    assert said.startswith(f"LeaseHeld another process runs job {JOB} (process {os.getpid()} on ")
    await journal.append(["still mine"])
    await journal.close()


@pytest.mark.asyncio
async def test_the_lease_is_free_once_it_was_let_go(kind: Kind) -> None:
    journal = kind.take()
    await journal.close()
    await journal.close()

    with pytest.raises(LeaseHeld):
        await journal.append(["too late"])
    await kind.take().close()
    assert bodies(kind) == [FIRST]


@pytest.mark.asyncio
async def test_each_head_has_an_epoch_one_above_the_last(kind: Kind) -> None:
    epochs = []
    for _ in range(3):
        journal = kind.take()
        epochs.append(journal.epoch)
        await journal.snapshot(b"the epoch is no part of the state")
        await journal.close()

    assert epochs == [1, 2, 3]


# --- kill -9 -------------------------------------------------------------------------

WRITER = """
import asyncio, json, sys
async def write():
    print("epoch", journal.epoch, flush=True)
    n = int(sys.stdin.readline())
    while True:
        await journal.append([json.dumps([n, part]) for part in range(5)])
        print(n, flush=True)
        n += 1
        if n % 7 == 0:
            await journal.snapshot(json.dumps(n).encode())
asyncio.run(write())
"""


def test_kill_9_loses_nothing_that_was_acknowledged_and_leaves_no_part_of_a_batch(
    lasting: Kind,
) -> None:
    acknowledged = -1
    for round_, acks in enumerate((0, 1, 2, 3, 5, 8, 13, 21, 34, 55), start=1):
        child = start(lasting.taking + WRITER)
        assert line_of(child) == f"epoch {round_}"
        batches = (len(bodies(lasting)) - 1) // 5
        assert child.stdin is not None
        child.stdin.write(f"{batches}\n")
        child.stdin.flush()
        for _ in range(acks):
            acknowledged = int(line_of(child))
        printed = end(child).split("\n")[:-1]
        acknowledged = int(printed[-1]) if printed else acknowledged

        kept = [json.loads(body) for body in bodies(lasting)[1:]]
        assert kept == [[n, part] for n in range(len(kept) // 5) for part in range(5)]
        assert len(kept) % 5 == 0
        assert len(kept) // 5 - 1 >= acknowledged

        reader = lasting.reader()
        snapshot = reader.snapshot()
        reader.close()
        if snapshot is not None:
            seq, state = snapshot
            assert seq == 1 + 5 * int(state)
    assert acknowledged > 100

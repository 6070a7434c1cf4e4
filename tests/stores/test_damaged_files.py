"""Whatever bytes a file of a job has: it is read as it was, left out, or named; never believed."""

from __future__ import annotations

import json
import os
from contextlib import closing
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given

from batchio.core import events as ev
from batchio.core.checks import LARGEST
from batchio.errors import BatchioError, JournalCorrupt
from batchio.stores.folder import FolderWorkspace
from batchio.stores.inbox import Inbox
from batchio.stores.inputs import FolderInputs, write_inputs
from batchio.stores.last_words import RESERVE_BYTES, read_last_words, write_last_words
from batchio.stores.lease import Lease, holder
from batchio.stores.log_records import HEADER, LAST_TIME, STDERR, STDOUT, read_records
from batchio.stores.logs import LINES, all_printed
from batchio.stores.placed import FolderPlacedFiles
from tests.damage import SEEDS, anything, changed, damaged, dices, flipped
from tests.effort import examples
from tests.making import make
from tests.stores.spools import Spool, made_logs

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.stores.folder_job import FolderJobStore

JOB = "2b7l9lg7dl"
DEEP = b"[" * 100_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FolderJobStore:
    """A job with three events; tests of this module take turns with its files."""
    workspace = FolderWorkspace(tmp_path_factory.mktemp("ws"))
    make(workspace, JOB, [ev.encode(ev.HeadStarted(1.0, n, "host", 7)) for n in range(3)])
    return workspace.job(JOB)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


# --- the snapshot ------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_no_bit_of_a_snapshot_may_be_another_one(store: FolderJobStore) -> None:
    journal = store.lead()
    await journal.snapshot(b"state")
    await journal.close()
    path = store.folder / "snapshot"
    whole = path.read_bytes()

    with closing(store.reader()) as reader:
        assert reader.snapshot() == (3, b"state")
        for bit in range(len(whole) * 8):
            at = bit // 8
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit % 8]) + whole[at + 1 :])
            assert reader.snapshot() is None, f"bit {bit}"


# --- what is shown -----------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", DEEP, b"9" * 5000, b'{"a": 1'])
def test_what_is_shown_and_makes_no_sense_counts_as_nothing(
    store: FolderJobStore, content: bytes
) -> None:
    (store.folder / "loads.json").write_bytes(content)

    assert store.shown("loads") == {}


# --- requests ----------------------------------------------------------------------------


@examples(40)
@given(seed=SEEDS)
def test_a_damaged_request_is_one_or_is_set_aside_and_hides_no_other(
    folder: Path, seed: int
) -> None:
    inbox = Inbox(folder / "inbox")
    (folder / "inbox").mkdir(exist_ok=True)
    kept = inbox.post({"kind": "cancel"})
    true = json.dumps({"kind": "retry", "tasks": [1, 2], "attempts": [1, 1], "by": {"pid": 7}})
    for dice, _ in zip(dices(seed), range(4), strict=False):
        (folder / "inbox" / "1.json").write_bytes(damaged(dice, true.encode()))
        found = dict(inbox.requests())
        assert found.pop(kept) == {"kind": "cancel"}
        assert all(isinstance(request, dict) for request in found.values())
    inbox.drop(kept)
    inbox.drop("1.json")
    assert inbox.requests() == []


def test_a_request_as_deep_as_no_program_writes_it_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_bytes(b'{"kind":' + DEEP)

    assert Inbox(tmp_path).requests() == []
    assert (tmp_path / "unreadable" / "1.json").exists()


# --- inputs ------------------------------------------------------------------------------


@examples(60)
@given(seed=SEEDS)
def test_damaged_inputs_are_named_or_read_and_never_of_an_absurd_size(
    folder: Path, seed: int
) -> None:
    values = [json.dumps({"A": "x" * n, "B": "y"}).encode() for n in range(5)]
    write_inputs(folder, values, "a list")
    whole = {name: (folder / name).read_bytes() for name in ("inputs", "inputs.index")}
    for dice, _ in zip(dices(seed), range(4), strict=False):
        name = dice.choice(list(whole))
        for file, data in whole.items():
            spoil = dice.choice([damaged, flipped])
            (folder / file).write_bytes(spoil(dice, data) if file == name else data)
        try:
            with closing(FolderInputs(folder)) as inputs:
                for task in range(min(inputs.count, 9)):
                    assert len(inputs.raw(task)) <= len(whole["inputs"]) + 6
                    record = inputs.record(task)
                    assert all(isinstance(value, str) for value in record.values())
        except JournalCorrupt as err:
            assert str(err) == f"the inputs in {folder} are damaged"  # noqa: PT017


# --- files that the job has put in place -------------------------------------------------


@examples(60)
@given(seed=SEEDS)
def test_a_damaged_line_about_placed_files_hides_no_other(folder: Path, seed: int) -> None:
    true = [7, "a/b", 32768, 5, 1700000000000000000]
    lines = [json.dumps(true), '[7, "c", 32768, 6, -1]']
    for dice in dices(seed):
        values = changed(dice, true[1:], ["a"])
        odd = json.dumps([7, *values] if isinstance(values, list) else [7, anything(dice)])
        lines.insert(1, odd if dice.randrange(2) else odd[: dice.randrange(len(odd))])
    (folder / "placed").mkdir(exist_ok=True)
    (folder / "placed" / "0").write_text("\n".join(lines), "utf-8")

    found = FolderPlacedFiles(folder).of(7)

    assert (32768, 5, 1700000000000000000) in found["a/b"]
    assert (32768, 6, -1) in found["c"]
    assert all(type(path) is str for path in found)
    numbers = [number for stamps in found.values() for stamp in stamps for number in stamp]
    assert all(type(number) is int and abs(number) <= LARGEST for number in numbers)


# --- last words, and who leads -----------------------------------------------------------


def test_last_words_of_any_bytes_are_text_and_a_folder_in_their_place_is_none(
    tmp_path: Path,
) -> None:
    assert read_last_words(tmp_path) is None
    write_last_words(tmp_path, "the disk is full")
    assert read_last_words(tmp_path) == "the disk is full"
    (tmp_path / "stopped.txt").write_bytes(os.urandom(RESERVE_BYTES * 3))
    assert 0 < len(read_last_words(tmp_path) or "") <= RESERVE_BYTES
    (tmp_path / "stopped.txt").unlink()
    (tmp_path / "stopped.txt").mkdir()
    assert read_last_words(tmp_path) is None


@pytest.mark.parametrize("line", [b"", b"\xff\xfe", b"x y z", "² host".encode(), b"9" * 300])
def test_whoever_holds_the_lease_is_a_holder_whatever_the_file_says(
    tmp_path: Path, line: bytes
) -> None:
    lease = Lease(tmp_path)
    (tmp_path / "head.lock").write_bytes(line)

    assert holder(tmp_path) is not None
    lease.release()


# --- logs --------------------------------------------------------------------------------


@examples(200)
@given(seed=SEEDS)
def test_a_damaged_log_gives_records_that_can_be_shown_and_all_before_the_damage(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    dice, logs = Random(seed), made_logs("memory", tmp_path_factory.getbasetemp())
    lines = [b"line %d\n" % n for n in range(20)]
    now = 18 * 10**14
    records = [HEADER.pack(len(line), n, 1, STDOUT, 0, now) + line for n, line in enumerate(lines)]
    whole = b"".join(records)
    hurt = dice.choice([damaged, flipped])(dice, whole)
    Spool(logs, 0).append(hurt)
    same = next((at for at, (a, b) in enumerate(zip(whole, hurt, strict=False)) if a != b), 0)
    ends = accumulate(map(len, records))
    sound = sum(end <= same for end in ends)

    found = list(read_records(logs, 0, block=dice.choice([64, 1 << 20])))
    shown = list(all_printed(logs, LINES))

    assert [record.payload for record in found[:sound]] == lines[:sound]
    for record in found:
        assert record.stream in (STDOUT, STDERR)
        assert record.time <= LAST_TIME
    json.dumps([line._asdict() for line in shown], allow_nan=False)


def test_a_record_of_a_time_that_no_calendar_has_is_passed_over(tmp_path: Path) -> None:
    logs = made_logs("folder", tmp_path)
    spool, now = Spool(logs, 0), 18 * 10**14
    for time in (now, 1 << 63, now):
        spool.append(HEADER.pack(2, 0, 1, STDOUT, 0, time) + b"x\n")

    assert [record.time for record in read_records(logs, 0)] == [now, now]


# --- the journal as a file ---------------------------------------------------------------


@examples(60)
@example(seed=135)  # the name of a table is no text
@given(seed=SEEDS)
def test_a_damaged_journal_file_is_read_as_it_was_or_named(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    dice, root = Random(seed), tmp_path_factory.mktemp("ws")
    workspace = FolderWorkspace(root)
    told = [ev.encode(ev.Noted(float(n), "x" * n)) for n in range(30)]
    make(workspace, JOB, told)
    path = workspace.job(JOB).folder / "journal.sqlite"
    data = path.read_bytes()
    for _ in range(dice.randrange(1, 4)):
        data = flipped(dice, data)
    path.write_bytes(data[: dice.randrange(len(data))] if not dice.randrange(5) else data)

    try:
        with closing(workspace.job(JOB).reader()) as reader:
            rows: dict[int, Any] = dict(reader.read())
    except BatchioError as err:
        assert str(path) in str(err)  # noqa: PT017
    else:
        assert all(body in ("", told[seq - 1]) for seq, body in rows.items() if seq <= len(told))

"""Logs come back as lines in their order, and byte for byte, while they are being written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.agent import spool as agent_spool
from batchio.stores import logs as log_reader
from batchio.stores.folder_logs import FolderLogs
from batchio.stores.log_records import HEADER, STDERR, STDOUT, Select, read_records
from batchio.stores.logs import (
    LINES,
    RAW,
    LogFollower,
    LogLine,
    all_printed,
    last_lines,
    node_printed,
)
from tests.stores.spools import Logs, MirroredLogs, Spool, made_logs, texts

if TYPE_CHECKING:
    from pathlib import Path


# --- lines ---------------------------------------------------------------------------


def test_a_line_has_its_task_attempt_stream_time_and_node(logs: Logs) -> None:
    spool = Spool(logs, 3)
    spool.print(12.5, 7, b"hello\n")
    spool.print(13.25, 8, b"oops\n", STDERR)

    assert list(all_printed(logs, LINES)) == [
        LogLine(7, 1, "stdout", 12.5, "hello", 3),
        LogLine(8, 1, "stderr", 13.25, "oops", 3),
    ]


def test_parts_of_a_line_are_joined_per_task_and_stream(logs: Logs) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 1, b"one ")
    spool.print(2, 2, b"two ")
    spool.print(3, 1, b"error ", STDERR)
    spool.print(4, 1, b"more\nnext")
    spool.print(5, 2, b"more\n")
    spool.print(6, 1, b"text\n", STDERR)

    assert [(line.time, line.text) for line in all_printed(logs, LINES)] == [
        (4, "one more"), (5, "two more"), (6, "error text"), (4, "next"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"10%\r20%\rdone\n", ["10%\r20%\rdone"]),
        (b"\n\n", ["", ""]),
        (b"\xff\xc3\xa4\n", ["�ä"]),
        (b"no newline", ["no newline"]),
        (b"", []),
    ],
)
def test_bytes_become_lines(logs: Logs, data: bytes, lines: list[str]) -> None:
    Spool(logs, 0).print(1, 0, data)

    assert texts(all_printed(logs, LINES)) == lines


def test_a_carriage_return_and_its_newline_may_come_apart(logs: Logs) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 0, b"a\r")
    spool.print(2, 0, b"\nb")

    assert texts(all_printed(logs, LINES)) == ["a", "b"]


@given(
    kind=st.sampled_from(["folder", "memory", "bucket"]),
    parts=st.lists(st.binary(max_size=9), max_size=9),
    block=st.sampled_from([21, 64, 1 << 20]),
    roll=st.booleans(),
)
def test_however_the_bytes_are_cut_up_the_lines_are_those_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, kind: str, parts: list[bytes], block: int, roll: bool
) -> None:
    logs = made_logs(kind, tmp_path_factory.mktemp("logs"))
    spool = Spool(logs, 0)
    for part in parts:
        spool.print(1, 0, part)
        if roll:
            spool.roll()
    whole = b"".join(parts).split(b"\n")
    wanted = whole if whole[-1] else whole[:-1]

    assert texts(node_printed(logs, LINES, 0, block=block)) == [
        line.removesuffix(b"\r").decode(errors="replace") for line in wanted
    ]
    assert b"".join(piece.data for piece in node_printed(logs, RAW, 0)) == b"".join(parts)


def test_an_endless_line_comes_in_pieces(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "LONGEST_LINE", 10)
    spool = Spool(logs, 0)
    for _ in range(5):
        spool.print(1, 0, b"12345678")

    assert texts(all_printed(logs, LINES)) == ["1234567812345678"] * 2 + ["12345678"]


def test_a_million_tasks_that_end_without_a_newline_are_not_all_held(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "MOST_OPEN", 2)
    spool = Spool(logs, 0)
    for task in range(4):
        spool.print(task, task, b"%d" % task)
    spool.print(9, 9, b"nine\n")

    assert texts(all_printed(logs, LINES)) == ["0", "1", "nine", "2", "3"]


# --- of one task ---------------------------------------------------------------------


def test_one_task_is_read_from_its_own_place(logs: Logs) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 1, b"before\n")
    begin, _ = spool.print(2, 5, b"mine\n")
    spool.print(3, 2, b"between\n")
    _, end = spool.print(4, 5, b"too\n", STDERR)
    spool.print(5, 5, b"after\n")

    assert texts(node_printed(logs, LINES, 0, begin, end, Select(task=5))) == ["mine", "too"]
    assert texts(node_printed(logs, LINES, 0, begin, end, Select(5, 1, STDERR))) == ["too"]
    assert texts(node_printed(logs, LINES, 0, begin, end, Select(5, 2))) == []
    assert texts(node_printed(logs, LINES, 0, begin, begin)) == []


def test_a_stream_comes_back_byte_for_byte(logs: Logs) -> None:
    spool = Spool(logs, 0)
    parts = [bytes([n, 10, 255 - n]) * 1000 for n in range(50)]
    for part in parts:
        spool.print(1, 3, part)
        spool.print(1, 3, b"noise", STDERR)
        spool.print(1, 4, b"others")
        spool.roll()

    found = node_printed(logs, RAW, 0, select=Select(3, 1, STDOUT))
    assert b"".join(piece.data for piece in found) == b"".join(parts)


# --- of many nodes -------------------------------------------------------------------


def test_nodes_are_merged_by_time(logs: Logs) -> None:
    for node in (0, 2, 10):
        spool = Spool(logs, node)
        for n in range(3):
            spool.print(n * 10 + node, node, b"%d\n" % (n * 10 + node))

    assert logs.nodes() == [0, 2, 10]
    assert texts(all_printed(logs, LINES)) == ["0", "2", "10", "10", "12", "20", "20", "22", "30"]


def test_a_job_without_logs_has_no_lines(logs: Logs) -> None:
    assert logs.nodes() == []
    assert list(all_printed(logs, LINES)) == []
    assert last_lines(logs, 5) == []
    assert LogFollower(logs, LINES).poll() == []


# --- the last lines ------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5, 9, 10, 50])
def test_the_last_lines_of_all_nodes_are_the_last_of_the_whole(logs: Logs, count: int) -> None:
    spools = [Spool(logs, 0), Spool(logs, 1)]
    for n in range(10):
        spools[n % 3 == 0].print(n, n, b"line %d\n" % n)
        spools[n % 3 == 0].roll()

    assert texts(last_lines(logs, count)) == texts(all_printed(logs, LINES))[-count:]


def test_of_the_last_lines_one_may_have_no_newline(logs: Logs) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 0, b"a\nb\nc")

    assert texts(last_lines(logs, 2)) == ["b", "c"]


def test_no_last_lines_are_none(logs: Logs) -> None:
    Spool(logs, 0).print(1, 0, b"a\n")

    assert last_lines(logs, 0) == []


# --- what can be wrong with it -------------------------------------------------------


def test_a_cut_tail_of_a_killed_writer_is_passed_when_a_new_segment_follows(logs: Logs) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 0, b"whole\n")
    spool.append(HEADER.pack(6, 0, 1, STDOUT, 0, 0) + b"hel")
    spool.end += 1000
    spool.roll()
    spool.print(2, 0, b"later\n")

    assert texts(all_printed(logs, LINES)) == ["whole", "later"]


def test_old_segments_may_be_gone(logs: Logs) -> None:
    spool = Spool(logs, 0)
    for n in range(3):
        spool.print(n, 0, b"%d\n" % n)
        spool.roll()
    spool.drop(0)

    assert logs.starts(0) == [22, 44]
    assert texts(all_printed(logs, LINES)) == ["1", "2"]


@pytest.mark.parametrize("damage", [b"\xff" * 40, b"\0" * 7, bytes(range(200)), b"\xff" * 70_000])
@pytest.mark.parametrize("block", [64, 1 << 20])
def test_a_damaged_record_hides_nothing_but_itself(
    logs: Logs, damage: bytes, block: int, caplog: pytest.LogCaptureFixture
) -> None:
    spool, now = Spool(logs, 0), 18 * 10**14
    for part in (b"before\n", None, b"after\n", b"later\n", None, b"last\n"):
        if part is None:
            spool.append(damage)
        else:
            spool.append(HEADER.pack(len(part), 3, 1, STDOUT, 0, now) + part)

    found = [record.payload for record in read_records(logs, 0, block=block)]

    assert found == [b"before\n", b"after\n", b"later\n", b"last\n"]
    assert len(caplog.messages) == 2
    if isinstance(logs, MirroredLogs):
        assert "jobs/2b7l9lg7dl/live/000000000" in caplog.messages[0]
        return
    where = f"{logs.folder}/0" if isinstance(logs, FolderLogs) else "memory:0"
    assert caplog.messages[0] == f"the log {where}/{0:020d} at byte 27 is damaged"


def test_the_agent_writes_what_is_read_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_spool, "SEGMENT", 100)
    logs = FolderLogs(tmp_path)

    spool = agent_spool.Log(str(tmp_path / "0"), True)
    for n in range(20):
        spool.append(n, 2, 1 + n % 2, b"%d\n" % n)
        spool.write()
        assert logs.end(0) == spool.end

    assert len(logs.starts(0)) > 3
    assert [(r.task, r.attempt, r.stream, r.payload) for r in read_records(logs, 0)] == [
        (n, 2, 1 + n % 2, b"%d\n" % n) for n in range(20)
    ]

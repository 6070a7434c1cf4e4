"""Logs come back as lines in their order, and byte for byte, while they are being written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.agent import spool as agent_spool
from batchio.errors import WorkspaceError
from batchio.stores import logs as log_reader
from batchio.stores.log_records import HEADER, STDERR, STDOUT, Select, read_records, segments
from batchio.stores.logs import LogFollower, LogLine, all_lines, last_lines, node_lines, nodes, raw

if TYPE_CHECKING:
    from pathlib import Path


class Spool:
    """Writes the records of one node, as an agent does."""

    def __init__(self, logs: Path, node: int) -> None:
        self.folder = logs / str(node)
        self.folder.mkdir(parents=True)
        self.start = self.end = 0

    def print(self, time: float, task: int, data: bytes, stream: int = STDOUT) -> tuple[int, int]:
        """Append one record; where it lies."""
        record = HEADER.pack(len(data), task, 1, stream, 0, int(time * 1e6)) + data
        self.append(record)
        return self.end - len(record), self.end

    def append(self, data: bytes) -> None:
        with (self.folder / f"{self.start:020d}").open("ab") as segment:
            segment.write(data)
        self.end += len(data)

    def roll(self) -> None:
        """Begin the next segment."""
        self.start = self.end


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def texts(lines: Any) -> list[str]:
    return [line.text for line in lines]


# --- lines ---------------------------------------------------------------------------


def test_a_line_has_its_task_attempt_stream_time_and_node(logs: Path) -> None:
    spool = Spool(logs, 3)
    spool.print(12.5, 7, b"hello\n")
    spool.print(13.25, 8, b"oops\n", STDERR)

    assert list(all_lines(logs)) == [
        LogLine(7, 1, "stdout", 12.5, "hello", 3),
        LogLine(8, 1, "stderr", 13.25, "oops", 3),
    ]


def test_parts_of_a_line_are_joined_per_task_and_stream(logs: Path) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 1, b"one ")
    spool.print(2, 2, b"two ")
    spool.print(3, 1, b"error ", STDERR)
    spool.print(4, 1, b"more\nnext")
    spool.print(5, 2, b"more\n")
    spool.print(6, 1, b"text\n", STDERR)

    assert [(line.time, line.text) for line in all_lines(logs)] == [
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
def test_bytes_become_lines(logs: Path, data: bytes, lines: list[str]) -> None:
    Spool(logs, 0).print(1, 0, data)

    assert texts(all_lines(logs)) == lines


def test_a_carriage_return_and_its_newline_may_come_apart(logs: Path) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 0, b"a\r")
    spool.print(2, 0, b"\nb")

    assert texts(all_lines(logs)) == ["a", "b"]


@given(
    st.lists(st.binary(max_size=9), max_size=9),
    st.sampled_from([21, 64, 1 << 20]),
    st.booleans(),
)
def test_however_the_bytes_are_cut_up_the_lines_are_those_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], block: int, roll: bool
) -> None:
    logs = tmp_path_factory.mktemp("logs")
    spool = Spool(logs, 0)
    for part in parts:
        spool.print(1, 0, part)
        if roll:
            spool.roll()
    whole = b"".join(parts).split(b"\n")
    wanted = whole if whole[-1] else whole[:-1]

    assert texts(node_lines(logs, 0, block=block)) == [
        line.removesuffix(b"\r").decode(errors="replace") for line in wanted
    ]
    assert b"".join(piece.data for piece in raw(logs, 0)) == b"".join(parts)


def test_an_endless_line_comes_in_pieces(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "LONGEST_LINE", 10)
    spool = Spool(logs, 0)
    for _ in range(5):
        spool.print(1, 0, b"12345678")

    assert texts(all_lines(logs)) == ["1234567812345678"] * 2 + ["12345678"]


def test_a_million_tasks_that_end_without_a_newline_are_not_all_held(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "MOST_OPEN", 2)
    spool = Spool(logs, 0)
    for task in range(4):
        spool.print(task, task, b"%d" % task)
    spool.print(9, 9, b"nine\n")

    assert texts(all_lines(logs)) == ["0", "1", "nine", "2", "3"]


# --- of one task ---------------------------------------------------------------------


def test_one_task_is_read_from_its_own_place(logs: Path) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 1, b"before\n")
    begin, _ = spool.print(2, 5, b"mine\n")
    spool.print(3, 2, b"between\n")
    _, end = spool.print(4, 5, b"too\n", STDERR)
    spool.print(5, 5, b"after\n")

    assert texts(node_lines(logs, 0, begin, end, Select(task=5))) == ["mine", "too"]
    assert texts(node_lines(logs, 0, begin, end, Select(5, 1, STDERR))) == ["too"]
    assert texts(node_lines(logs, 0, begin, end, Select(5, 2))) == []
    assert texts(node_lines(logs, 0, begin, begin)) == []


def test_a_stream_comes_back_byte_for_byte(logs: Path) -> None:
    spool = Spool(logs, 0)
    parts = [bytes([n, 10, 255 - n]) * 1000 for n in range(50)]
    for part in parts:
        spool.print(1, 3, part)
        spool.print(1, 3, b"noise", STDERR)
        spool.print(1, 4, b"others")
        spool.roll()

    found = raw(logs, 0, select=Select(3, 1, STDOUT))
    assert b"".join(piece.data for piece in found) == b"".join(parts)


# --- of many nodes -------------------------------------------------------------------


def test_nodes_are_merged_by_time(logs: Path) -> None:
    for node in (0, 2, 10):
        spool = Spool(logs, node)
        for n in range(3):
            spool.print(n * 10 + node, node, b"%d\n" % (n * 10 + node))

    assert nodes(logs) == [0, 2, 10]
    assert texts(all_lines(logs)) == ["0", "2", "10", "10", "12", "20", "20", "22", "30"]


def test_a_job_without_logs_has_no_lines(logs: Path) -> None:
    assert nodes(logs) == []
    assert list(all_lines(logs)) == []
    assert last_lines(logs, 5) == []
    assert LogFollower(logs).poll() == []


# --- the last lines ------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5, 9, 10, 50])
def test_the_last_lines_of_all_nodes_are_the_last_of_the_whole(logs: Path, count: int) -> None:
    spools = [Spool(logs, 0), Spool(logs, 1)]
    for n in range(10):
        spools[n % 3 == 0].print(n, n, b"line %d\n" % n)
        spools[n % 3 == 0].roll()

    assert texts(last_lines(logs, count)) == texts(all_lines(logs))[-count:]


def test_of_the_last_lines_one_may_have_no_newline(logs: Path) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 0, b"a\nb\nc")

    assert texts(last_lines(logs, 2)) == ["b", "c"]


def test_no_last_lines_are_none(logs: Path) -> None:
    Spool(logs, 0).print(1, 0, b"a\n")

    assert last_lines(logs, 0) == []


def test_following_goes_on_after_the_last_lines_without_a_gap_or_a_repeat(logs: Path) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 0, b"a\nb\nc\nbegun ")
    follower = LogFollower(logs)

    assert texts(follower.last(2)) == ["b", "c"]
    spool.print(2, 0, b"and ended\nd\n")
    assert texts(follower.poll()) == ["begun and ended", "d"]


# --- while they are written ----------------------------------------------------------


def test_a_follower_sees_each_line_once_as_it_is_finished(logs: Path) -> None:
    follower = LogFollower(logs)
    assert follower.poll() == []

    spool = Spool(logs, 0)
    spool.print(1, 0, b"a\nb")
    assert texts(follower.poll()) == ["a"]
    assert follower.poll() == []

    spool.print(2, 0, b"c\n")
    spool.roll()
    spool.print(3, 0, b"next segment\n")
    Spool(logs, 1).print(2.5, 1, b"new node\n")
    assert texts(follower.poll()) == ["bc", "new node", "next segment"]
    assert follower.position(0) == spool.end


def test_a_follower_waits_for_a_record_that_is_being_written(logs: Path) -> None:
    spool = Spool(logs, 0)
    follower = LogFollower(logs)
    record = HEADER.pack(6, 0, 1, STDOUT, 0, 0) + b"hello\n"
    for byte in record[:-1]:
        spool.append(bytes([byte]))
        assert follower.poll() == []

    spool.append(record[-1:])
    assert texts(follower.poll()) == ["hello"]


def test_a_follower_reads_a_flood_in_portions(logs: Path) -> None:
    spool = Spool(logs, 0)
    for n in range(10):
        spool.print(n, 0, b"%03d\n" % n)
    follower = LogFollower(logs)

    portions = [len(follower.poll(most=3 * 24)) for _ in range(5)]
    assert portions == [3, 3, 3, 1, 0]


def test_a_follower_of_one_task_moves_past_the_others(logs: Path) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 1, b"theirs\n")
    spool.print(2, 2, b"mine\n")
    spool.print(3, 1, b"theirs\n")
    follower = LogFollower(logs, Select(task=2))

    assert texts(follower.poll()) == ["mine"]
    assert follower.position(0) == spool.end


def test_when_an_attempt_is_over_its_last_words_are_a_line(logs: Path) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 1, b"one")
    spool.print(2, 2, b"two")
    follower = LogFollower(logs)
    assert follower.poll() == []

    assert texts(follower.finish(2, 1)) == ["two"]
    assert texts(follower.finish(2, 1)) == []
    assert texts(follower.finish()) == ["one"]


# --- what can be wrong with it -------------------------------------------------------


def test_a_cut_tail_of_a_killed_writer_is_passed_when_a_new_segment_follows(logs: Path) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 0, b"whole\n")
    with (spool.folder / f"{0:020d}").open("ab") as segment:
        segment.write(HEADER.pack(6, 0, 1, STDOUT, 0, 0) + b"hel")
    spool.end += 1000
    spool.roll()
    spool.print(2, 0, b"later\n")

    assert texts(all_lines(logs)) == ["whole", "later"]


def test_old_segments_may_be_gone(logs: Path) -> None:
    spool = Spool(logs, 0)
    for n in range(3):
        spool.print(n, 0, b"%d\n" % n)
        spool.roll()
    (spool.folder / f"{0:020d}").unlink()

    assert segments(spool.folder) == [22, 44]
    assert texts(all_lines(logs)) == ["1", "2"]


def test_a_damaged_segment_is_named_with_the_byte(logs: Path) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 0, b"whole\n")
    spool.append(b"\xff" * 40)
    lines = all_lines(logs)

    with pytest.raises(WorkspaceError) as err:
        list(lines)
    assert str(err.value) == f"the log {spool.folder}/{0:020d} is damaged at byte 26"


def test_the_agent_writes_what_is_read_here(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_spool, "SEGMENT", 100)

    spool = agent_spool.Log(str(logs / "0"), True)
    for n in range(20):
        spool.append(n, 2, 1 + n % 2, b"%d\n" % n)
        spool.write()

    assert len(segments(logs / "0")) > 3
    assert [(r.task, r.attempt, r.stream, r.payload) for r in read_records(logs / "0")] == [
        (n, 2, 1 + n % 2, b"%d\n" % n) for n in range(20)
    ]

"""Logs are followed while they are written; what has not moved is not read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchio.stores.log_records import HEADER, STDOUT, Select
from batchio.stores.logs import LINES, LogFollower
from tests.stores.spools import Logs, Spool, texts

if TYPE_CHECKING:
    import pytest


def test_following_goes_on_after_the_last_lines_without_a_gap_or_a_repeat(logs: Logs) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 0, b"a\nb\nc\nbegun ")
    follower = LogFollower(logs, LINES)

    assert texts(follower.last(2)) == ["b", "c"]
    spool.print(2, 0, b"and ended\nd\n")
    assert texts(follower.poll()) == ["begun and ended", "d"]


# --- while they are written ----------------------------------------------------------


def test_a_follower_sees_each_line_once_as_it_is_finished(logs: Logs) -> None:
    follower = LogFollower(logs, LINES)
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


def test_a_follower_waits_for_a_record_that_is_being_written(logs: Logs) -> None:
    spool = Spool(logs, 0)
    follower = LogFollower(logs, LINES)
    record = HEADER.pack(6, 0, 1, STDOUT, 0, 0) + b"hello\n"
    for byte in record[:-1]:
        spool.append(bytes([byte]))
        assert follower.poll() == []

    spool.append(record[-1:])
    assert texts(follower.poll()) == ["hello"]


def test_a_follower_reads_a_flood_in_portions(logs: Logs) -> None:
    spool = Spool(logs, 0)
    for n in range(10):
        spool.print(n, 0, b"%03d\n" % n)
    follower = LogFollower(logs, LINES)

    portions = [len(follower.poll(most=3 * 24)) for _ in range(5)]
    assert portions == [3, 3, 3, 1, 0]


def test_a_follower_of_one_task_moves_past_the_others(logs: Logs) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 1, b"theirs\n")
    spool.print(2, 2, b"mine\n")
    spool.print(3, 1, b"theirs\n")
    follower = LogFollower(logs, LINES, Select(task=2))

    assert texts(follower.poll()) == ["mine"]
    assert follower.position(0) == spool.end


def test_when_an_attempt_is_over_its_last_words_are_a_line(logs: Logs) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 1, b"one")
    spool.print(2, 2, b"two")
    follower = LogFollower(logs, LINES)
    assert follower.poll() == []

    assert texts(follower.finish(2, 1)) == ["two"]
    assert texts(follower.finish(2, 1)) == []
    assert texts(follower.finish()) == ["one"]


# --- nothing is read that has not moved ----------------------------------------------


def test_the_end_of_a_node_follows_its_bytes_and_segments(logs: Logs) -> None:
    assert logs.end(0) == 0
    spool = Spool(logs, 0)
    assert logs.end(0) == 0
    for n in range(4):
        spool.print(n, 0, b"%d\n" % n)
        assert logs.end(0) == spool.end
        if n % 2:
            spool.roll()


def test_a_node_that_has_not_moved_is_not_read_again(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for node in range(3):
        Spool(logs, node).print(1, node, b"a line, and a part")
    follower = LogFollower(logs, LINES)
    follower.poll()
    read: list[int] = []
    whole = type(logs).read

    def counted(self: Any, node: int, offset: int, most: int) -> bytes:
        read.append(node)
        return whole(self, node, offset, most)

    monkeypatch.setattr(type(logs), "read", counted)
    assert follower.poll() == []
    assert follower.poll([1]) == []
    assert read == []


def test_only_the_nodes_that_were_named_are_looked_at(logs: Logs) -> None:
    spools = [Spool(logs, 0), Spool(logs, 1)]
    follower = LogFollower(logs, LINES)
    for spool in spools:
        spool.print(1, 0, b"from %d\n" % spool.node)

    assert texts(follower.poll([1])) == ["from 1"]
    assert texts(follower.poll()) == ["from 0"]

"""Lines by number are those that all readers of logs see, wherever records and segments end."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from batchio.stores import log_index
from batchio.stores.log_index import LogIndex
from batchio.stores.logs import LINES, all_printed
from batchio.testing import MemoryLogs
from tests.stores.spools import Logs, Spool, texts

if TYPE_CHECKING:
    import pytest


def index_of(logs: Logs) -> LogIndex:
    return LogIndex(logs, lambda *_: True, lambda _: 0.0)


def read(index: LogIndex, most: int = log_index.PORTION) -> LogIndex:
    while index.extend(most) < 1:
        pass
    return index


def test_a_page_has_the_lines_of_its_numbers(logs: Logs) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 0, b"a\nb\nbeg")
    spool.print(2, 1, b"x\n")
    spool.print(3, 0, b"un\nc\n")
    index = read(index_of(logs))

    assert len(index) == 5
    assert texts(index.page(0, 9)) == ["a", "b", "x", "begun", "c"]
    assert texts(index.page(3, 1)) == ["begun"]
    assert index.page(5, 9) == []


def test_what_has_no_newline_yet_stands_at_the_end_until_it_has(logs: Logs) -> None:
    spool = Spool(logs, 0)
    spool.print(1, 0, b"10 %")
    spool.print(2, 1, b"x\n")
    index = read(index_of(logs))
    assert texts(index.page(0, 9)) == ["x", "10 %"]

    spool.roll()
    spool.print(3, 0, b" 20 %\ny\n")
    read(index)
    assert texts(index.page(0, 9)) == ["x", "10 % 20 %", "y"]


def test_a_text_is_found_both_ways_and_a_time_is(logs: Logs) -> None:
    spool = Spool(logs, 0)
    for second in range(6):
        spool.print(
            second, 0, b"line %d\nNeedle\n" % second if second % 3 else b"line %d\n" % second
        )
    spool.print(9, 0, b"needle at the end")
    index = read(index_of(logs))

    assert texts(index.page(0, 20))[2] == "Needle"
    assert index.find("needle", -1) == 2
    assert index.find("LINE 0", -1) == 0
    assert index.find("needle", 2) == 4
    assert index.find("needle", 9) == 10
    assert index.find("needle", 10) is None
    assert index.find("needle", 10, back=True) == 9
    assert index.find("needle", 4, back=True) == 2
    assert index.find("needle", 2, back=True) is None
    assert index.find("line 0", 9, back=True) == 0
    assert index.at(3.0) == 5
    assert index.at(-1.0) == 0


PRINTED = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 2), st.text("ab\n", min_size=1, max_size=6), st.booleans()
    ),
    max_size=30,
)


@given(PRINTED, st.integers(1, 200))
def test_lines_are_those_that_every_reader_sees(
    printed: list[tuple[int, int, str, bool]], most: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        logs = MemoryLogs(Path(folder))
        spools = [Spool(logs, node) for node in range(3)]
        for time, (node, task, text, rolls) in enumerate(printed):
            spools[node].print(time, task, text.encode())
            if rolls:
                spools[node].roll()
        index = read(index_of(logs), most)
        seen = index.page(0, len(index))
        assert sorted(map(tuple, seen)) == sorted(map(tuple, all_printed(logs, LINES)))
        whole = len(index) - len(index._tails)
        assert [line.time for line in seen[:whole]] == sorted(line.time for line in seen[:whole])
        for at in range(len(index)):
            assert index.page(at, 1) == seen[at : at + 1]


def test_a_line_that_is_too_long_comes_in_several(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_index, "LONGEST_LINE", 5)
    monkeypatch.setattr("batchio.stores.logs.LONGEST_LINE", 5)
    spool = Spool(logs, 0)
    for second in range(4):
        spool.print(second, 0, b"abc")
    spool.print(5, 0, b"\n")
    assert texts(read(index_of(logs)).page(0, 9)) == texts(list(all_printed(logs, LINES)))

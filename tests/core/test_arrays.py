"""Task ids: the grammar of --array, and the set that holds them."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core.arrays import TaskIds, compact, parse_array, parse_ids
from batchio.errors import UsageError

ID_SETS = st.sets(st.integers(0, 10**6), max_size=60)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("5", [5]),
        ("0", [0]),
        ("3-3", [3]),
        ("2,4-6,8-10", [2, 4, 5, 6, 8, 9, 10]),
        ("0-10:2", [0, 2, 4, 6, 8, 10]),
        (" 1, 3 - 5 ", [1, 3, 4, 5]),
        ("8-10,2", [2, 8, 9, 10]),
        ("0-6:3,1-7:3", [0, 1, 3, 4, 6, 7]),
        ("0-5:10", [0]),
        ("007", [7]),
    ],
)
def test_an_array_is_read(text: str, ids: list[int]) -> None:
    assert ids == list(parse_array(text).ids)


@pytest.mark.parametrize(("text", "at_once"), [("0-99%8", 8), ("5 % 1", 1), ("0-99", None)])
def test_percent_limits_how_many_run_at_a_time(text: str, at_once: int | None) -> None:
    assert at_once == parse_array(text).at_once


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("5-3", '"5-3": the first id is larger than the last', "write 3-5"),
        ("0-", '"0-": the last id of the range is missing', "write ids"),
        ("a", '"a" is neither a task id nor a range', "write ids"),
        ("1,x-3", '"x-3" is neither a task id nor a range', "write ids"),
        ("", "no task ids given", "write ids"),
        ("1,,2", '"1,,2": an id is missing', "write ids"),
        ("-1", '"-1": a task id cannot be negative', "write ids"),
        ("0-4:0", '"0-4:0": the step must be 1 or more', "write ids"),
        ("1,1", "task id 1 is listed twice", ""),
        ("0-5,3", "task id 3 is listed twice", ""),
        ("0-10:2,4-5", "task id 4 is listed twice", ""),
        ("0-9%0", '"0-9%0": write the number of tasks', "write ids"),
        ("0-9%x", '"0-9%x": write the number of tasks', "write ids"),
        ("0-999999999", "too many tasks", ""),
        ("٣", '"٣" is neither a task id nor a range', "write ids"),
    ],
)
def test_a_bad_array_is_refused_by_its_bad_part(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_array(text)
    assert str(refused.value).startswith(message)
    assert (refused.value.hint or "").startswith(hint)


def test_a_list_of_ids_has_no_percent() -> None:
    with pytest.raises(UsageError, match="is not a list of task ids"):
        parse_ids("0-9%2")


@pytest.mark.parametrize(
    ("ids", "text"),
    [([0, 1, 2, 5], "0-2,5"), ([], ""), ([7], "7"), ([5, 0, 2, 1, 1], "0-2,5"), ([1, 2], "1-2")],
)
def test_ids_are_shown_compactly(ids: list[int], text: str) -> None:
    assert text == compact(ids)


@given(ID_SETS.filter(bool))
def test_compact_reads_back_as_the_same_ids(ids: set[int]) -> None:
    assert sorted(ids) == list(parse_ids(compact(ids)))


@given(ID_SETS)
def test_positions_and_ids_are_each_others_inverse(ids: set[int]) -> None:
    tasks = TaskIds.of(ids)
    assert sorted(ids) == [tasks.at(row) for row in range(len(tasks))]
    assert list(range(len(ids))) == [tasks.position(i) for i in tasks]


@given(ID_SETS, st.integers(-2, 10**6 + 2))
def test_contains_agrees_with_a_set(ids: set[int], probe: int) -> None:
    assert (probe in ids) == (probe in TaskIds.of(ids))


RANGES = st.lists(
    st.builds(range, st.integers(0, 50), st.integers(1, 80), st.integers(1, 7)).filter(len),
    min_size=1,
    max_size=4,
)


@given(RANGES)
def test_any_mix_of_ranges_is_their_union_or_names_a_double(ranges: list[range]) -> None:
    every = sorted(i for part in ranges for i in part)
    doubled = [i for i in every if every.count(i) > 1]
    if doubled:
        with pytest.raises(UsageError, match=f"task id {min(doubled)} is listed twice"):
            TaskIds(ranges)
    else:
        tasks = TaskIds(ranges)
        assert every == list(tasks)
        assert tasks == parse_ids(str(tasks))
        assert all(i in tasks and tasks.at(tasks.position(i)) == i for i in every)


def test_a_million_ids_take_no_object_each() -> None:
    tasks = parse_ids("0-999999,2000000-2999999:3")
    assert len(tasks) == 1_000_000 + 333_334
    assert len(tasks.ranges) == 2
    assert sys.getsizeof(tasks.ranges) < 200
    assert tasks.at(1_000_001) == 2_000_003


def test_a_position_or_id_that_is_not_there_is_an_error() -> None:
    tasks = parse_ids("2,4-6")
    with pytest.raises(IndexError):
        tasks.at(4)
    with pytest.raises(IndexError):
        tasks.at(-1)
    with pytest.raises(KeyError):
        tasks.position(3)


def test_spellings_of_the_same_runs_are_equal() -> None:
    assert TaskIds.count(5) == parse_ids("0-1,2,3-4")
    assert hash(TaskIds.count(5)) == hash(parse_ids("0-4"))
    assert parse_ids("1-5:2") == TaskIds([range(1, 6, 2)])
    assert parse_ids("0-4") != parse_ids("0-5")
    assert len(TaskIds()) == 0
    assert len(TaskIds.count(0)) == 0

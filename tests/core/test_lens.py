"""Filters and orders work on columns, and agree with the rows that people see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core import events as ev
from batchio.core.history import History
from batchio.core.lens import ALL, COLUMNS, Order, Where, select, touched, window
from batchio.core.table import task_rows
from tests.core.stories import T0, Story, mixed

if TYPE_CHECKING:
    from batchio.core.rows import TaskRow

NOW = T0 + 10


def story() -> Story:
    """Ids 10 to 17 on two nodes: failed, out of memory, retried, running, waiting."""
    told = Story("10-17").offers("b", "a").ready("b", 4).ready("a", 4)
    told.start(0, 1, 2, node=0).start(3, 4, node=1, at=3)
    told.end(0, at=6).end(1, code=3, tail="ValueError: row 7", at=4)
    told.end(2, code=-9, reason="oom", at=5).end(3, node=1, at=4)
    told.requeue(1).start(1, node=1, at=6)
    return told.requeue(2, until=99)


def ids(where: Where = ALL, *order: Order) -> list[int]:
    machine = story().machine
    return [row.id for row in window(machine, select(machine, where, order, NOW), NOW)]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (ALL, list(range(10, 18))),
        (Where(standing=frozenset(["running"])), [11, 14]),
        (Where(standing=frozenset(["succeeded", "pending"])), [10, 12, 13, 15, 16, 17]),
        (Where(nodes=frozenset([1])), [11, 13, 14]),
        (Where(exits=frozenset([0])), [10, 13]),
        (Where(attempt=2), [11, 12]),
        (Where(longer=4.0), [10, 11, 14]),
        (Where(standing=frozenset(["running"]), nodes=frozenset([1]), attempt=2), [11]),
        (Where(standing=frozenset(["nothing"])), []),
    ],
)
def test_only_what_fits_is_found(where: Where, found: list[int]) -> None:
    assert ids(where) == found


def test_words_are_looked_for_in_last_words_and_reasons() -> None:
    machine = Story("0-2").offers("x").ready("x", 4).start(0, 1, 2)
    machine.end(0, code=1, tail="ValueError: BAD row").end(1, code=-9, reason="oom").end(2)
    found = [
        list(select(machine.machine, Where(words=words))) for words in ("bad", "out of mem", "good")
    ]

    assert found == [[0], [1], []]


def test_the_first_order_counts_most_and_the_rest_keep_their_ids_order() -> None:
    assert ids(ALL, Order("attempt", backwards=True), Order("node")) == [
        11, 12, 13, 14, 10, 15, 16, 17,
    ]  # fmt: skip


def test_an_unknown_column_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        ids(ALL, Order("colour"))


def keys(row: TaskRow, column: str) -> Any:
    value = getattr(row, column)
    return None if value == "" else value


@given(st.sampled_from(sorted(COLUMNS)), st.booleans())
def test_columns_sort_as_their_rows_do(column: str, backwards: bool) -> None:
    machine = story().machine
    rows = list(task_rows(machine, NOW))
    known = [row for row in rows if keys(row, column) is not None]
    known.sort(key=lambda row: keys(row, column), reverse=backwards)
    wanted = [*known, *(row for row in rows if keys(row, column) is None)]

    assert ids(ALL, Order(column, backwards)) == [row.id for row in wanted]


def test_a_window_has_the_rows_of_its_positions_in_their_order() -> None:
    machine = mixed().machine
    assert [row.id for row in window(machine, [5, 0], NOW)] == [9, 2]


def test_an_event_of_tasks_names_them_and_their_node() -> None:
    told = story()
    (event,) = told.start(5, node=1).events[-1:]

    assert (list(touched(told.machine, event).tasks), list(touched(told.machine, event).nodes)) == (
        [5],
        [1],
    )


def test_a_node_that_comes_back_under_another_name_touches_all_that_ever_ran_there() -> None:
    told = story()
    told.machine.nodes[1].single = False  # of a rented one people are shown the host name
    told.tell(ev.NodeSilent(T0 + 7, 1, "the connection broke"))
    event = ev.NodeRestarted(T0 + 8, 1, {"instance": "2", "hostname": "renamed"})
    before = list(task_rows(told.machine, NOW))
    named = set(touched(told.machine, event).tasks)
    told.machine.apply(event)

    changed = {n for n, row in enumerate(task_rows(told.machine, NOW)) if row != before[n]}
    assert 3 in changed, "it had ended there"
    assert changed <= named


def test_all_attempts_of_a_task_are_kept_with_what_they_left() -> None:
    told, history = story().end(1, node=1, at=9), History()
    for event in told.events:
        history.apply(event)

    assert [
        (row.attempt, row.node, row.exit_code, row.stopped, row.last_words)
        for row in history.attempts(told.machine, 1)
    ] == [(1, "b", 3, T0 + 4, "ValueError: row 7"), (2, "a", 0, T0 + 9, "")]
    [killed] = history.attempts(told.machine, 2)
    assert (killed.task, killed.signal, killed.reason) == (12, "SIGKILL", "out of memory")


def test_an_attempt_whose_node_was_lost_says_so() -> None:
    told, history = story().lose(1, "no answer"), History()
    for event in told.events:
        history.apply(event)
    [row] = history.attempts(told.machine, 4)

    assert (row.node, row.reason, row.stopped) == ("a", "no answer", None)

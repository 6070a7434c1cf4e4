"""What a person types chooses tasks, and what makes no sense is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core.lens import Order, Where
from batchio.core.select import STANDINGS, Filter, select
from batchio.errors import UsageError
from tests.core.stories import T0, Story
from tests.core.test_lens import story

if TYPE_CHECKING:
    from batchio.core.machine import Machine

NOW = T0 + 10


def typed(text: str, machine: Machine | None = None, *order: Order) -> list[int]:
    """Ids of tasks."""
    made = machine or story().machine
    ids = made.running_job.spec.tasks
    return [ids.at(position) for position in select(made, text, order, NOW)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", range(10, 18)),
        ("running", [11, 14]),
        ("succeeded pending", [10, 12, 13, 15, 16, 17]),
        ("!running", [10, 12, 13, 15, 16, 17]),
        ("running !id:14", [11]),
        ("running !node:a", []),
        ("node:a", [11, 13, 14]),
        ("node:a node:b", [10, 11, 13, 14]),
        ("node:a,b running", [11, 14]),
        ("exit:0", [10, 13]),
        ("try:2", [11, 12]),
        (">4s", [10, 11, 14]),
        (">4s <4.5s", [10, 11]),
        ("id:12,14-16", [12, 14, 15, 16]),
        ("id:12-99 running", [14]),
        ("!id:12,14-16", [10, 11, 13, 17]),
        ("!id:10-16:2", [11, 13, 15, 17]),
        ("running try:2 node:a", [11]),
        ("nothing-like-it", []),
        ("node:nowhere", []),
        ("!node:nowhere", range(10, 18)),
    ],
)
def test_a_filter_chooses_what_it_says(text: str, found: list[int]) -> None:
    assert typed(text) == list(found)


def failed() -> Machine:
    """Ids 0 to 5: failed with words of their own, out of memory, lost, succeeded."""
    told = Story("0-5").offers("gpu-1", "gpu-2").ready("gpu-1", 8).ready("gpu-2", 8)
    told.start(0, 1, 2, 5).start(3, node=1)
    told.end(0, code=1, tail="ValueError: bad row 1").end(1, code=3, tail="a Bad apple")
    told.end(2, code=-9, reason="oom").end(5)
    return told.lose(1, "gpu-2 hung up").machine


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bad", [0, 1, 2, 3]),
        ("failed", [0, 1, 2]),
        ("lost", [3]),
        ("!bad", [4, 5]),
        ("exit:SIGKILL", [2]),
        ("exit:kill", [2]),
        ("exit:-9,3", [1, 2]),
        ('"bad row"', [0]),
        ('!"bad row" failed', [1, 2]),
        ('"BAD row"', [0]),
        ("BAD", [0, 1]),
        ("ValueError:", [0]),
        ("out-of-memory", []),
        ('"out of memory"', [2]),
        ("node:gpu-*", [0, 1, 2, 3, 5]),
        ("node:gpu", [0, 1, 2, 3, 5]),
        ("node:gpu-1", [0, 1, 2, 5]),
        ('"hung up', [3]),
        ("s3://bucket", []),
    ],
)
def test_words_signals_and_parts_of_names_are_understood(text: str, found: list[int]) -> None:
    assert typed(text, failed()) == found


def test_bare_words_must_all_be_there_in_any_order() -> None:
    assert typed("apple a", failed()) == [1]
    assert typed("row apple", failed()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">10x", '">10x": "10x" is not a duration'),
        ("failed <", ""),
        ("exit:x", '"exit:x": "x" is neither an exit code nor a signal'),
        ("try:two", '"try:two": "two" is not an attempt number'),
        ("id:4-2", '"id:4-2": "4-2": the first id is larger than the last'),
        ("node:", '"node:": a value is missing'),
        ("!id:", '"!id:": a value is missing'),
    ],
)
def test_a_term_that_makes_no_sense_is_named(text: str, message: str) -> None:
    if not message:
        assert Filter.parse(text).terms[1].kind == "words"
        return
    with pytest.raises(UsageError) as caught:
        Filter.parse(text)

    assert caught.value.message == message
    assert caught.value.hint


@given(st.text(max_size=40) | st.lists(st.sampled_from(['"', "!", "id:", "node:", ">", " ", "a"])))
def test_whatever_is_typed_is_a_filter_or_an_error_in_words(typed_in: str | list[str]) -> None:
    text = "".join(typed_in)
    try:
        chosen = Filter.parse(text)
    except UsageError:
        assert set("<>:") & set(text)
    else:
        assert set(select(failed(), chosen, (), NOW)) <= set(range(6))


@given(st.sampled_from(sorted(STANDINGS)), st.sampled_from(["node:gpu-1", "exit:1", "bad", ">1s"]))
def test_a_term_and_its_negation_divide_the_tasks(one: str, other: str) -> None:
    everything = set(range(6))
    for term in (one, other):
        assert set(typed(term, failed())) ^ set(typed(f"!{term}", failed())) == everything
    both = set(typed(f"{one} {other}", failed()))
    if other != "bad":
        assert both == set(typed(one, failed())) & set(typed(other, failed()))


def test_conditions_and_text_choose_alike_and_are_sorted_alike() -> None:
    machine, order = failed(), (Order("exit_code", backwards=True),)
    where = Where(standing=frozenset(["failed"]), nodes=frozenset([0]))

    assert select(machine, where, order, NOW) == select(machine, "failed node:gpu-1", order, NOW)
    assert typed("bad", machine, *order) == [1, 0, 2, 3]

"""The journal's vocabulary survives the disk, and never changes its meaning."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core import events as ev
from batchio.core.reports import Ended

TEXT = st.text(max_size=12)
NUMBER = st.integers(0, 2**31 - 1)
TIME = st.floats(0, 1e10, allow_nan=False)
PAIRS = st.lists(st.lists(NUMBER, min_size=2, max_size=2), max_size=3)
ROWS = st.lists(st.lists(NUMBER | TIME | TEXT, min_size=2, max_size=13), max_size=3)
OBJECT = st.dictionaries(TEXT, NUMBER | TEXT | st.none() | st.booleans(), max_size=3)

ENDED = st.builds(
    Ended,
    NUMBER,
    NUMBER,
    NUMBER,
    TEXT,
    TIME,
    TIME,
    NUMBER,
    TIME,
    NUMBER,
    NUMBER,
    NUMBER,
    NUMBER,
    TEXT,
)

FIELDS: dict[str, st.SearchStrategy[object]] = {
    "float": TIME,
    "int": NUMBER,
    "str": TEXT,
    "bool": st.booleans(),
    "dict[str, Any]": OBJECT,
    "list[dict[str, Any]]": st.lists(OBJECT, max_size=2),
    "Facts": OBJECT,
    "list[Ended]": st.lists(ENDED, max_size=3),
    "list[int]": st.lists(NUMBER, max_size=3),
    "list[list[int]]": PAIRS,
    "list[list[Any]]": ROWS,
    "bool | None": st.none() | st.booleans(),
    "list[int] | None": st.none() | st.lists(NUMBER, max_size=3),
}
KINDS = sorted(ev._TYPES.values(), key=lambda cls: cls.__name__)


@st.composite
def events(draw: st.DrawFn) -> ev.Event:
    kind = draw(st.sampled_from(KINDS))
    values: Any = {item.name: draw(FIELDS[str(item.type)]) for item in fields(kind)}
    return kind(**values)


@given(events())
def test_what_is_written_is_what_is_read(event: ev.Event) -> None:
    line = ev.encode(event)

    assert ev.decode(line) == event
    assert ev.decode(line.encode()) == event
    assert "\n" not in line


def test_names_that_are_not_unicode_survive() -> None:
    event = ev.NodeLost(1.0, 0, "caf\udce9", final=True)

    assert ev.decode(ev.encode(event).encode()) == event


def test_no_two_events_share_a_tag() -> None:
    kinds = {(kind.__name__, kind.tag) for kind in ev._leaves(ev.Event)}
    tags = Counter(tag for _, tag in kinds)

    assert [tag for tag, times in tags.items() if times > 1] == []
    assert len(tags) == len(KINDS)


def test_an_event_without_its_last_field_is_still_read() -> None:
    assert ev.decode('["deleted",1.0,3]') == ev.NodeDeleted(1.0, 3, "")
    assert ev.decode('["c",1.0,3,[[0,1]]]') == ev.TasksCollected(1.0, 3, [[0, 1]], "")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "7", '["nonsense",1.0]', '["heard"]', '["heard",1.0,2,3]', '["heard"']
)
def test_what_is_no_event_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="not an event") as caught:
        ev.decode(text)

    assert text in str(caught.value)

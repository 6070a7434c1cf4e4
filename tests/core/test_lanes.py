"""What nodes did over time adds up to what attempts did, whatever clocks say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core import events as ev
from batchio.core.history import History
from batchio.core.lanes import Lanes, lanes
from tests.core.stories import T0, Story


def seen(story: Story, since: float = T0, until: float = T0 + 10, bins: int = 10) -> Lanes:
    history = History()
    for event in story.events:
        history.apply(event)
    return lanes(history, since, until, bins)


def two_nodes() -> Story:
    """Two attempts from 2 to 5 on a, of which one fails; one from 4 on b, which goes on."""
    story = Story("0-3").offers("a", "b").ready("a").ready("b").start(0, 1).start(2, node=1, at=4)
    return story.end(0).end(1, code=1)


def test_a_lane_says_how_many_attempts_ran_in_each_part() -> None:
    found = seen(two_nodes())

    assert found.nodes[0].busy == [0, 0, 2, 2, 2, 0, 0, 0, 0, 0]
    assert found.nodes[1].busy == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert found.ended == [0, 0, 0, 0, 0, 2, 0, 0, 0, 0]
    assert found.failed == found.nodes[0].failed == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_an_attempt_that_was_lost_has_no_end_and_is_not_drawn() -> None:
    found = seen(two_nodes().lose(1, at=6))

    assert found.nodes[1].busy == [0.0] * 10


def test_an_attempt_that_was_never_started_is_not_drawn() -> None:
    story = Story("0").offers("a").ready("a")
    story.tell(ev.TasksAssigned(T0 + 2, 0, [[0, 1]]))

    assert seen(story).nodes[0].busy == [0.0] * 10


@given(
    st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e6),
    st.integers(1, 50),
)  # fmt: skip
def test_clocks_that_step_leave_numbers_sane(
    begin: float, length: float, since: float, span: float, bins: int
) -> None:
    history = History()
    history.apply(ev.TasksAssigned(T0, 0, [[0, 1]]))
    columns = history.columns
    columns["started"][0], columns["ended"][0] = T0 + begin, T0 + begin + length

    found = lanes(history, T0 + since, T0 + since + span, bins)

    assert sum(found.ended) == 1
    assert all(-1e-6 <= part <= 1 + 1e-6 for part in found.nodes[0].busy)
    assert len(found.nodes[0].busy) == bins


def test_what_ran_in_all_parts_adds_up_to_the_time_it_took() -> None:
    found = seen(two_nodes(), until=T0 + 8, bins=3)

    assert sum(found.nodes[0].busy) * 8 / 3 == pytest.approx(6.0)

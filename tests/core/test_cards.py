"""A card says of a job what a list shows, and is known for what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core import events as ev
from batchio.core.cards import card_of, first_card, is_card, summary_of, unreadable
from batchio.core.ids import job_id, submitted_at
from batchio.core.machine import Machine
from batchio.core.views import job_summary
from tests.core.machines import spec
from tests.core.stories import T0, Story, mixed
from tests.damage import SEEDS, changed, dices

JOB = "2b7l9lg7dl"


@pytest.mark.parametrize(
    "story",
    [Story(), mixed(), mixed().tell(ev.CancelRequested(T0 + 9, None, "enough")), mixed().close()],
    ids=["new", "running", "cancelled", "done"],
)
@pytest.mark.parametrize("is_open", [True, False])
def test_a_card_becomes_the_line_of_the_list_that_the_journal_gives(
    story: Story, *, is_open: bool
) -> None:
    written = json.dumps(card_of(story.machine, T0 + 50, is_open=is_open))
    card = json.loads(written)

    assert is_card(card)
    assert card["open"] is is_open
    assert summary_of(card, T0 + 100) == job_summary(story.machine, T0 + 100)


def test_the_first_card_is_that_of_a_job_without_events_but_the_first() -> None:
    made, machine = spec(3, head="inline"), Machine()
    machine.apply(ev.JobSubmitted(T0, JOB, made.to_json()))

    assert first_card(JOB, made, T0) == card_of(machine, T0, is_open=False)


@pytest.mark.parametrize(
    "change",
    [{"layout": 99}, {"counts": {}}, {"counts": None}, {"state": None}],
    ids=["a later layout", "no counts", "torn counts", "a field is missing"],
)
def test_what_is_no_whole_card_of_this_version_is_none(change: dict[str, Any]) -> None:
    card = {**card_of(mixed().machine, T0, is_open=False), **change}
    if change == {"state": None}:
        del card["state"]

    assert not is_card(card)
    assert not is_card({})


@given(SEEDS)
def test_a_card_with_a_value_changed_is_none_or_becomes_a_line(seed: int) -> None:
    true = json.loads(json.dumps(card_of(mixed().machine, T0, is_open=False)))
    for dice in dices(seed):
        card = changed(dice, true, ["running", None])
        if isinstance(card, dict) and is_card(card):
            line = summary_of(card, T0 + 50)
            json.dumps(line.to_json(), allow_nan=False)
            assert line.progress
            assert repr(line)
            assert line.submitted_at.year < 9999
            assert type(card["boot"][0]) is str


def test_a_job_that_cannot_be_read_has_a_line_too() -> None:
    line = unreadable(job_id(1.8e9, b"1234"), "train", "its journal is damaged")

    assert (line.standing, line.why, line.name) == ("unreadable", "its journal is damaged", "train")
    assert line.submitted == pytest.approx(1.8e9, abs=0.01)
    assert line.to_json()["counts"]["total"] == 0


@given(now=st.floats(1_767_225_600, 4_000_000_000))
def test_an_id_says_when_its_job_was_submitted(now: float) -> None:
    assert submitted_at(job_id(now, b"1234")) == pytest.approx(now, abs=0.011)

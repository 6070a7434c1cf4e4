"""An event that was damaged on the disk is named by its number, never in Python's words."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core.snapshot import dump
from batchio.errors import BatchioError, JournalCorrupt
from batchio.runtime.replay import Fold
from batchio.testing import Ends
from tests.core.machines import spec
from tests.damage import damaged
from tests.effort import examples
from tests.runtime.jobs import Job

if TYPE_CHECKING:
    from pathlib import Path


class Rows:
    """A journal of these events; implements `ports.JournalReader` as far as a fold needs it."""

    def __init__(self, rows: list[str]) -> None:
        self._rows = rows

    def snapshot(self) -> None:
        return None

    def read(self, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        return list(enumerate(self._rows, 1))[after:]

    def events(self, after: int = 0, limit: int | None = None) -> list[Any]:
        return []


def test_a_damaged_event_is_named_by_its_number(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(2), nodes=1)
    job.lead()
    with closing(job.store.reader()) as reader:
        rows = [body for _, body in reader.read()]
    said: list[str] = []
    odds: list[Any] = [None, "x", [], {}, -1, [[7]]]
    for at, row in enumerate(rows[1:], 1):
        event = json.loads(row)
        for place in range(1, len(event)):
            for odd in odds:
                damage = json.dumps([*event[:place], odd, *event[place + 1 :]])
                past: Any = Rows([*rows[:at], damage, *rows[at + 1 :]])
                try:
                    Fold(past).catch_up()
                except JournalCorrupt as err:
                    said.append(str(err))
    assert len(said) > len(rows)
    assert all(one.startswith("journal record ") for one in said)


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [0, 1, -1, 7, 2**31, 2**63, -(2**63), 10**12, 10**30, 0.5, -0.0, 1e308, True, None, "", "x", []]
)


@examples(300)
@given(data=st.data())
def test_no_number_in_a_journal_hangs_a_reader_or_ends_it_in_words_of_python(
    journal: list[str], data: st.DataObject
) -> None:
    rows = list(journal)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(rows) - 1))
        event = json.loads(rows[at])
        _put(event, data)
        rows[at] = json.dumps(event)
    past: Any = Rows(rows)

    for lenient in (False, True):
        fold = Fold(past, lenient=lenient)
        with suppress(BatchioError):  # another version of the spec has words of its own
            fold.catch_up()
            assert fold.position == len(rows)


def _put(value: Any, data: st.DataObject) -> None:
    """Put an odd value into a place of a nested value, or remove or repeat something there."""
    while True:
        inner = [v for v in (value.values() if isinstance(value, dict) else value)]
        deeper = [v for v in inner if isinstance(v, list | dict) and v]
        if not deeper or data.draw(st.booleans()):
            break
        value = data.draw(st.sampled_from(deeper))
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    value[data.draw(st.sampled_from(keys))] = data.draw(ODD)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The journal of a job in which several things went wrong."""
    job = Job(
        tmp_path_factory.mktemp("job"),
        spec(6, max_retries=1),
        lambda attempt: Ends(exit=attempt.task % 2, seconds=5),
        nodes=2,
        slots=2,
    )
    nodes = job.provider.nodes
    job.lead((3, lambda: nodes["n0"].cut()), (6, lambda: nodes["n1"].die()))
    with closing(job.store.reader()) as reader:
        return [body for _, body in reader.read()]


def test_a_damaged_snapshot_is_not_used(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(4), nodes=2)
    job.lead()
    with closing(job.store.reader()) as reader:
        rows = [body for _, body in reader.read()]
    past: Any = Rows(rows)
    whole = Fold(past)
    whole.catch_up()
    state = dump(whole.machine)
    dice = Random(7)
    for _ in range(100):
        fold = Fold(past)
        fold.resume(len(rows), damaged(dice, state))  # behind its checksum
        assert fold.position in (0, len(rows))

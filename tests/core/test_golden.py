"""A journal that was written once is understood for ever, and means the same."""

from __future__ import annotations

import json

import pytest

from batchio.core import events as ev
from batchio.core.machine import Machine
from tests.core.golden.write import GOLDEN, told

JOURNALS = sorted(GOLDEN.glob("*.jsonl"))


def lines(name: str) -> list[str]:
    return (GOLDEN / name).read_text().splitlines()


@pytest.mark.parametrize("name", [path.name for path in JOURNALS])
def test_a_journal_of_any_version_folds_to_what_it_always_did(name: str) -> None:
    machine = Machine()
    for line in lines(name):
        machine.apply(ev.decode(line))

    meant = json.loads((GOLDEN / name).with_suffix(".json").read_text())
    assert json.loads(json.dumps(told(machine))) == meant


@pytest.mark.parametrize("name", [path.name for path in JOURNALS])
def test_every_event_of_any_version_is_written_as_it_always_was(name: str) -> None:
    assert [ev.encode(ev.decode(line)) for line in lines(name)] == lines(name)


def test_the_golden_journals_have_every_kind_of_event() -> None:
    tags = {json.loads(line)[0] for path in JOURNALS for line in lines(path.name)}

    assert tags >= set(ev._TYPES)

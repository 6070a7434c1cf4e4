"""A journal that was written once is understood for ever, and means the same."""

from __future__ import annotations

import json

from batchio.core import events as ev
from batchio.core.machine import Machine
from tests.core.golden.write import GOLDEN, told

LINES = (GOLDEN / "v1.jsonl").read_text().splitlines()


def test_a_journal_of_version_1_folds_to_what_it_always_did() -> None:
    machine = Machine()
    for line in LINES:
        machine.apply(ev.decode(line))

    assert json.loads(json.dumps(told(machine))) == json.loads((GOLDEN / "v1.json").read_text())


def test_every_event_of_version_1_is_written_as_it_always_was() -> None:
    assert [ev.encode(ev.decode(line)) for line in LINES] == LINES


def test_the_golden_journal_has_every_kind_of_event() -> None:
    assert {json.loads(line)[0] for line in LINES} >= set(ev._TYPES)
